"""The ledger of truth: what a simulation intended, in typed form, and its files.

Written by `write_ledger`, read by `load_ledger`. Counting is in `truth`; nothing here looks at events.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from analytics_dagster.sample.faults import Fault
from analytics_dagster.sample.plan import SampleError, SamplePlan, SampleSummary

MARKER = "simulation.json"  # written last: with it, the simulation is complete
USERS = "users.csv"
UNKNOWN = "(unknown)"  # the account of lines that name no registered tenant

_OUTCOMES = ("received", "accepted", "duplicate", "quarantined")


@dataclass
class Account:
    """The lines of one load of one tenant: received = accepted + duplicate + quarantined."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    faults: dict[Fault, int] = field(default_factory=lambda: dict.fromkeys(Fault, 0))


@dataclass(frozen=True)
class Kpi:
    value: Decimal | None  # none: there is nothing to divide by
    unit: str


@dataclass(frozen=True)
class Usage:
    events: int
    active_users: int


@dataclass(frozen=True)
class Experiment:
    """`effect`: the treated (B) take the step `action` so much more often, relatively."""

    tenant_id: str
    name: str
    action: str
    effect: float
    first_day: date
    last_day: date
    exposed: dict[str, int]  # served exposures by variant


@dataclass(frozen=True)
class UserTruth:
    tenant_id: str
    user_id: str  # the actor: of a visitor who is never known by name, the anonymous id
    joined: date
    left: date | None
    engagement: float


@dataclass(frozen=True)
class Ledger:
    """Everything there is to know, but the users: there may be millions, `users` streams them."""

    plan: SamplePlan
    summary: SampleSummary
    kpis: Mapping[tuple[str, date, str], Kpi]  # tenant, local day, metric
    accounts: Mapping[tuple[date, str], Account]  # loading day, tenant as in raw.accounts
    held: frozenset[tuple[str, date]]  # tenant, loading day
    usage: Mapping[tuple[str, date], Usage]  # tenant, first day of the local month
    experiments: tuple[Experiment, ...]
    path: Path

    def users(self) -> Iterator[UserTruth]:
        for row in _rows(self.path / USERS):
            yield UserTruth(
                row["tenant_id"],
                row["user_id"],
                date.fromisoformat(row["joined"]),
                date.fromisoformat(row["left"]) if row["left"] else None,
                float(row["engagement"]),
            )


def load_ledger(ledger_dir: Path) -> Ledger:
    marker = read_marker(ledger_dir)
    if marker is None:
        raise SampleError(
            "there is no ledger of a complete simulation",
            where=str(ledger_dir),
            remedy="simulate first; a simulation that was interrupted starts again by itself",
        )
    return Ledger(
        plan=SamplePlan(**_dates(marker["plan"])),
        summary=summary_of(marker),
        kpis={
            (row["tenant_id"], date.fromisoformat(row["day"]), row["metric"]): Kpi(
                Decimal(row["value"]) if row["value"] else None, row["unit"]
            )
            for row in _rows(ledger_dir / "kpis.csv")
        },
        accounts={
            (date.fromisoformat(row["load_day"]), row["tenant_id"]): Account(
                **{outcome: int(row[outcome]) for outcome in _OUTCOMES},
                faults={fault: int(row[fault]) for fault in Fault},
            )
            for row in _rows(ledger_dir / "accounts.csv")
        },
        held=frozenset((tenant_id, date.fromisoformat(day)) for tenant_id, day in marker["held"]),
        usage={
            (row["tenant_id"], date.fromisoformat(row["month"])): Usage(int(row["events"]), int(row["active_users"]))
            for row in _rows(ledger_dir / "usage.csv")
        },
        experiments=tuple(Experiment(**_dates(told)) for told in marker["experiments"]),
        path=ledger_dir,
    )


def write_ledger(ledger: Ledger, fingerprint: str) -> None:
    """Everything but the users, who are written as they come."""
    folder = ledger.path
    _write(
        folder / "kpis.csv",
        ("tenant_id", "day", "metric", "value", "unit"),
        ((*key, kpi.value, kpi.unit) for key, kpi in sorted(ledger.kpis.items())),
    )
    _write(
        folder / "accounts.csv",
        ("load_day", "tenant_id", *_OUTCOMES, *Fault),
        (
            (*key, *(getattr(account, outcome) for outcome in _OUTCOMES), *(account.faults[f] for f in Fault))
            for key, account in sorted(ledger.accounts.items())
        ),
    )
    _write(
        folder / "usage.csv",
        ("tenant_id", "month", "events", "active_users"),
        ((*key, usage.events, usage.active_users) for key, usage in sorted(ledger.usage.items())),
    )
    told = {
        "fingerprint": fingerprint,
        "plan": asdict(ledger.plan),
        "summary": asdict(ledger.summary),
        "held": sorted(ledger.held),
        "experiments": [asdict(experiment) for experiment in ledger.experiments],
    }
    (folder / MARKER).write_text(json.dumps(told, indent=2, default=str) + "\n", encoding="utf-8")


# The marker is JSON of our own making: its parts become types right where they are used.
def read_marker(ledger_dir: Path) -> dict | None:  # type: ignore[type-arg]
    try:
        text = (ledger_dir / MARKER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    marker: dict = json.loads(text)  # type: ignore[type-arg]
    return marker


def summary_of(marker: dict) -> SampleSummary:  # type: ignore[type-arg]
    return SampleSummary(**_dates(marker["summary"]))


def _dates(told: dict) -> dict:  # type: ignore[type-arg]
    return {name: date.fromisoformat(v) if name.endswith("_day") else v for name, v in told.items()}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
