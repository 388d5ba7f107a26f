"""Publication proves isolation by taking the tenant's role; a mart that leaks or hides rows is not published."""

from datetime import date

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy.publication import IsolationError, publish

DAY = date(2026, 2, 28)
ROWS = {"acme": 3, "beta": 2}


@pytest.fixture
def marts(connection):
    """Two tenants with one isolated mart, loaded and built on two days."""
    for tenant in ROWS:
        connection.execute(
            "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
            " configuration) values (%s, 'A', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
            [tenant],
        )
    connection.execute("create table marts.orders (tenant_id text not null, n int)")
    connection.execute("alter table marts.orders enable row level security")
    connection.execute(
        "create policy own on marts.orders to analytics_tenants using (tenant_id = (select tenancy.current_tenant()))"
    )
    connection.execute("grant select on marts.orders to analytics_tenants")
    connection.execute("create table marts.internal (tenant_id text)")
    for tenant, rows in ROWS.items():
        connection.execute("insert into marts.orders select %s, n from generate_series(1, %s) as n", [tenant, rows])
    for day in (DAY, date(2026, 3, 1)):
        (batch,) = connection.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'a', %s, 1)"
            " returning batch_id",
            [day, str(day)],
        ).fetchone()
        connection.execute("insert into raw.accounts values (%s, 'acme', %s, 1, 1, 0, 0)", [batch, day])
        connection.execute("insert into pipeline.built_loads (load_day, batch_id) values (%s, %s)", [day, batch])
    return connection


def published(connection):
    return connection.execute(
        "select tenant_id, as_of, row_counts, foreign_rows from tenancy.publications order by 1"
    ).fetchall()


def test_what_is_served_is_counted_and_dated(marts):
    publication = publish(marts, "acme")
    assert publication.row_counts == {"orders": 3}, "a table that no tenant may read is not served"
    assert publication.as_of == date(2026, 3, 1)
    assert publication.held_loads == ()
    assert published(marts) == [("acme", date(2026, 3, 1), {"orders": 3}, 0)]


def test_publishing_again_replaces(marts):
    publish(marts, "acme")
    marts.execute("delete from marts.orders where tenant_id = 'acme' and n = 1")
    publish(marts, "acme")
    assert [(row[0], row[2]) for row in published(marts)] == [("acme", {"orders": 2})]


@pytest.mark.parametrize(
    ("held", "front", "moves_from", "as_of", "waiting"),
    [
        ("2026-03-01", "2026-03-01", None, DAY, []),
        ("2026-02-28", "2026-02-28", None, None, [date(2026, 3, 1)]),
        ("2026-03-01", None, None, date(2026, 3, 1), []),  # the marts have it until the next build
        ("2026-03-01", None, "2026-03-01", DAY, []),  # that build did not end well: some marts have it
        ("2026-03-01", "2026-03-01", "2026-02-28", None, []),
    ],
)
def test_a_held_tenant_is_served_up_to_its_front(marts, held, front, moves_from, as_of, waiting):
    marts.execute("insert into quality.holds values (%s, 'acme', '[\"why\"]')", [held])
    marts.execute("insert into quality.holds values ('2026-02-27', 'beta', '[\"why\"]')")
    marts.execute("insert into pipeline.fronts values ('beta', '2026-02-27')")
    if front:
        marts.execute("insert into pipeline.fronts values ('acme', %s)", [front])
    if moves_from:
        marts.execute("insert into pipeline.front_moves values ('acme', %s, 'crashed')", [moves_from])
    publication = publish(marts, "acme")
    assert publication.as_of == as_of
    assert publication.held_loads == (date.fromisoformat(held),)
    assert publication.waiting_loads == tuple(waiting)
    assert published(marts) == [("acme", as_of, {"orders": 3}, 0)]


def test_released_loads_wait_for_the_build(marts):
    marts.execute("insert into pipeline.fronts values ('acme', '2026-03-01')")
    publication = publish(marts, "acme")
    assert (publication.as_of, publication.held_loads, publication.waiting_loads) == (DAY, (), (date(2026, 3, 1),))


def test_a_load_that_was_not_built_is_not_served(marts):
    marts.execute("delete from pipeline.built_loads where load_day = '2026-03-01'")
    assert publish(marts, "acme").as_of == DAY


def test_a_tenant_that_sent_nothing_is_served_nothing(marts):
    publication = publish(marts, "beta")
    assert publication.as_of is None
    assert publication.row_counts == {"orders": 2}


def test_the_role_is_left_again(marts):
    publish(marts, "acme")
    (user,) = marts.execute("select current_user").fetchone()
    assert user == "analytics"
    assert marts.execute("select count(*) from marts.orders").fetchone() == (5,)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("alter table marts.orders disable row level security", "sees 3 own and 2 foreign rows"),
        ("create policy all_rows on marts.orders to analytics_tenants using (true)", "2 foreign rows"),
        ("drop policy own on marts.orders", "sees 0 own and 0 foreign rows, has 3"),
        (
            "create policy fewer on marts.orders as restrictive to analytics_tenants using (n > 1)",
            "sees 2 own and 0 foreign rows, has 3",
        ),
        (
            "create view marts.leak as select * from marts.orders; grant select on marts.leak to analytics_tenants",
            "'leak': 'sees 3 own and 2 foreign rows",
        ),
    ],
)
def test_a_leak_is_not_published(marts, damage, said):
    marts.execute(damage)
    with pytest.raises(IsolationError, match=said) as caught:
        publish(marts, "acme")
    assert "row-level security" in caught.value.remedy
    assert published(marts) == []


def test_without_marts_there_is_nothing_to_publish(connection):
    with pytest.raises(AnalyticsError, match="no marts to publish"):
        publish(connection, "acme")
