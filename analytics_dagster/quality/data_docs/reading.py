"""The queries: as many for a thousand tenants as for one.

Verdicts of the past are read through an index of those that failed; all that passed are never walked through.
"""

from collections.abc import Collection
from itertools import groupby
from operator import attrgetter
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from analytics_dagster.quality.data_docs.facts import (
    DailyFailures,
    Day,
    Facts,
    Held,
    Judged,
    Released,
    Run,
    Tenant,
)

RECENT_DAYS = 28
CALENDAR_DAYS = 26 * 7
RUNS_LISTED = 12
FAILURES_LISTED = 8  # of an expectation
MOST_FAILURES = 1_000  # on the page of a run
RELEASES_LISTED = 50

TENANTS: LiteralString = """
with held as (
    select tenant_id, min(load_day) as since, count(*)::int as loads from quality.holds group by tenant_id
)
select t.tenant_id, t.name, t.kind, t.status, p.as_of, l.load_day as newest, l.state, l.judgement_id,
    s.score::float8 as score, s.judged, s.failed_critical, s.failed_warning,
    h.since as held_since, coalesce(h.loads, 0) as held_loads,
    (
        select count(*)::int from quality.loads as w where w.tenant_id = t.tenant_id and w.load_day >= f.front
    ) as waiting
from tenancy.tenants as t
left join lateral (
    select q.load_day, q.state, q.judgement_id from quality.loads as q
    where q.tenant_id = t.tenant_id order by q.load_day desc limit 1
) as l on true
left join quality.scores as s on s.tenant_id = t.tenant_id and s.load_day = l.load_day
left join held as h on h.tenant_id = t.tenant_id
left join tenancy.publications as p on p.tenant_id = t.tenant_id
left join pipeline.fronts as f on f.tenant_id = t.tenant_id
where t.status <> 'offboarded'
order by t.tenant_id
"""

DAYS: LiteralString = """
select s.tenant_id, s.load_day, s.score::float8 as score, s.state, s.judged, s.failed_critical, s.failed_warning,
    l.judgement_id
from quality.scores as s
left join quality.loads as l on l.tenant_id = s.tenant_id and l.load_day = s.load_day
where s.load_day > %(last)s::date - %(days)s and (%(tenants)s::text[] is null or s.tenant_id = any(%(tenants)s))
order by s.tenant_id, s.load_day
"""

# What counts now. The marts are judged as of a day that a hold sets back, so their newest judgement is looked for
# around the front and not on the newest day.
VERDICTS: LiteralString = """
with newest as (
    select t.tenant_id, l.load_day, l.judgement_id
    from tenancy.tenants as t
    cross join lateral (
        select q.load_day, q.judgement_id from quality.loads as q
        where q.tenant_id = t.tenant_id order by q.load_day desc limit 1
    ) as l
    where t.status <> 'offboarded' and (%(tenants)s::text[] is null or t.tenant_id = any(%(tenants)s))
),
marts as (
    select n.tenant_id, m.load_day, m.judgement_id
    from newest as n
    left join pipeline.fronts as f on f.tenant_id = n.tenant_id
    cross join lateral (
        select r.load_day, r.judgement_id from quality.results as r
        where r.tenant_id = n.tenant_id and r.load_day >= least(n.load_day, f.front) - 14
            and r.judgement_id in (select j.judgement_id from quality.judgements as j where j.stage = 'marts')
        order by r.judgement_id desc, r.load_day desc limit 1
    ) as m
),
counting as (
    select tenant_id, load_day, judgement_id from newest
    union
    select tenant_id, load_day, judgement_id from marts
    union
    select n.tenant_id, l.load_day, l.judgement_id
    from newest as n
    join quality.holds as h on h.tenant_id = n.tenant_id
    join quality.loads as l on l.tenant_id = h.tenant_id and l.load_day = h.load_day
)
select r.tenant_id, r.load_day, r.suite, r.expectation, r.severity, r.observed, r.expected, r.passed, r.note, r.sample,
    r.judgement_id, j.stage
from counting as c
join quality.results as r
    on r.tenant_id = c.tenant_id and r.load_day = c.load_day and r.judgement_id = c.judgement_id
join quality.judgements as j on j.judgement_id = r.judgement_id
where not (%(failing)s and r.passed)
order by r.tenant_id, r.load_day desc, r.suite, r.passed,
    array_position(array['critical', 'warning', 'info'], r.severity), r.expectation
"""

