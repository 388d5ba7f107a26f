"""The limits of tenants, and the marks of those who went beyond: nothing is dropped for it.

A limit is the tier's or the tenant's own (TenantConfiguration.limits). Days are loading days, in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import class_row

from analytics_dagster.schemas import TenantLimits, TenantTier
from analytics_dagster.schemas.tenant import TIER_LIMITS

# What was over its limit once stays marked, also when the limit is raised later.
MARK = """
with limits as (
    select * from unnest(%(tenants)s::text[], %(events_per_day)s::bigint[], %(event_bytes)s::bigint[])
        as l (tenant_id, events_per_day, event_bytes)
),
received as (
    select tenant_id, load_day, sum(received) as received, sum(oversized) as oversized
    from raw.accounts where load_day = any(%(days)s) group by tenant_id, load_day
),
found as (
    select tenant_id, load_day, 'events_per_day' as limit_name, events_per_day as limit_value, received as observed
    from received join limits using (tenant_id) where received > events_per_day
    union all
    select tenant_id, load_day, 'event_bytes', event_bytes, oversized
    from received join limits using (tenant_id) where oversized > 0
)
insert into tenancy.limit_breaches (tenant_id, load_day, limit_name, limit_value, observed)
select tenant_id, load_day, limit_name, limit_value, observed from found
on conflict (tenant_id, load_day, limit_name) do update set
    limit_value = excluded.limit_value, observed = excluded.observed
"""
BREACHES = """
select tenant_id, load_day, limit_name, limit_value, observed, first_seen_at
from tenancy.limit_breaches
where (%(days)s::date[] is null or load_day = any(%(days)s)) and (%(tenant)s::text is null or tenant_id = %(tenant)s)
order by load_day desc, tenant_id, limit_name
"""


@dataclass(frozen=True)
class Breach:
    tenant_id: str
    load_day: date
    limit_name: str
    limit_value: int
    observed: int
    first_seen_at: datetime

    def __str__(self) -> str:
        what = (
            f"received {self.observed:,} events, its limit is {self.limit_value:,} a day"
            if self.limit_name == "events_per_day"
            else f"sent {self.observed:,} events larger than its limit of {self.limit_value:,} bytes"
        )
        return f"{self.tenant_id}, load of {self.load_day}: {what}; they are accepted all the same"


def tenant_limits(connection: psycopg.Connection) -> dict[str, TenantLimits]:
    rows = connection.execute(
        "select tenant_id, tier, (configuration ->> 'events_per_day')::bigint,"
        " (configuration ->> 'event_bytes')::bigint from tenancy.tenants"
    )
    found = {}
    for tenant_id, tier, events_per_day, event_bytes in rows:
        given = TIER_LIMITS[TenantTier(tier)]
        found[tenant_id] = TenantLimits(
            events_per_day=events_per_day or given.events_per_day, event_bytes=event_bytes or given.event_bytes
        )
    return found


def mark_breaches(connection: psycopg.Connection, load_days: Sequence[date]) -> list[Breach]:
    """Who went beyond a limit on these loading days, marked; marking again counts again."""
    limits = tenant_limits(connection)
    connection.execute(
        MARK,
        {
            "tenants": list(limits),
            "events_per_day": [limit.events_per_day for limit in limits.values()],
            "event_bytes": [limit.event_bytes for limit in limits.values()],
            "days": list(load_days),
        },
    )
    return breaches(connection, load_days=load_days)


def breaches(
    connection: psycopg.Connection, *, load_days: Sequence[date] | None = None, tenant_id: str | None = None
) -> list[Breach]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(Breach)) as cursor:
        days = None if load_days is None else list(load_days)
        return cursor.execute(BREACHES, {"days": days, "tenant": tenant_id}).fetchall()
