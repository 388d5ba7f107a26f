"""The numbers that people ask for first, before anything is there and for hostile names."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from analytics_dagster.cli.summary import summary
from analytics_dagster.overview import Headline, Held, Overview, Received, Waiting, overview
from analytics_dagster.settings import Settings

DAY = date(2026, 2, 28)
SINCE = datetime(2026, 3, 1, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>[red]"


def shown(data):
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(summary(data, Settings()))
    return capture.get()


@pytest.fixture
def tenant(connection):
    connection.execute(
        "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
        " values ('acme', %s, 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
        [HOSTILE],
    )
    return connection


def test_an_empty_warehouse_has_an_empty_overview(connection):
    assert overview(connection) == Overview([], [], [])
    assert "Where to look next" in shown(overview(connection))


def test_lines_of_nobody_are_shown_too(tenant):
    for batch, (who, received, accepted, duplicate, quarantined) in enumerate(
        [("acme", 10, 7, 2, 1), ("acme", 5, 5, 0, 0), ("(unknown)", 4, 0, 0, 4)]
    ):
        (number,) = tenant.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, %s, %s, 1) returning batch_id",
            [DAY, str(batch), str(batch)],
        ).fetchone()
        tenant.execute(
            "insert into raw.accounts values (%s, %s, %s, %s, %s, %s, %s)",
            [number, who, DAY, received, accepted, duplicate, quarantined],
        )
    tenant.execute("insert into quality.holds values (%s, 'acme', '[\"one\", \"two [red]\"]', %s)", [DAY, SINCE])
    data = overview(tenant)
    assert data.received == [
        Received("(unknown)", "(no registered tenant)", "", 4, 0, 0, 4, 0, None),
        Received("acme", HOSTILE, "shop", 15, 12, 2, 1, 1, None, "active"),
    ]
    assert data.held == [Held("acme", DAY, ["one", "two [red]"], SINCE)]
    assert "acme, load of 2026-02-28, since 2026-03-01 04:05: one; two [red]" in shown(data)
    assert json.loads(json.dumps(data.as_json(), default=str))["received"][1]["name"] == HOSTILE


def test_loads_behind_a_held_one_are_counted(tenant):
    for number, who in enumerate(["acme", "acme", "acme", "beta"]):
        day = DAY + timedelta(days=number)
        (batch,) = tenant.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'f', %s, 1)"
            " returning batch_id",
            [day, str(number)],
        ).fetchone()
        tenant.execute("insert into raw.accounts values (%s, %s, %s, 1, 1, 0, 0)", [batch, who, day])
    tenant.execute("insert into quality.holds values (%s, 'acme', '[\"why\"]')", [DAY])
    data = overview(tenant)
    assert data.waiting == (Waiting("acme", 2, "waits for the held load of 2026-02-28"),)
    assert "acme, 2 loads: waits for the held load of 2026-02-28" in shown(data)
    tenant.execute("delete from quality.holds")
    tenant.execute("insert into pipeline.fronts values ('acme', %s)", [DAY + timedelta(days=2)])
    data = overview(tenant)
    assert data.held == []
    assert "acme, 1 load: released, and waits for the next build" in shown(data)


def test_headlines_are_the_last_four_weeks_that_are_served(tenant):
    tenant.execute("create table marts.kpi_daily (tenant_id text, day date, metric text, value numeric, unit text)")
    tenant.execute("insert into tenancy.publications values ('acme', %s, '{}', 0)", [DAY])
    for metric, value in (("active_users", 3), ("sessions", 5), ("orders", 2), ("revenue", Decimal("1.10"))):
        tenant.execute(
            "insert into marts.kpi_daily select 'acme', day, %s, %s, ''"
            " from generate_series(%s::date - 28, %s::date + 1, '1 day') as day",
            [metric, value, DAY, DAY],
        )
    (headline,) = overview(tenant).headlines
    assert headline == Headline("acme", "EUR", Decimal("3.0"), 28 * 5, "orders", 28 * 2, 28 * Decimal("1.10"), 0)
    assert "30.80" in shown(overview(tenant))


def test_a_figure_that_is_not_there_is_a_dash():
    empty = Headline("acme", "EUR", None, None, None, None, None, 0)
    assert "acme   │" in shown(Overview([], [], [empty]))
    assert "None" not in shown(Overview([], [], [empty]))


@pytest.mark.parametrize(("holds", "more"), [(10, False), (13, True)])
def test_many_holds_are_counted(holds, more):
    told = shown(Overview([], [Held("acme", DAY, ["why"], SINCE)] * holds, []))
    assert told.count("acme, load of") == 10
    assert ("and 3 more" in told) is more


def test_who_is_beyond_a_limit_or_suspended_is_shown(tenant):
    for day in range(1, 13):
        tenant.execute(
            "insert into tenancy.limit_breaches values ('acme', %s, 'events_per_day', 5, 7)", [date(2026, 1, day)]
        )
    tenant.execute("update tenancy.tenants set status = 'suspended'")
    text = shown(overview(tenant))
    assert "acme, load of 2026-01-12: received 7 events, its limit is 5 a day" in text
    assert "… and 2 more" in text
    assert "│ suspended" in text
