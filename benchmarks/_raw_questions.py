"""Questions of the dashboard asked of a mart, of raw.events in PostgreSQL, and of the same events in Parquet.

The same SQL runs in PostgreSQL and in DuckDB. It holds for what the benchmark makes only: one time zone, no test
traffic, nobody anonymous. What takes more rules than fit here (funnels, lifecycle, recurring revenue) is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import psycopg

Row = tuple[Any, ...]

OWN = "select * from {events} where tenant_id = '{tenant}'"
DAY = "cast(occurred_at at time zone 'UTC' as date)"
ACTIVITY_DAY = "cast(occurred_at at time zone 'UTC' - interval '4 hours' as date)"  # a session ends at 04:00


@dataclass(frozen=True)
class Question:
    """`mart` and `raw` give the same rows."""

    title: str
    mart: str
    raw: str


QUESTIONS = (
    Question(
        "Active users: day, week, month",
        """
        select day, active_users, weekly_active_users, monthly_active_users from marts.kpi_daily_wide
        where day between '{first}' and '{last}' order by day
        """,
        f"""
        with own as ({OWN}),
        active as (
            select distinct {DAY} as day, user_id from own
            where occurred_at >= timestamp '{{first}}' at time zone 'UTC' - interval '29 days'
                and event_type in ('user_action', 'page_view')
        ),
        days as (select distinct day from active where day >= '{{first}}')
        select
            days.day,
            count(distinct case when active.day = days.day then user_id end),
            count(distinct case when active.day > days.day - 7 then user_id end),
            count(distinct user_id)
        from days inner join active on active.day between days.day - 29 and days.day
        group by days.day order by days.day
        """,
    ),
    Question(
        "Revenue",
        """
        select day, value from marts.kpi_daily
        where metric = 'revenue' and day between '{first}' and '{last}' order by day
        """,
        f"""
        with own as ({OWN})
        select
            {DAY} as day,
            sum(
                case event_name when 'payment_succeeded' then 1 when 'payment_refunded' then -1 else 0 end
                * cast(properties ->> 'amount' as numeric(20, 6))
            )
        from own
        where occurred_at >= timestamp '{{first}}' at time zone 'UTC'
        group by 1 order by 1
        """,
    ),
    Question(
        "Sessions",
        """
        select day, count(*), sum(duration_seconds) from marts.fct_sessions
        where day between '{first}' and '{last}' group by day order by day
        """,
        f"""
        with own as ({OWN}),
        steps as (
            select
                user_id,
                occurred_at,
                {ACTIVITY_DAY} as activity_day,
                occurred_at
                - lag(occurred_at) over (partition by user_id, {ACTIVITY_DAY} order by occurred_at) as pause
            from own
            where occurred_at >= timestamp '{{first}}' at time zone 'UTC' - interval '1 day'
                and event_type in ('user_action', 'page_view')
        ),
        numbered as (
            select
                user_id,
                activity_day,
                occurred_at,
                sum(case when pause <= interval '30 minutes' then 0 else 1 end)
                    over (partition by user_id, activity_day order by occurred_at) as session
            from steps
        ),
        sessions as (
            select
                cast(min(occurred_at) at time zone 'UTC' as date) as day,
                extract(epoch from max(occurred_at) - min(occurred_at)) as seconds
            from numbered group by user_id, activity_day, session
        )
        select day, count(*), sum(seconds) from sessions where day >= '{{first}}' group by day order by day
        """,
    ),
    Question(
        "Weekly retention",
        """
        select cohort_period, period, active_users from marts.retention_cohorts
        where granularity = 'week' and cohort_period between '{first}' and '{last}' and period_number <= 12
        order by cohort_period, period
        """,
        f"""
        with own as ({OWN}),
        weeks as (
            select distinct cast(date_trunc('week', occurred_at at time zone 'UTC') as date) as week, user_id from own
            where event_type in ('user_action', 'page_view')
        ),
        cohorts as (select user_id, min(week) as cohort from weeks group by user_id)
        select cohort, week, count(*) from weeks inner join cohorts using (user_id)
        where cohort >= '{{first}}' and week <= cohort + 84
        group by cohort, week order by cohort, week
        """,
    ),
    Question(
        "Content",
        """
        select content_id, sum(uses) as uses from marts.content_daily
        where day between '{first}' and '{last}' group by content_id order by uses desc, content_id limit 20
        """,
        f"""
        with own as ({OWN})
        select properties ->> 'track_id' as content_id, count(*) as uses from own
        where occurred_at >= timestamp '{{first}}' at time zone 'UTC' and event_name = 'track_play'
        group by 1 order by uses desc, content_id limit 20
        """,
    ),
    Question(
        "Campaigns",
        """
        select campaign, channel, sum(touches), sum(cost) from marts.campaign_performance
        where day between '{first}' and '{last}' and touches > 0 group by campaign, channel order by campaign, channel
        """,
        f"""
        with own as ({OWN})
        select
            properties ->> 'campaign', properties ->> 'channel', count(*),
            sum(cast(properties ->> 'cost' as numeric(20, 6)))
        from own
        where occurred_at >= timestamp '{{first}}' at time zone 'UTC' and event_name = 'campaign_touched'
        group by 1, 2 order by 1, 2
        """,
    ),
)


def parquet_of(owner: psycopg.Connection, file: Path) -> duckdb.DuckDBPyConnection:
    """raw.events as one file, sorted as a lake would have it, and a DuckDB to ask it with."""
    columns = "tenant_id, event_type, event_name, occurred_at, user_id, properties"
    csv = file.with_suffix(".csv")
    copy = f"copy (select {columns} from raw.events order by tenant_id, occurred_at) to stdout (format csv)"
    with csv.open("wb") as lines, owner.cursor().copy(copy.encode()) as data:
        lines.writelines(data)
    lake = duckdb.connect(config={"threads": 2})
    lake.execute("set timezone = 'UTC'")
    types = {
        "tenant_id": "text",
        "event_type": "text",
        "event_name": "text",
        "occurred_at": "timestamptz",
        "user_id": "text",
        "properties": "json",
    }
    lake.execute(f"copy (from read_csv('{csv}', header = false, columns = {types})) to '{file}' (compression zstd)")
    csv.unlink()
    return lake


def compare(
    reader: psycopg.Connection,
    owner: psycopg.Connection,
    lake: duckdb.DuckDBPyConnection,
    file: Path,
    tenant: str,
    last: date,
    days: int,
    repeat: int,
) -> dict[str, dict[str, float]]:
    """Milliseconds of each question in each place, and how many times longer than the mart the others take."""
    figures: dict[str, dict[str, float]] = {}
    print(f"{'':<32} {'mart ms':>9} {'raw.events':>11} {'Parquet':>9}")
    for question in QUESTIONS:
        words = {"tenant": tenant, "first": last - timedelta(days=days - 1), "last": last}
        in_mart = question.mart.format(**words)
        in_raw = question.raw.format(events="raw.events", **words)
        in_lake = question.raw.format(events=f"'{file}'", **words)
        few = max(repeat // 10, 3)
        mart, expected = _timed(partial(_asked, reader, in_mart), repeat)
        raw, of_raw = _timed(partial(_asked, owner, in_raw), few)
        parquet, of_lake = _timed(partial(_asked, lake, in_lake), few)
        for place, found in (("raw.events", of_raw), ("Parquet", of_lake)):
            if found != expected:
                raise SystemExit(f"{question.title}: the mart and {place} differ, {_difference(expected, found)}")
        more = f"{raw / mart:.0f} x, {parquet / mart:.0f} x"
        print(f"{question.title:<32} {mart:>9.2f} {raw:>11.1f} {parquet:>9.1f}   {more}")
        figures[question.title] = {"mart_ms": mart, "raw_ms": raw, "parquet_ms": parquet}
    return figures


def _asked(place: psycopg.Connection | duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    if isinstance(place, psycopg.Connection):
        return place.execute(query.encode()).fetchall()
    return place.sql(query).fetchall()


def _timed(ask: Callable[[], Sequence[Row]], repeat: int) -> tuple[float, list[Row]]:
    times, rows = [], []
    for _ in range(repeat):
        started = perf_counter()
        rows = ask()
        times.append((perf_counter() - started) * 1000)
    return median(times), [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal | int) else value


def _difference(expected: list[Row], found: list[Row]) -> str:
    only = [row for row in expected if row not in found][:3], [row for row in found if row not in expected][:3]
    return f"{len(expected)} and {len(found)} rows, for example {only}"
