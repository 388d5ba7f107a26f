"""The SQL over the events of some loads: what is counted in them, composed from the conditions of `measures`.

Events are read once for each part (names and sources, hours, actors and their sessions, visitors, payments) and never
once for a tenant or a day. Times are compared in UTC, which connections are set to.
"""

from typing import Final

from analytics_dagster.quality.measures import (
    ABSOLUTE,
    ACTOR,
    ENGAGEMENT,
    MEASURES,
    READABLE_AMOUNT,
    SHARES,
    Rows,
)

MIX_NAMES = 200  # a tenant that makes up names without end must not fill the history with them
OTHER_NAMES = "(other names)"

_WITHIN = "load_day = any(%(load_days)s) and (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s))"

# A refund is an orphan when neither the user nor the visitor that it names has paid in a load up to its own: later
# loads do not count, so that a load is judged alike whenever that is.
PAYMENT_ROWS: Final = f"""
    select e.*,
        e.actor is not null and e.amount is not null and row_number() over (
            partition by e.load_day, e.tenant_id, e.actor, e.event_name, e.amount, date_trunc('second', e.occurred_at)
            order by e.event_id collate "C"
        ) > 1 as is_repeat,
        case when e.event_name = 'payment_refunded' then not exists (
            select from raw.events as paid
            where paid.tenant_id = e.tenant_id and paid.event_name = 'payment_succeeded' and not paid.is_test
                and coalesce(paid.user_id, paid.anonymous_id) = any(array[e.user_id, e.anonymous_id])
                and paid.load_day <= e.load_day
        ) end as is_orphan
    from (
        select p.load_day, p.tenant_id, p.event_id, p.event_name, p.occurred_at, p.user_id, p.anonymous_id,
            coalesce(p.user_id, p.anonymous_id) as actor,
            p.properties ->> 'currency' as currency,
            t.currency as tenant_currency,
            case when p.properties ->> 'amount' ~ '{READABLE_AMOUNT}' then (p.properties ->> 'amount')::numeric end
                as amount
        from raw.events as p
        join tenancy.tenants as t on t.tenant_id = p.tenant_id
        where p.event_name in ('payment_succeeded', 'payment_failed', 'payment_refunded') and not p.is_test
            and {_WITHIN.replace("load_day", "p.load_day", 1).replace("or tenant_id", "or p.tenant_id")}
    ) as e
"""  # noqa: S608 - constants of ours

# where the rows that a share is of come from
ROWS: Final[dict[Rows, str]] = {
    "events": f"(select * from raw.events where not is_test and {_WITHIN})",  # noqa: S608 - as above
    "all": f"(select * from raw.events where {_WITHIN})",  # noqa: S608 - as above
    "payments": f"({PAYMENT_ROWS})",
}


def _counts(*rows: Rows) -> str:
    lines = []
    for name, share in SHARES.items():
        if share.rows in rows:
            of = f"not is_test and ({share.of})" if share.rows == "events" else f"({share.of})"
            lines += [
                f"count(*) filter (where {of}) as {name}_of",
                f"count(*) filter (where {of} and ({share.part})) as {name}_part",
            ]
    return ",\n        ".join(lines)


def _sums(*rows: Rows) -> str:
    names = [f"{name}_{what}" for name, share in SHARES.items() if share.rows in rows for what in ("of", "part")]
    return ",\n        ".join(f"sum({name})::float8 as {name}" for name in names)


def _measure(name: str) -> str:
    source = MEASURES[name].source
    if isinstance(source, str):
        return f"({source})::float8 as {name}"
    part = "p" if SHARES[name].rows == "payments" else "e"
    return f"{part}.{name}_part::float8 / nullif({part}.{name}_of, 0)::float8 as {name}"


