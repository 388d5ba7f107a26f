"""What is judged before a publication: a row for each tenant of what its marts say, as of its last built load.

Four statements whatever the number of tenants. Only what no test of dbt says already: those compare the tables of one
build, here marts are compared with the books of loading, with the last publication and with the calendar.
"""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import psycopg
from psycopg import sql

from analytics_dagster.tenancy.publication import TENANT_RELATIONS

Judged = dict[str, list[str] | list[date]]  # tenants, and beside them their days

RECENT_DAYS = 28
FEWEST = 20  # rows that were published, or subscribers: of fewer, one that goes is a large share
# Only become more, because events do; other marts follow declarations that a tenant may take back.
FACTS = ("dim_users", "fct_payments", "fct_sessions", "fct_user_days", "usage_daily")

# The last built load before the front. Whose front moved and was not built yet has marts of neither day.
AS_OF = """
select a.tenant_id, max(a.load_day)
from raw.accounts as a
join pipeline.built_loads as b on b.load_day = a.load_day
left join pipeline.fronts as f on f.tenant_id = a.tenant_id
where a.tenant_id = any(%(tenants)s) and (f.front is null or a.load_day < f.front)
    and not exists (select from pipeline.front_moves as m where m.tenant_id = a.tenant_id)
group by a.tenant_id
order by a.tenant_id
"""

COUNTED = "select tenant_id, {name} as relation, count(*) as rows from {relation} where {judged} group by tenant_id"

# A publication that went further is no measure: what it served besides was taken out on purpose.
SHRUNK = """
select p.tenant_id,
    greatest(0, max(1 - coalesce(c.rows, 0) / published.rows::float8) filter (where published.name = any(%(facts)s))),
    greatest(0, max(1 - coalesce(c.rows, 0) / published.rows::float8))
from unnest(%(tenants)s::text[], %(days)s::date[]) as judged (tenant_id, as_of)
join tenancy.publications as p on p.tenant_id = judged.tenant_id and p.as_of <= judged.as_of
cross join lateral (
    select key as name, value::bigint as rows from jsonb_each_text(p.row_counts) where value::bigint >= %(fewest)s
) as published
left join unnest(%(owners)s::text[], %(relations)s::text[], %(rows)s::bigint[]) as c (tenant_id, name, rows)
    on c.tenant_id = p.tenant_id and c.name = published.name
where published.name = any(%(known)s)
group by p.tenant_id
"""

# Loaded is everything before the front; built is what a build saw of it: a narrowed build makes marts of some tenants
# that go beyond it.
MEASURES = """
with judged (tenant_id, as_of) as (
    select * from unnest(%(tenants)s::text[], %(days)s::date[])
),
books as (
    select a.tenant_id, sum(a.accepted) as loaded,
        sum(a.accepted) filter (where a.batch_id <= b.batch_id) as built
    from raw.accounts as a
    left join pipeline.built_loads as b on b.load_day = a.load_day
    left join pipeline.fronts as f on f.tenant_id = a.tenant_id
    where a.tenant_id = any(%(tenants)s) and (f.front is null or a.load_day < f.front)
    group by a.tenant_id
),
key_figures as (
    select k.tenant_id, sum(k.events + k.test_events) as events,
        max(k.day) filter (where k.day <= judged.as_of) as newest_day,
        max(k.day) as last_day,
        max(k.sessions / nullif(k.active_users, 0)::float8) filter (where k.day > judged.as_of - %(recent)s)
            as sessions_per_active_user
    from marts.kpi_daily_wide as k
    join judged on judged.tenant_id = k.tenant_id
    where k.tenant_id = any(%(tenants)s)
    group by k.tenant_id
),
users as (
    select d.tenant_id, count(*) filter (where u.user_id is null) / count(*)::float8 as unknown_users_share
    from marts.fct_user_days as d
    join judged on judged.tenant_id = d.tenant_id and d.day > judged.as_of - %(recent)s
    left join marts.dim_users as u on u.tenant_id = d.tenant_id and u.user_id = d.user_id
    where d.tenant_id = any(%(tenants)s)
    group by d.tenant_id
),
recurring as (
    select distinct on (m.tenant_id) m.tenant_id,
        case when m.opening_subscribers >= %(fewest)s then m.closing_mrr / nullif(m.opening_mrr, 0) end as mrr_ratio
    from marts.mrr_movements as m
    where m.tenant_id = any(%(tenants)s)
    order by m.tenant_id, m.month desc
)
select judged.as_of as load_day, judged.tenant_id,
    least(1, coalesce(key_figures.events, 0) / nullif(books.built, 0))::float8 as served_share,
    greatest(0, key_figures.events / nullif(books.loaded, 0) - 1)::float8 as served_again_share,
    (judged.as_of - key_figures.newest_day)::float8 as days_behind,
    greatest(0, key_figures.last_day - judged.as_of)::float8 as days_ahead,
    key_figures.sessions_per_active_user,
    users.unknown_users_share,
    recurring.mrr_ratio::float8 as mrr_ratio
from judged
left join books on books.tenant_id = judged.tenant_id
left join key_figures on key_figures.tenant_id = judged.tenant_id
left join users on users.tenant_id = judged.tenant_id
left join recurring on recurring.tenant_id = judged.tenant_id
order by judged.tenant_id
"""


def marts_frame(connection: psycopg.Connection, tenants: Sequence[str]) -> pd.DataFrame:
    """A row for each of these tenants whose marts stand on a load; what cannot be measured is empty."""
    as_of: dict[str, date] = dict(connection.execute(AS_OF, {"tenants": list(tenants)}).fetchall())
    judged: Judged = {"tenants": list(as_of), "days": list(as_of.values())}
    cursor = connection.execute(MEASURES, {**judged, "recent": RECENT_DAYS, "fewest": FEWEST})
    frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or []])
    shrunk = _shrunk(connection, judged)
    for name, place in (("lost_facts_share", 0), ("shrunk_rows_share", 1)):
        frame[name] = [shrunk.get(tenant, (None, None))[place] for tenant in frame["tenant_id"]]
    measures = [name for name in frame.columns if name not in {"load_day", "tenant_id"}]
    return frame.astype(dict.fromkeys(measures, "float64"))


def _shrunk(connection: psycopg.Connection, judged: Judged) -> dict[str, tuple[float | None, float | None]]:
    """Of each tenant with a publication to compare with: the largest share of rows gone, of a fact and of any mart."""
    names = [name for (name,) in connection.execute(TENANT_RELATIONS)]
    if not names:
        return {}
    counts = sql.SQL(" union all ").join(
        sql.SQL(COUNTED).format(
            name=sql.Literal(name),
            relation=sql.Identifier("marts", name),
            judged=sql.SQL("tenant_id = any(%(tenants)s)"),
        )
        for name in names
    )
    rows = connection.execute(counts, judged).fetchall()
    owners, relations, counted = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    found = connection.execute(
        SHRUNK,
        {
            **judged,
            "facts": list(FACTS),
            "fewest": FEWEST,
            "known": names,
            "owners": owners,
            "relations": relations,
            "rows": counted,
        },
    )
    return {tenant: (facts, any_mart) for tenant, facts, any_mart in found}
