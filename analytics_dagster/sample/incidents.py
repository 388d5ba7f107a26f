"""Incidents of a tenant's whole day, on purpose: the catalogue, where they strike, what they make of landing files.

Single broken lines are `faults`; what an incident does to events is in `accidents` and `accidents_of_payments`. The
ledger of incidents says what was injected, so that whoever claims to notice can be checked.
"""

import csv
import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

from analytics_dagster.sample import accidents, accidents_of_payments
from analytics_dagster.sample.landing import PREFIX
from analytics_dagster.sample.lines import line
from analytics_dagster.sample.plan import SampleError
from analytics_dagster.sample.spoiling import Event, Incident, Scene

LEDGER = "incidents.csv"
QUIET_BEGIN = 21  # days without an incident: a history has to come from somewhere
QUIET_BETWEEN = 5  # days between two incidents of a tenant
AT_ONCE = 2  # on a day: more would look like a fault of the platform

OF_PAYMENTS = frozenset(incident.name for incident in accidents_of_payments.incident)
CATALOGUE = (*accidents_of_payments.incident, *accidents.incident)
BY_NAME: Mapping[str, Incident] = {incident.name: incident for incident in CATALOGUE}


@dataclass(frozen=True, order=True)
class Injected:
    load_day: date
    tenant_id: str
    incident: str


def schedule(
    days: Sequence[date],
    tenants: Sequence[str],
    paying: Collection[tuple[str, date]],
    seed: int,
    *,
    each: int = 1,
    taken: Collection[tuple[str, date]] = (),
) -> list[Injected]:
    """Every incident of the catalogue `each` times; those of payments only at the loads that are `paying`."""
    rng = Random(f"{seed}/incidents")
    payments = set(paying)
    chosen: list[Injected] = []
    busy = set(taken)  # a tenant that is broken already needs its quiet days, too
    for incident in CATALOGUE:  # those of payments come first: they have less choice
        for _ in range(each):
            fitting = [
                (tenant, day)
                for tenant in sorted(tenants)
                for day in sorted(days)[QUIET_BEGIN:]
                if (incident.name not in OF_PAYMENTS or (tenant, day) in payments)
                and sum(one.load_day == day for one in chosen) < AT_ONCE
                and all(owner != tenant or abs((day - at).days) > QUIET_BETWEEN for owner, at in busy)
            ]
            if not fitting:
                raise SampleError(
                    f"there is no room left for the incident {incident.name}",
                    remedy="simulate more days or more tenants, or inject each incident less often",
                )
            tenant_id, load_day = rng.choice(fitting)
            busy.add((tenant_id, load_day))
            chosen.append(Injected(load_day, tenant_id, incident.name))
    return sorted(chosen)


def inject(landing_dir: Path, injected: Collection[Injected], currencies: Mapping[str, str], seed: int) -> None:
    """Rewrite the landing files of these loads: their sound lines meet the incident, broken ones stay as they are."""
    for one in sorted(injected):
        folder = landing_dir / one.load_day.isoformat() / one.tenant_id
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        lines = [sound(raw) or raw for file in files for raw in _read(file).splitlines(keepends=True)]
        if not lines:
            raise SampleError("there is nothing to spoil", where=str(folder), remedy="choose a load that has files")
        scene = Scene(
            one.load_day,
            one.tenant_id,
            currencies[one.tenant_id],
            Random(f"{seed}/{one.load_day}/{one.tenant_id}/{one.incident}"),
        )
        spoilt = BY_NAME[one.incident].strike(lines, scene)
        for file in files:
            file.unlink()
        whole = b"".join(told if isinstance(told, bytes) else line(told) for told in spoilt)
        (folder / f"{PREFIX}0001.ndjson.gz").write_bytes(gzip.compress(whole, mtime=0))


def sound(raw: bytes) -> Event | None:
    """The event, where the line is one: valid by the contract as far as an incident looks at it."""
    try:
        event: Event = json.loads(raw)
        date.fromisoformat(event["metadata"]["timestamp"][:10])
        shaped = isinstance(event["properties"], dict) and isinstance(event["event_name"], str)
    except (ValueError, TypeError, KeyError):
        return None
    return event if shaped and "event_type" in event else None


def write_incidents(ledger_dir: Path, injected: Collection[Injected]) -> None:
    with (ledger_dir / LEDGER).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("load_day", "tenant_id", "incident"))
        writer.writerows((one.load_day, one.tenant_id, one.incident) for one in sorted(injected))


def read_incidents(ledger_dir: Path) -> list[Injected]:
    with (ledger_dir / LEDGER).open(encoding="utf-8", newline="") as file:
        return [
            Injected(date.fromisoformat(row["load_day"]), row["tenant_id"], row["incident"])
            for row in csv.DictReader(file)
        ]


def _read(file: Path) -> bytes:
    data = file.read_bytes()
    return gzip.decompress(data) if file.suffix == ".gz" else data
