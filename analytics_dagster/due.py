"""What is due: read from the tables that the work leaves behind, so that a crash anywhere is caught up.

Schedules, the landing sensor and `analytics-dagster run` all ask here. Nothing is remembered elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter

import psycopg

RETRAIN_AFTER_DAYS = 7

UNBUILT_DAYS = """
select b.load_day
from raw.batches as b
left join pipeline.built_loads as built on built.load_day = b.load_day
group by b.load_day, built.batch_id
having max(b.batch_id) > coalesce(built.batch_id, 0)
"""

UNBUILT_REPLAYS = """
select r.load_day, max(r.replay_id)
from raw.replays as r
left join pipeline.built_loads as built on built.load_day = r.load_day
where r.replay_id > coalesce(built.replay_id, 0)
group by r.load_day
"""

# Fronts that are not where the holds say, and moves that no build has finished: each is due on the first loading day
# from there on, which makes a run that moves all of them. `state` changes with each hold and each release, and not
# while a run works at them. An offboarded tenant's marts are nobody's.
FRONTS_TO_MOVE = """
select (
        select coalesce(
            min(batches.load_day) filter (where batches.load_day >= moves.from_day), max(batches.load_day)
        ) from raw.batches as batches
    ) as load_day,
    tenants.tenant_id,
    concat_ws(' ', moves.from_day,
        (select max(holds.held_at) from quality.holds as holds where holds.tenant_id = tenants.tenant_id),
        (select max(releases.release_id) from quality.releases as releases
            where releases.tenant_id = tenants.tenant_id)
    ) as state
from (
    select tenant_id, min(from_day) as from_day
    from (
        select tenant_id, least(fronts.front, wanted.front) as from_day
        from pipeline.fronts as fronts
        full join (
            select tenant_id, min(load_day) as front from quality.holds group by tenant_id
        ) as wanted using (tenant_id)
        where wanted.front is distinct from fronts.front
        union all
        select tenant_id, from_day from pipeline.front_moves
    ) as every
    group by tenant_id
) as moves
inner join tenancy.tenants as tenants on tenants.tenant_id = moves.tenant_id and tenants.status <> 'offboarded'
order by 1, 2
"""

UNPUBLISHED = """
select t.tenant_id
from tenancy.tenants as t
left join tenancy.publications as p on p.tenant_id = t.tenant_id
where t.status = 'active'
    and exists (select from pipeline.built_loads)
    and (p.published_at is null or p.published_at < (select max(built_at) from pipeline.built_loads))
order by t.tenant_id
"""

UNSCORED = """
select distinct p.tenant_id
from tenancy.publications as p
join tenancy.tenants as t on t.tenant_id = p.tenant_id and t.status = 'active'
cross join (
    select model_name, max(trained_at) as trained_at from ml.training_runs
    where model_version is not null group by model_name
) as model
left join ml.scorings as s on s.tenant_id = p.tenant_id and s.model_name = model.model_name
where s.scored_at is null or s.scored_at < p.published_at or s.scored_at < model.trained_at
order by p.tenant_id
"""

# every complete month of a tenant, from its first load or its registration on, without both of its reports
UNREPORTED = """
select p.tenant_id, complete.month
from tenancy.publications as p
join tenancy.tenants as t on t.tenant_id = p.tenant_id and t.status = 'active'
cross join lateral (select series::date as month from generate_series(
    date_trunc('month', least(t.registered_at::date, (
        select min(a.load_day) from raw.accounts as a where a.tenant_id = p.tenant_id
    ))),
    date_trunc('month', p.as_of + 1) - interval '1 month',
    interval '1 month'
) as series) as complete
where not exists (
        select from billing.statements as s where s.tenant_id = p.tenant_id and s.month = complete.month
    )
    or not exists (
        select from compliance.reports as r where r.tenant_id = p.tenant_id and r.month = complete.month
    )
order by complete.month, p.tenant_id
"""


@dataclass(frozen=True)
class Due:
    load_days: tuple[date, ...]
    publications: tuple[str, ...]
    scores: tuple[str, ...]
    months: tuple[tuple[str, date], ...]


def work_due(connection: psycopg.Connection, landed: Iterable[tuple[date, str]]) -> Due:
    return Due(
        load_days=load_days_due(connection, landed),
        publications=_tenants(connection, UNPUBLISHED),
        scores=_tenants(connection, UNSCORED),
        months=tuple(connection.execute(UNREPORTED).fetchall()),
    )


def load_days_due(connection: psycopg.Connection, landed: Iterable[tuple[date, str]]) -> tuple[date, ...]:
    """Days that bring something new, and days from which on a held or released tenant's marts have to move."""
    return tuple(sorted(unbuilt_days(connection, landed) | fronts_to_move(connection).keys()))


def unbuilt_days(connection: psycopg.Connection, landed: Iterable[tuple[date, str]]) -> set[date]:
    """Days with a landed file (day, path) never read, or with a file or a replay that no build finished with."""
    read = set(connection.execute("select load_day, path from raw.sightings").fetchall())
    new = {day for day, path in landed if (day, path) not in read}
    return new | {day for (day,) in connection.execute(UNBUILT_DAYS)} | unbuilt_replays(connection).keys()


def fronts_to_move(connection: psycopg.Connection) -> dict[date, tuple[str, ...]]:
    """Which tenants' marts have to move, by the loading day that is due for it: each in words that tell it apart."""
    moves = [(day, f"{tenant} {state}") for day, tenant, state in connection.execute(FRONTS_TO_MOVE) if day]
    return {day: tuple(words for _, words in group) for day, group in groupby(moves, key=itemgetter(0))}


def unbuilt_replays(connection: psycopg.Connection) -> dict[date, int]:
    """The newest replay of each loading day that it changed since the day was built."""
    return dict(connection.execute(UNBUILT_REPLAYS).fetchall())


def training_due(connection: psycopg.Connection) -> bool:
    """Models are trained once there is data, and again when those in use are a week behind it."""
    built = last_built_day(connection)
    row = connection.execute("select max(as_of) from ml.training_runs").fetchone()
    trained: date | None = row[0] if row else None
    if built is None:
        return False
    return trained is None or (built - trained).days >= RETRAIN_AFTER_DAYS


def last_built_day(connection: psycopg.Connection) -> date | None:
    """The last loading day that the marts contain."""
    row = connection.execute("select max(load_day) from pipeline.built_loads").fetchone()
    return row[0] if row else None


def _tenants(connection: psycopg.Connection, query: str) -> tuple[str, ...]:
    return tuple(tenant for (tenant,) in connection.execute(query))