# a load that fails in two judgements failed once
FAILED_LATELY: LiteralString = """
with failed as (
    select distinct on (suite, expectation, load_day, tenant_id)
        tenant_id, load_day, suite, expectation, severity, observed, expected, passed, note, sample, judgement_id
    from quality.results
    where not passed and load_day > %(last)s::date - %(days)s and load_day <= %(last)s
    order by suite, expectation, load_day, tenant_id, judgement_id desc
),
counted as (
    select *, row_number() over (
        partition by suite, expectation order by load_day desc, judgement_id desc, tenant_id
    ) as place
    from failed
)
select tenant_id, load_day, suite, expectation, severity, observed, expected, passed, note, sample, judgement_id
from counted
where place <= %(most)s
order by suite, expectation, place
"""

FAILED_DAILY: LiteralString = """
select suite, expectation, load_day, count(distinct tenant_id)::int as tenants
from quality.results
where not passed and load_day > %(last)s::date - %(days)s and load_day <= %(last)s
group by suite, expectation, load_day
order by suite, expectation, load_day
"""

HOLDS: LiteralString = """
select tenant_id, load_day, reasons, held_at from quality.holds
where tenant_id = any(%(tenants)s)
order by tenant_id, load_day
"""

RELEASES: LiteralString = """
with counted as (
    select *, row_number() over (partition by tenant_id order by release_id desc) as place
    from quality.releases
    where tenant_id = any(%(tenants)s)
)
select tenant_id, load_day, reasons, held_at, released_at, how, actor, reason from counted
where place <= %(most)s
order by tenant_id, place
"""

RUNS: LiteralString = """
with chosen as (
    select * from quality.judgements
    where judgement_id = any(%(judgements)s)
        or judgement_id in (select judgement_id from quality.judgements order by judgement_id desc limit %(most)s)
),
loads as (
    select judgement_id, tenant_id, load_day, count(*)::int as verdicts,
        (count(*) filter (where not passed and severity = 'critical'))::int as critical,
        (count(*) filter (where not passed and severity = 'warning'))::int as warning,
        (count(*) filter (where not passed and severity = 'info'))::int as info
    from quality.results
    where judgement_id in (select judgement_id from chosen)
    group by judgement_id, tenant_id, load_day
),
counted as (
    select judgement_id,
        count(distinct tenant_id)::int as tenants,
        count(*)::int as loads,
        sum(verdicts)::int as verdicts,
        sum(critical)::int as critical,
        sum(warning)::int as warning,
        sum(info)::int as info,
        (count(distinct tenant_id) filter (where critical + warning + info > 0))::int as failing_tenants,
        min(load_day) as first_day,
        max(load_day) as last_day
    from loads
    group by judgement_id
)
select c.judgement_id, c.run_id, c.stage, c.judged_at,
    (select max(b.judgement_id) from quality.judgements as b where b.judgement_id < c.judgement_id) as previous,
    coalesce(n.tenants, 0) as tenants, coalesce(n.loads, 0) as loads, coalesce(n.verdicts, 0) as verdicts,
    coalesce(n.critical, 0) as critical, coalesce(n.warning, 0) as warning, coalesce(n.info, 0) as info,
    coalesce(n.failing_tenants, 0) as failing_tenants, n.first_day, n.last_day
from chosen as c
left join counted as n on n.judgement_id = c.judgement_id
order by c.judgement_id desc
"""

