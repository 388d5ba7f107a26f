"""The gate's memory at a glance: who is held, the newest verdicts of a load, and the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import class_row

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.holding import Stage
from analytics_dagster.quality.verdicts import Severity, State
from analytics_dagster.tenancy.registry import unknown

HELD = """
select h.tenant_id, h.load_day, h.stage, h.reasons, h.held_at,
    (
        select count(distinct a.load_day) from raw.accounts as a
        where a.tenant_id = h.tenant_id and a.load_day > h.load_day
    ) as waiting_loads,
    (select p.as_of from tenancy.publications as p where p.tenant_id = h.tenant_id) as as_of
from quality.holds as h
order by h.tenant_id collate "C", h.load_day
"""

# what is held first, else what was loaded last
DAY = """
select coalesce(
    (select min(load_day) from quality.holds where tenant_id = %(tenant)s),
    (select max(load_day) from quality.results where tenant_id = %(tenant)s)
)
"""

LOAD = """
select asked.tenant_id, asked.load_day, loads.state, holds.held_at, scores.score::float8 as score,
    releases.actor as released_by, releases.reason as released_for, releases.released_at
from (select %(tenant)s::text as tenant_id, %(day)s::date as load_day) as asked
left join quality.loads on loads.tenant_id = asked.tenant_id and loads.load_day = asked.load_day
left join quality.holds on holds.tenant_id = asked.tenant_id and holds.load_day = asked.load_day
left join quality.scores on scores.tenant_id = asked.tenant_id and scores.load_day = asked.load_day
left join lateral (
    select * from quality.releases as r
    where r.tenant_id = asked.tenant_id and r.load_day = asked.load_day and r.how = 'person'
        and r.content is not distinct from loads.content
    order by r.release_id desc
    limit 1
) as releases on true
"""

# of each stage the newest judgement of this load; what is worst first
VERDICTS = """
with newest as (
    select max(r.judgement_id) as judgement_id
    from quality.results as r
    inner join quality.judgements as j on j.judgement_id = r.judgement_id
    where r.tenant_id = %(tenant)s and r.load_day = %(day)s
    group by j.stage
)
select r.suite, r.expectation, r.severity, r.passed, r.observed, r.expected, r.note, r.sample, j.stage, j.run_id,
    j.judged_at
from quality.results as r
inner join newest on newest.judgement_id = r.judgement_id
inner join quality.judgements as j on j.judgement_id = r.judgement_id
where r.tenant_id = %(tenant)s and r.load_day = %(day)s
order by r.passed, array_position(array['critical', 'warning', 'info'], r.severity), r.suite, r.expectation
"""

SCORES = """
select tenant_id, load_day, score::float8 as score, state, judged, failed_critical, failed_warning,
    round(avg(score) over last_7, 2)::float8 as score_7d
from quality.scores
where %(tenant)s::text is null or tenant_id = %(tenant)s
window last_7 as (partition by tenant_id order by load_day rows between 6 preceding and current row)
order by load_day desc, tenant_id collate "C"
"""

NEWEST_SCORES = f"select distinct on (tenant_id) * from ({SCORES}) as scored order by tenant_id, load_day desc"  # noqa: S608


@dataclass(frozen=True)
class Held:
    tenant_id: str
    load_day: date
    stage: Stage
    reasons: Sequence[str]
    held_at: datetime
    waiting_loads: int  # later ones, held themselves or not
    as_of: date | None  # what its readers are served


@dataclass(frozen=True)
class LoadStanding:
    tenant_id: str
    load_day: date
    state: State | None  # None: judged before loads were remembered, or as marts only
    held_at: datetime | None
    score: float | None
    released_by: str | None
    released_for: str | None
    released_at: datetime | None


@dataclass(frozen=True)
class Told:
    """A verdict, and of which judgement it is."""

    suite: str
    expectation: str
    severity: Severity
    passed: bool
    observed: float | None
    expected: str
    note: str
    sample: Sequence[str]
    stage: Stage
    run_id: str
    judged_at: datetime


@dataclass(frozen=True)
class Scored:
    tenant_id: str
    load_day: date
    score: float
    state: State
    judged: int
    failed_critical: int
    failed_warning: int
    score_7d: float


def held(connection: psycopg.Connection) -> list[Held]:
    with connection.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(HELD).fetchall()


def verdicts(
    connection: psycopg.Connection, tenant_id: str, load_day: date | None = None
) -> tuple[LoadStanding, list[Told]]:
    """Of this load; without a day, of the first held one or else the newest that was judged."""
    _require_known(connection, tenant_id)
    if load_day is None:
        row = connection.execute(DAY, {"tenant": tenant_id}).fetchone()
        load_day = row[0] if row else None
    parameters = {"tenant": tenant_id, "day": load_day}
    with connection.cursor(row_factory=class_row(Told)) as cursor:
        found = cursor.execute(VERDICTS, parameters).fetchall()
    if load_day is None or not found:
        raise AnalyticsError(
            "no load of it was judged" if load_day is None else f"the load of {load_day} was not judged",
            where=f"tenant {tenant_id}",
            remedy="analytics-dagster run loads and judges what has landed; "
            f"analytics-dagster quality scores {tenant_id} says which loads were judged",
        )
    with connection.cursor(row_factory=class_row(LoadStanding)) as cursor:
        (standing,) = cursor.execute(LOAD, parameters).fetchall()
    return standing, found


def scores(connection: psycopg.Connection, tenant_id: str | None = None, *, limit: int | None = None) -> list[Scored]:
    """Of one tenant the newest loads, the newest first; of all, the newest load of each."""
    if tenant_id is not None:
        _require_known(connection, tenant_id)
    query = NEWEST_SCORES if tenant_id is None else f"{SCORES} limit %(limit)s"
    with connection.cursor(row_factory=class_row(Scored)) as cursor:
        return cursor.execute(query.encode(), {"tenant": tenant_id, "limit": limit}).fetchall()


def _require_known(connection: psycopg.Connection, tenant_id: str) -> None:
    if not connection.execute("select from tenancy.tenants where tenant_id = %s", [tenant_id]).rowcount:
        raise unknown(connection, tenant_id)
