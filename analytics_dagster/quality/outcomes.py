"""What a run's judgement said of each expectation, counted where the verdicts are: there may be millions of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.rows import class_row

from analytics_dagster.quality.holding import Stage
from analytics_dagster.quality.verdicts import Severity, State

MOST_FAILING = 26  # of each expectation: one more than a table on a page shows

# a step that was tried again judged again
JUDGEMENT = "select max(judgement_id) from quality.judgements where run_id = %s and stage = %s"

OUTCOMES = """
select r.suite, r.expectation, count(*) as judged, count(*) filter (where not r.passed) as failed,
    coalesce(bool_or(r.severity = 'critical') filter (where not r.passed), false) as critical,
    count(*) filter (where r.observed is null) as nothing_observed,
    min(r.observed) as lowest, max(r.observed) as highest,
    mode() within group (order by r.expected) as expected
from quality.results as r
where r.judgement_id = %(judgement)s
group by r.suite, r.expectation
"""

FAILING = """
select suite, expectation, load_day, tenant_id, state, severity, observed, expected, note, sample
from (
    select r.*, coalesce(l.state, 'passed') as state,
        row_number() over (
            partition by r.suite, r.expectation
            order by coalesce(l.state, '') = 'held' desc, r.load_day desc, r.tenant_id collate "C"
        ) as place
    from quality.results as r
    left join quality.loads as l on l.tenant_id = r.tenant_id and l.load_day = r.load_day
    where r.judgement_id = %(judgement)s and not r.passed
) as failing
where place <= %(most)s
order by suite, expectation, place
"""

DAYS = """
select r.load_day, count(distinct r.tenant_id) as judged,
    count(distinct r.tenant_id) filter (
        where not r.passed and r.severity = 'critical' and l.state in ('held', 'flagged')
    ) as failing
from quality.results as r
left join quality.loads as l on l.tenant_id = r.tenant_id and l.load_day = r.load_day
where r.judgement_id = %(judgement)s
group by r.load_day
order by r.load_day
"""

HELD = """
select h.load_day, h.tenant_id, h.reasons
from quality.holds as h
where exists (
    select from quality.results as r
    where r.judgement_id = %(judgement)s and r.tenant_id = h.tenant_id and r.load_day = h.load_day
)
order by h.load_day desc, h.tenant_id collate "C"
"""


@dataclass(frozen=True)
class Outcome:
    suite: str
    expectation: str
    judged: int
    failed: int
    critical: bool  # whether it failed where it is critical
    nothing_observed: int
    lowest: float | None
    highest: float | None
    expected: str  # of most; a tenant may have thresholds of its own


@dataclass(frozen=True)
class Failing:
    suite: str
    expectation: str
    load_day: date
    tenant_id: str
    state: State
    severity: Severity
    observed: float | None
    expected: str
    note: str
    sample: Sequence[str]


@dataclass(frozen=True)
class DayJudged:
    load_day: date
    judged: int
    failing: int


def judgement_of(connection: psycopg.Connection, run_id: str, stage: Stage) -> int | None:
    """The newest one of a run; nothing when there was nothing to judge."""
    row = connection.execute(JUDGEMENT, [run_id, stage]).fetchone()
    return row[0] if row else None


def outcomes(connection: psycopg.Connection, judgement: int | None) -> list[Outcome]:
    """An expectation that was judged nowhere is not in it."""
    with connection.cursor(row_factory=class_row(Outcome)) as cursor:
        return cursor.execute(OUTCOMES, {"judgement": judgement}).fetchall()


def failing(connection: psycopg.Connection, judgement: int | None) -> list[Failing]:
    """The first loads that fail each expectation, held ones and newest first."""
    with connection.cursor(row_factory=class_row(Failing)) as cursor:
        return cursor.execute(FAILING, {"judgement": judgement, "most": MOST_FAILING}).fetchall()


def days_judged(connection: psycopg.Connection, judgement: int | None) -> list[DayJudged]:
    """Of each loading day, how many tenants were judged and how many fail what is critical and were not released."""
    with connection.cursor(row_factory=class_row(DayJudged)) as cursor:
        return cursor.execute(DAYS, {"judgement": judgement}).fetchall()


def held_loads(connection: psycopg.Connection, judgement: int | None) -> list[tuple[date, str, Sequence[str]]]:
    """Of the loads that were judged: those that are held, and why."""
    return connection.execute(HELD, {"judgement": judgement}).fetchall()


def held_tenants(connection: psycopg.Connection) -> dict[str, list[tuple[date, Sequence[str]]]]:
    """The held loads of each tenant that has any, and why."""
    held: dict[str, list[tuple[date, Sequence[str]]]] = {}
    for tenant, day, reasons in connection.execute(
        "select tenant_id, load_day, reasons from quality.holds order by tenant_id, load_day"
    ):
        held.setdefault(tenant, []).append((day, reasons))
    return held
