"""The gate: judge the loads of some days, and hold back the tenants that fail a critical expectation.

From the events to what is remembered of them; each step has a module of its own. Judging again is harmless: the same
load comes out the same, and a repaired one is released by it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import psycopg

from analytics_dagster.quality.history import frame
from analytics_dagster.quality.holding import Decision
from analytics_dagster.quality.profiling import profiles
from analytics_dagster.quality.recording import record, take_turns
from analytics_dagster.quality.sampling import samples
from analytics_dagster.quality.suites import MARTS_SUITE, Suite, judge, read_suites
from analytics_dagster.quality.thresholds import thresholds
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.warehouse import WarehouseUrl, connect

PLATFORM_FAULT_TENANTS = 3  # fewer are no sign of anything


@dataclass(frozen=True)
class Hold:
    load_day: date
    tenant_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Flag:
    """It fails, and is served: it was let pass before the rule was what it is now."""

    load_day: date
    tenant_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class GateReport:
    verdicts: tuple[Verdict, ...] = ()
    decisions: tuple[Decision, ...] = ()
    judgement_id: int | None = None

    @property
    def judged(self) -> int:
        """How many (loading day, tenant)s were judged."""
        return len(self.decisions)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Of the judged loads: those that are held now, newly or still."""
        return tuple(Hold(d.load_day, d.tenant_id, d.reasons) for d in self.decisions if d.state == "held")

    @property
    def flagged(self) -> tuple[Flag, ...]:
        return tuple(Flag(d.load_day, d.tenant_id, d.reasons) for d in self.decisions if d.state == "flagged")

    def platform_faults(self, share: float, tenants: int = PLATFORM_FAULT_TENANTS) -> tuple[date, ...]:
        """Days on which more than this share of the tenants fail, and so many that it cannot be their own fault.

        What a person released is no fault any more, and what marts are held for says nothing about the day's loads.
        """
        judged = Counter(each.load_day for each in self.decisions)
        failing = Counter(
            each.load_day for each in self.decisions if each.failing and each.state in {"held", "flagged"}
        )
        return tuple(
            day
            for day, count in sorted(failing.items())
            if is_platform_fault(count, judged[day], share, tenants=tenants)
        )


def is_platform_fault(failing: int, judged: int, share: float, *, tenants: int = PLATFORM_FAULT_TENANTS) -> bool:
    """Whether so many of the judged tenants fail that it is no tenant's own fault."""
    return failing >= tenants and failing > share * judged


def run_gate(
    url: WarehouseUrl,
    expectations_dir: Path,
    load_days: Collection[date],
    tenants: Collection[str] | None = None,
    *,
    run_id: str,
    declared: Collection[str] = (),
) -> GateReport:
    """`declared` are the names of events that have a contract. A tenant without a line on a day is not judged."""
    suites = [suite for suite in read_suites(expectations_dir) if suite.name != MARTS_SUITE]
    days, chosen = sorted(load_days), None if tenants is None else sorted(tenants)
    with connect(url) as connection:
        take_turns(connection)  # before anything is read: the newest state of a load is of its newest content
        found = [each for each in profiles(connection, days, chosen, declared=declared) if each.measures["received"]]
        verdicts = judge(frame(connection, found), suites, thresholds(connection, chosen)) if found else []
        verdicts = with_samples(connection, verdicts, suites, declared)
        recorded = record(connection, "loads", run_id, verdicts, profiles=found, load_days=days, tenants=chosen)
    return GateReport(tuple(verdicts), recorded.decisions, recorded.judgement_id)


def with_samples(
    connection: psycopg.Connection, verdicts: Sequence[Verdict], suites: Iterable[Suite], declared: Collection[str]
) -> list[Verdict]:
    """What fails, and is a share of events, gets the ids of a few to look at."""
    by_name = {suite.name: suite for suite in suites}

    def observation(verdict: Verdict) -> tuple[date, str, str]:
        return verdict.load_day, verdict.tenant_id, by_name[verdict.suite].measure_of(verdict.expectation)

    failed = {observation(verdict) for verdict in verdicts if not verdict.passed}
    found = samples(connection, failed, declared=declared) if failed else {}
    return [
        verdict if verdict.passed else replace(verdict, sample=found.get(observation(verdict), ()))
        for verdict in verdicts
    ]
