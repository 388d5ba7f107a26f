"""What a tenant used in a month of its own calendar, counted from the events that are served.

Served: accepted, no test traffic, and of a load before the first one that the gate holds, as the marts have it.
Events and active users are counted here once; the days exist so that a person can add them up again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.rows import class_row

from analytics_dagster.billing.plans import Metric
from analytics_dagster.documents.months import days_of
from analytics_dagster.tenancy.standing import kept_back

# The range bounds are UTC and a day wide on both sides, so that the index (tenant_id, occurred_at) is used
# whatever the offset; PostgreSQL's own time zones then decide the local day, as they do in dbt.
EVENTS_OF_MONTH = """
select
    (e.occurred_at at time zone t.time_zone)::date as day,
    e.load_day,
    e.is_test,
    f.front is not null and e.load_day >= f.front as is_held,
    case when e.event_type in ('user_action', 'page_view') then coalesce(e.user_id, e.anonymous_id) end as actor
from tenancy.tenants as t
join raw.events as e on e.tenant_id = t.tenant_id
left join pipeline.fronts as f on f.tenant_id = e.tenant_id
where t.tenant_id = %(tenant_id)s
    and e.occurred_at >= (%(month)s::date - interval '1 day') at time zone 'UTC'
    and e.occurred_at < (%(month)s::date + interval '1 month 1 day') at time zone 'UTC'
    and date_trunc('month', e.occurred_at at time zone t.time_zone) = %(month)s::date
"""

DAYS = f"""
with events as ({EVENTS_OF_MONTH}),
served as (select day, actor from events where not is_test and not is_held),
days as (
    select
        day,
        count(*) as accepted,
        count(*) filter (where is_test) as test,
        count(*) filter (where is_held and not is_test) as held
    from events group by day
),
served_days as (select day, count(*) as events, count(distinct actor) as active_users from served group by day),
arrivals as (
    select day, count(*) as first_seen
    from (select actor, min(day) as day from served where actor is not null group by actor) as first_days
    group by day
)
select
    days.day, days.accepted, days.test, days.held,
    coalesce(served_days.events, 0) as events,
    coalesce(served_days.active_users, 0) as active_users,
    coalesce(arrivals.first_seen, 0) as first_seen
from days left join served_days using (day) left join arrivals using (day)
"""  # noqa: S608 - composed from our own constant

EVENTS_BY_LOAD = f"""
with events as ({EVENTS_OF_MONTH})
select load_day, count(*) from events where not is_test group by load_day
"""  # noqa: S608 - composed from our own constant

LAST_LOADED_DAY = """
select max(a.load_day)
from raw.accounts as a
left join pipeline.fronts as f on f.tenant_id = a.tenant_id
where a.tenant_id = %s and (f.front is null or a.load_day < f.front)
"""

MONTHS_WITH_DATA = """
select distinct month::date
from tenancy.tenants as t
cross join lateral (
    select
        min(e.occurred_at) at time zone t.time_zone as first,
        least(max(e.occurred_at), now()) at time zone t.time_zone as last
    from raw.events as e where e.tenant_id = t.tenant_id
) as span
cross join lateral generate_series(
    date_trunc('month', span.first), date_trunc('month', span.last), interval '1 month'
) as month
where exists (
    select from raw.events as e
    where e.tenant_id = t.tenant_id
        and e.occurred_at >= (month - interval '1 day') at time zone 'UTC'
        and e.occurred_at < (month + interval '1 month 1 day') at time zone 'UTC'
        and date_trunc('month', e.occurred_at at time zone t.time_zone) = month
)
order by 1
"""


@dataclass(frozen=True)
class DayOfUsage:
    day: date
    accepted: int = 0
    test: int = 0
    held: int = 0
    events: int = 0  # accepted - test - held: what is billed
    active_users: int = 0
    first_seen: int = 0  # the active users that no earlier day of the month had


@dataclass(frozen=True)
class HeldLoad:
    """A load that is held, or waits behind one: with events of the month, or loaded in it."""

    load_day: date
    events: int  # of this month
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class MonthOfUsage:
    days: tuple[DayOfUsage, ...]  # every day of the month
    held_loads: tuple[HeldLoad, ...]
    as_of: date | None  # the last loaded day that is counted

    @property
    def accepted(self) -> int:
        return sum(day.accepted for day in self.days)

    @property
    def test(self) -> int:
        return sum(day.test for day in self.days)

    @property
    def held(self) -> int:
        return sum(day.held for day in self.days)

    @property
    def events(self) -> int:
        return sum(day.events for day in self.days)

    @property
    def active_users(self) -> int:
        """Each actor once, on the first day of the month that saw it."""
        return sum(day.first_seen for day in self.days)

    @property
    def quantities(self) -> Mapping[Metric, int]:
        return {"events": self.events, "active_users": self.active_users}


def usage(connection: psycopg.Connection, tenant_id: str, month: date) -> MonthOfUsage:
    scope = {"tenant_id": tenant_id, "month": month}
    with connection.cursor(row_factory=class_row(DayOfUsage)) as cursor:
        counted = {day.day: day for day in cursor.execute(DAYS, scope)}
    by_load: dict[date, int] = dict(connection.execute(EVENTS_BY_LOAD, scope))
    held_loads = tuple(
        HeldLoad(load.load_day, by_load.get(load.load_day, 0), load.reasons)
        for load in kept_back(connection, tenant_id)
        if load.load_day in by_load or load.load_day.replace(day=1) == month
    )
    row = connection.execute(LAST_LOADED_DAY, [tenant_id]).fetchone()
    return MonthOfUsage(
        days=tuple(counted.get(day, DayOfUsage(day)) for day in days_of(month)),
        held_loads=held_loads,
        as_of=row[0] if row else None,
    )


def months_with_data(connection: psycopg.Connection) -> list[date]:
    """The months, in each tenant's own calendar and none in the future, that any event happened in."""
    return [month for (month,) in connection.execute(MONTHS_WITH_DATA)]
