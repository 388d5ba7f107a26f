"""Judge the loads of some days and hold back the tenants that fail a critical expectation.

Judging again replaces the earlier verdicts: a repaired load that now passes is released by it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster.quality.rollup import rollup
from analytics_dagster.quality.suites import judge, read_suites
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.warehouse import WarehouseUrl, connect

# above this share, and from this number of tenants on, a failure is the platform's and nothing is built
PLATFORM_FAULT_SHARE = 0.3
PLATFORM_FAULT_TENANTS = 3


@dataclass(frozen=True)
class Hold:
    load_day: date
    tenant_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class GateReport:
    verdicts: tuple[Verdict, ...]
    holds: tuple[Hold, ...]

    @property
    def judged(self) -> int:
        """How many (loading day, tenant)s were judged."""
        return len({(verdict.load_day, verdict.tenant_id) for verdict in self.verdicts})

    @property
    def platform_faults(self) -> tuple[date, ...]:
        """Days on which so many tenants failed that it cannot be their own fault."""
        judged = Counter(day for day, _ in {(v.load_day, v.tenant_id) for v in self.verdicts})
        held = Counter(hold.load_day for hold in self.holds)
        return tuple(
            day
            for day, count in sorted(held.items())
            if count >= PLATFORM_FAULT_TENANTS and count > PLATFORM_FAULT_SHARE * judged[day]
        )


def run_gate(
    url: WarehouseUrl, suite_file: Path, load_days: Sequence[date], tenants: Sequence[str] | None = None
) -> GateReport:
    suites = [suite for suite in read_suites(suite_file.parent) if suite.file == suite_file]
    with connect(url) as connection:
        verdicts = judge(rollup(connection, load_days, tenants), suites)
        report = GateReport(tuple(verdicts), tuple(holds_of(verdicts)))
        _record(connection, report, load_days, tenants)
    return report


def holds_of(verdicts: Sequence[Verdict]) -> list[Hold]:
    """A tenant's load is held when at least one critical expectation failed."""
    reasons: dict[tuple[date, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.severity == "critical" and not verdict.passed:
            observed = "nothing" if verdict.observed is None else f"{verdict.observed:.3g}"
            reasons.setdefault((verdict.load_day, verdict.tenant_id), []).append(
                f"{verdict.expectation}: expected {verdict.expected}, observed {observed}"
            )
    return [Hold(load_day, tenant, tuple(why)) for (load_day, tenant), why in sorted(reasons.items())]


def _record(
    connection: psycopg.Connection,
    report: GateReport,
    load_days: Sequence[date],
    tenants: Sequence[str] | None,
) -> None:
    scope = {"load_days": list(load_days), "tenants": None if tenants is None else list(tenants)}
    within = "load_day = any(%(load_days)s) and (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s))"
    connection.execute(f"delete from quality.results where {within}", scope)  # noqa: S608 - a constant of ours
    # a hold that stays keeps the moment at which it began
    still_held = [(hold.load_day, hold.tenant_id) for hold in report.holds]
    connection.execute(
        f"delete from quality.holds where {within} and not (load_day, tenant_id) in "  # noqa: S608 - as above
        "(select * from unnest(%(days)s::date[], %(held)s::text[]))",
        {**scope, "days": [day for day, _ in still_held], "held": [tenant for _, tenant in still_held]},
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.results (load_day, tenant_id, expectation, severity, observed, expected, passed)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (v.load_day, v.tenant_id, v.expectation, v.severity, v.observed, v.expected, v.passed)
                for v in report.verdicts
            ],
        )
        cursor.executemany(
            "insert into quality.holds (load_day, tenant_id, reasons) values (%s, %s, %s)"
            " on conflict (load_day, tenant_id) do update set reasons = excluded.reasons",
            [(hold.load_day, hold.tenant_id, Jsonb(list(hold.reasons))) for hold in report.holds],
        )