FAILURES: LiteralString = """
with counted as (
    select *, row_number() over (
        partition by judgement_id
        order by array_position(array['critical', 'warning', 'info'], severity), tenant_id, load_day, suite, expectation
    ) as place
    from quality.results
    where judgement_id = any(%(judgements)s) and not passed
)
select tenant_id, load_day, suite, expectation, severity, observed, expected, passed, note, sample, judgement_id
from counted
where place <= %(most)s
order by judgement_id, tenant_id, load_day, place
"""

Line = TypeVar("Line")


def judged_tenants(connection: psycopg.Connection, judgements: Collection[int]) -> set[str]:
    """Whose pages these judgements changed: who was judged, and whom a person released since the one before."""
    cursor = connection.execute(
        """
        select tenant_id from quality.results where judgement_id = any(%(judgements)s)
        union
        select tenant_id from quality.releases
        where released_at >= (
            select max(judged_at) from quality.judgements
            where judgement_id < (select min(u.j) from unnest(%(judgements)s::bigint[]) as u(j))
        )
        """,
        {"judgements": list(judgements)},
    )
    return {tenant for (tenant,) in cursor}


def all_judgements(connection: psycopg.Connection) -> list[int]:
    return [number for (number,) in connection.execute("select judgement_id from quality.judgements order by 1")]


def judgements_of(connection: psycopg.Connection, run_id: str) -> list[int]:
    cursor = connection.execute("select judgement_id from quality.judgements where run_id = %s order by 1", [run_id])
    return [number for (number,) in cursor]


def tenants_of(connection: psycopg.Connection) -> tuple[Tenant, ...]:
    return tuple(_lines(connection, Tenant, TENANTS))


def read(
    connection: psycopg.Connection,
    tenants: tuple[Tenant, ...],
    *,
    judgements: Collection[int],
    of_tenants: Collection[str],
) -> Facts:
    """What is told of all tenants, more of `of_tenants`, and the failures of these judgements."""
    last = max((tenant.newest for tenant in tenants if tenant.newest), default=None)
    own = {"tenants": list(of_tenants)}
    runs = _lines(connection, Run, RUNS, judgements=list(judgements), most=RUNS_LISTED)
    recent = {"last": last, "days": RECENT_DAYS}
    daily: dict[tuple[str, str], dict[Any, int]] = {}
    for line in _lines(connection, DailyFailures, FAILED_DAILY, **recent):
        daily.setdefault((line.suite, line.expectation), {})[line.load_day] = line.tenants
    return Facts(
        tenants=tenants,
        last_day=last,
        newest_judgement=runs[0] if runs else None,
        runs={run.judgement_id: run for run in runs},
        recent=_by("tenant_id", _lines(connection, Day, DAYS, tenants=None, **recent)),
        failing=_by("tenant_id", _lines(connection, Judged, VERDICTS, tenants=None, failing=True)),
        failed_lately=_by(
            ("suite", "expectation"), _lines(connection, Judged, FAILED_LATELY, most=FAILURES_LISTED, **recent)
        ),
        failed_daily=daily,
        days=_by("tenant_id", _lines(connection, Day, DAYS, last=last, days=CALENDAR_DAYS, **own)),
        verdicts=_by("tenant_id", _lines(connection, Judged, VERDICTS, failing=False, **own)),
        holds=_by("tenant_id", _lines(connection, Held, HOLDS, **own)),
        releases=_by("tenant_id", _lines(connection, Released, RELEASES, most=RELEASES_LISTED, **own)),
        failures=_by(
            "judgement_id",
            _lines(connection, Judged, FAILURES, judgements=list(judgements), most=MOST_FAILURES),
        ),
    )


def _lines(connection: psycopg.Connection, kind: type[Line], query: LiteralString, **parameters: Any) -> list[Line]:
    return connection.cursor(row_factory=class_row(kind)).execute(query, parameters).fetchall()


def _by(names: str | tuple[str, ...], lines: list[Line]) -> dict[Any, list[Line]]:
    """Lines that come in the order of their key."""
    key = attrgetter(*((names,) if isinstance(names, str) else names))
    return {value: list(group) for value, group in groupby(lines, key=key)}
