"""One scan over the loads in question, rolled up to a line for each (loading day, tenant).

Expectations look at this small table, so their cost does not depend on the number of events, and all
tenants are judged together: one expectation for each tenant and day would take minutes.
"""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import psycopg

from analytics_dagster.quality.measures import READABLE_AMOUNT

KEYS = ["load_day", "tenant_id"]


ROLLUP = """
with accounts as (
    select a.load_day, a.tenant_id,
        sum(a.received)::float8 as received,
        sum(a.accepted)::float8 as accepted,
        sum(a.duplicate)::float8 as duplicate,
        sum(a.quarantined)::float8 as quarantined
    from raw.accounts as a
    join tenancy.tenants as t on t.tenant_id = a.tenant_id
    where a.load_day = any(%(load_days)s) and (%(tenants)s::text[] is null or a.tenant_id = any(%(tenants)s))
        and t.status <> 'offboarded'  -- all that it still sends is in quarantine, and no fault of the platform
    group by a.load_day, a.tenant_id
),
events as (
    select e.load_day, e.tenant_id,
        count(*) filter (where is_engagement)::float8 as engagement,
        count(*) filter (where is_engagement and has_actor)::float8 as identified,
        count(*)::float8 as events,
        count(*) filter (where e.occurred_at >= (e.load_day + 2)::timestamptz)::float8 as future,
        count(*) filter (where is_payment)::float8 as payments,
        count(*) filter (where is_payment and e.properties ->> 'amount' ~ %(readable)s)::float8
            as readable_payments
    from raw.events as e
    cross join lateral (
        select
            e.event_type in ('user_action', 'page_view') as is_engagement,
            coalesce(e.user_id, e.anonymous_id) is not null as has_actor,
            e.event_name in ('payment_succeeded', 'payment_refunded') as is_payment
    ) as marks
    where e.load_day = any(%(load_days)s) and not e.is_test
        and (%(tenants)s::text[] is null or e.tenant_id = any(%(tenants)s))
    group by e.load_day, e.tenant_id
)
select a.load_day, a.tenant_id, a.received, a.accepted,
    a.duplicate / nullif(a.received, 0) as duplicate_share,
    a.quarantined / nullif(a.received, 0) as quarantined_share,
    e.identified / nullif(e.engagement, 0) as identified_share,
    e.future / nullif(e.events, 0) as future_share,
    e.readable_payments / nullif(e.payments, 0) as readable_amount_share
from accounts as a
left join events as e on e.load_day = a.load_day and e.tenant_id = a.tenant_id
where a.received > 0
order by a.load_day, a.tenant_id
"""


def rollup(
    connection: psycopg.Connection, load_days: Sequence[date], tenants: Sequence[str] | None = None
) -> pd.DataFrame:
    """A line for each (loading day, tenant) that received anything; a share of nothing is empty."""
    cursor = connection.execute(
        ROLLUP,
        {
            "load_days": list(load_days),
            "tenants": None if tenants is None else list(tenants),
            "readable": READABLE_AMOUNT,
        },
    )
    columns = [column.name for column in cursor.description or []]
    frame = pd.DataFrame(cursor.fetchall(), columns=columns)
    measures = [name for name in columns if name not in KEYS]
    return frame.astype(dict.fromkeys(measures, "float64"))
