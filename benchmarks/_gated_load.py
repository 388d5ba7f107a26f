"""A load to judge: so many events of one loading day for so many tenants, and eight weeks of profiles before it.

Events go straight into PostgreSQL, for the loader is not what is measured. An event is a pure function of its number:
every tenant has the same share, a user comes once with a session of eight events, one event in 25 is about money.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import psycopg
from psycopg import sql

from analytics_dagster.quality.profiling import Profile, profiles
from analytics_dagster.warehouse import WarehouseUrl, connect, migrate

DAY = date(2026, 6, 30)
HISTORY = 56  # days
NAMES = ("page_viewed", "search_performed", "track_play", "order_placed", "feature_used", "article_read")
NAMES += ("payment_succeeded", "payment_failed", "payment_refunded")

TENANT = """
insert into tenancy.tenants
    (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)
select 'tenant-' || lpad(n::text, 4, '0'), 'Tenant ' || n, (array['music', 'shop', 'saas', 'content'])[1 + n % 4],
    'enterprise', 'UTC', 'EUR', 'scale', 'eu', '{{}}'
from generate_series(0, {tenants} - 1) as n
"""

EVENTS = """
insert into raw.events
    (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test, properties,
     load_day, batch_id, line_number)
select
    'tenant-' || lpad((n % {tenants})::text, 4, '0'),
    md5(n::text),
    case when roll < 4 then 'transaction' when roll < 30 then 'page_view' else 'user_action' end,
    case
        when roll < 3 then 'payment_succeeded'
        when roll < 4 then (array['payment_failed', 'payment_refunded'])[1 + n / {tenants} % 2]
        when roll < 30 then 'page_viewed' when roll < 40 then 'search_performed'
        else (array['track_play', 'order_placed', 'feature_used', 'article_read'])[1 + (n % {tenants}) % 4]
    end,
    (array['web_app', 'mobile_app', 'mobile_app', 'desktop_app', 'backend'])[1 + person % 5],
    {day}::timestamp at time zone 'UTC' + (person * 7919 % 80000 + n / {tenants} % 8 * 97) * interval '1 second',
    case when person % 5 > 0 then 'u-' || person end,
    case when person % 3 = 0 then 'd-' || person end,
    n / {tenants} % 500 = 0,
    case
        when roll < 4
            then jsonb_build_object(
                'amount', (2 + n * 7 % 40)::text || '.99', 'currency', 'EUR', 'order_id', 'o-' || person
            )
        when roll < 30 then jsonb_build_object('path', '/home', 'device', 'browser')
        when roll < 40 then jsonb_build_object('words', n % 5, 'results', n % 60)
        else jsonb_build_object(
            'track_id', 't-' || n * 7 % 2000, 'article_id', 'a-' || n * 7 % 2000, 'feature', 'f-' || n % 8,
            'order_id', 'o-' || n
        )
    end,
    {day},
    {batch},
    n
from (
    select n, n / {tenants} / 8 as person, abs(hashtext('x' || n)) % 100 as roll
    from generate_series(0, {events} - 1) as n
) as numbered
"""

ACCOUNTS = """
insert into raw.accounts (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)
select {batch}, tenant_id, {day}, count(*) + count(*) / 100 * 2, count(*), count(*) / 100, count(*) / 100
from raw.events where load_day = {day} group by tenant_id
"""


def make_load(url: WarehouseUrl, tenants: int, events: int) -> None:
    with connect(url) as connection:
        migrate(connection)
        row = connection.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'benchmark', 'none', 1)"
            " returning batch_id",
            [DAY],
        ).fetchone()
        assert row is not None
        words = {
            "tenants": sql.Literal(tenants),
            "events": sql.Literal(events),
            "batch": sql.Literal(row[0]),
            "day": sql.SQL("date {}").format(sql.Literal(DAY.isoformat())),
        }
        for statement in (TENANT, EVENTS, ACCOUNTS):
            connection.execute(sql.SQL(statement).format(**words))
        _remember(connection)
    with connect(url, autocommit=True) as connection:
        connection.execute("vacuum (analyze) raw.events")
        connection.execute("analyze")


def _remember(connection: psycopg.Connection) -> None:
    """The days before were like this one, give or take a tenth."""
    row = connection.execute(
        "insert into quality.judgements (run_id, stage) values ('history', 'loads') returning judgement_id"
    ).fetchone()
    assert row is not None
    today = profiles(connection, [DAY], declared=NAMES)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy quality.loads (tenant_id, load_day, content, measures, state, judgement_id) from stdin"
        ) as copy,
    ):
        for tenant_id, load_day, measures in _days_before(today):
            copy.write_row((tenant_id, load_day, "as before", json.dumps(measures), "passed", row[0]))


def _days_before(today: list[Profile]) -> Iterator[tuple[str, date, dict[str, object]]]:
    rng = Random(1)  # noqa: S311 - the same history each time
    for number in range(1, HISTORY + 1):
        for profile in today:
            factor = rng.uniform(0.9, 1.1)
            measures = {
                name: value * factor if value is not None and value > 1 else value
                for name, value in profile.measures.items()
            }
            mix = {name: round(count * factor) for name, count in profile.mix.items()}
            yield profile.tenant_id, DAY - timedelta(days=number), {**measures, "mix": mix}