LOADS: Final = f"""
with accounts as (
    select a.load_day, a.tenant_id,
        sum(a.received)::float8 as received,
        sum(a.accepted)::float8 as accepted,
        sum(a.duplicate)::float8 as duplicate,
        sum(a.quarantined)::float8 as quarantined,
        concat_ws('/', sum(a.received), sum(a.accepted), sum(a.duplicate), sum(a.quarantined)) as content
    from raw.accounts as a
    join tenancy.tenants as t on t.tenant_id = a.tenant_id
    where a.load_day = any(%(load_days)s) and (%(tenants)s::text[] is null or a.tenant_id = any(%(tenants)s))
        and t.status <> 'offboarded'  -- all that it still sends is in quarantine, and no fault of the platform
    group by a.load_day, a.tenant_id
    having sum(a.received) > 0
),
cells as materialized (
    select load_day, tenant_id, event_name, source,
        count(*) filter (where not is_test) as events,
        max(occurred_at) filter (where not is_test and occurred_at < (load_day + 2)::timestamptz) as newest,
        {_counts("events", "all")}
    from raw.events
    where {_WITHIN}
    group by load_day, tenant_id, event_name, source
),
events as (
    select load_day, tenant_id, max(newest) as newest,
        {_sums("events", "all")}
    from cells
    group by load_day, tenant_id
),
sources as (
    select load_day, tenant_id, max(events) as largest, sum(events) as events
    from (
        select load_day, tenant_id, source, sum(events)::float8 as events
        from cells group by load_day, tenant_id, source
    ) as of_source
    group by load_day, tenant_id
),
names as (
    select load_day, tenant_id, event_name, sum(events)::bigint as events,
        row_number() over (
            partition by load_day, tenant_id order by sum(events) desc, event_name collate "C"
        ) as place
    from cells group by load_day, tenant_id, event_name
    having sum(events) > 0
),
mixes as (
    select load_day, tenant_id, jsonb_object_agg(event_name, events) as mix
    from (
        select load_day, tenant_id, case when place <= {MIX_NAMES} then event_name else '{OTHER_NAMES}' end
            as event_name, sum(events)::bigint as events
        from names group by 1, 2, 3
    ) as of_name
    group by load_day, tenant_id
),
hours as (
    select load_day, tenant_id, max(events) as busiest, sum(events) as events
    from (
        select load_day, tenant_id, count(*)::float8 as events
        from raw.events
        where not is_test and {_WITHIN}
        group by load_day, tenant_id, floor(date_part('epoch', occurred_at) / 3600)
    ) as of_hour
    group by load_day, tenant_id
),
-- An actor is a number made of its name and its load: sorting a million texts takes four times as long.
acts as (
    select load_day, tenant_id,
        hashtextextended({ACTOR}, hashtextextended(tenant_id, load_day - date '2000-01-01')) as actor,
        case when {ENGAGEMENT} then occurred_at end as at  -- others sort behind and end no session
    from raw.events
    where not is_test and {ACTOR} is not null and {_WITHIN}
),
neighbours as (
    select *, lag(at) over of_actor as before, lead(at) over of_actor as after
    from acts
    window of_actor as (partition by actor order by at)
),
edges as (
    select *,
        at is not null and (before is null or at - before > interval '30 minutes') as starts,
        at is not null and (after is null or after - at > interval '30 minutes') as ends
    from neighbours
),
actors as (
    select min(load_day) as load_day, min(tenant_id) as tenant_id,
        count(*) as events,
        count(at) as engagement,
        count(*) filter (where starts) as sessions,
        count(*) filter (where starts and ends) as single,
        count(*) filter (where at = before) as ties,
        max(at) - min(at) as span,
        array_agg(at order by at) filter (where starts and not ends) as started,
        array_agg(at order by at) filter (where ends and not starts) as ended
    from edges
    group by actor
),
-- An actor's sessions of several events are looked at one by one only where one of them may be out of the ordinary:
-- more than twelve hours without a silence need 26 events.
users as (
    select load_day, tenant_id,
        max(events)::float8 as largest,
        count(*) filter (where engagement > 0)::float8 as users,
        sum(engagement)::float8 as engagement,
        sum(sessions)::float8 as sessions,
        sum(single)::float8 as single,
        sum(case when span > interval '12 hours' and engagement - sessions >= 25 - 1 then (
            select count(*) from unnest(started, ended) as session (started, ended)
            where session.ended - session.started > interval '12 hours'
        ) else 0 end)::float8 as long,
        sum(case when ties > 0 then (
            select count(*) from unnest(started, ended) as session (started, ended)
            where session.ended = session.started
        ) else 0 end)::float8 as motionless
    from actors
    group by load_day, tenant_id
),
visitors as (
    select load_day, tenant_id, count(*)::float8 as visitors, (count(*) filter (where shared))::float8 as shared
    from (
        select load_day, tenant_id, min(user_id) < max(user_id) as shared
        from raw.events
        where not is_test and anonymous_id is not null and {_WITHIN}
        group by load_day, tenant_id, anonymous_id
    ) as of_visitor
    group by load_day, tenant_id
),
payments as (
    select load_day, tenant_id,
        count(*) as payments,
        sum(case event_name when 'payment_succeeded' then amount when 'payment_refunded' then -amount end) as revenue,
        percentile_cont(0.5) within group (order by amount::float8) filter (where event_name = 'payment_succeeded')
            as median_amount,
        max(amount) filter (where event_name <> 'payment_failed') as largest_amount,
        {_counts("payments")}
    from {ROWS["payments"]} as rows
    group by load_day, tenant_id
)
select a.load_day, a.tenant_id, a.content, coalesce(m.mix, '{{}}') as mix,
    {("," + chr(10) + "    ").join(_measure(name) for name in ABSOLUTE)}
from accounts as a
left join events as e using (load_day, tenant_id)
left join sources as s using (load_day, tenant_id)
left join mixes as m using (load_day, tenant_id)
left join hours as h using (load_day, tenant_id)
left join users as u using (load_day, tenant_id)
left join visitors as v using (load_day, tenant_id)
left join payments as p using (load_day, tenant_id)
order by a.load_day, a.tenant_id collate "C"
"""  # noqa: S608 - constants of ours
