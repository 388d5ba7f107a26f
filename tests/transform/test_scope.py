"""Fronts move with the scope of a build, and a move stands until a build that has it in its scope ended well."""

from datetime import UTC, date, datetime
from threading import Thread

import psycopg
import pytest

from analytics_dagster.transform import clear_scope, settle_fronts, write_scope
from analytics_dagster.warehouse import WarehouseUrl, connect

DAYS = {number: date(2026, 3, number) for number in range(1, 10)}
ACME, BETA = "acme", "beta"


class Loads:
    """Two tenants with a load each day, whose events happened the month before."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        for tenant in (ACME, BETA):
            connection.execute(
                "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
                " configuration) values (%s, 'A', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
                [tenant],
            )
            for number, day in DAYS.items():
                connection.execute(
                    "insert into raw.events values"
                    " (%s, %s, 'page_view', 'seen', 'api', %s, 'ada', null, false, '{}', %s, 1, 1)",
                    [tenant, str(number), datetime(2026, 2, number, 12, tzinfo=UTC), day],
                )

    def hold(self, *loads: tuple[str, int]) -> None:
        """These and no others."""
        self.connection.execute("delete from quality.holds")
        for tenant, number in loads:
            self.connection.execute("insert into quality.holds values (%s, %s, '[]')", [DAYS[number], tenant])

    def scope(self, build_id: str, *numbers: int, tenants: list[str] | None = None) -> set[tuple[str, int]]:
        written = write_scope(self.connection, build_id, [DAYS[number] for number in numbers], tenants)
        rows = self.connection.execute(
            "select tenant_id, extract(day from day)::int from pipeline.build_scope where build_id = %s", [build_id]
        ).fetchall()
        assert len(rows) == written
        clear_scope(self.connection, build_id)
        return set(rows)

    def fronts(self) -> dict[str, int]:
        rows = self.connection.execute("select tenant_id, extract(day from front)::int from pipeline.fronts")
        return dict(rows.fetchall())

    def moves(self) -> dict[str, tuple[int, str]]:
        rows = self.connection.execute(
            "select tenant_id, extract(day from from_day)::int, build_id from pipeline.front_moves"
        ).fetchall()
        return {tenant: (number, build_id) for tenant, number, build_id in rows}


@pytest.fixture
def loads(connection: psycopg.Connection) -> Loads:
    return Loads(connection)


def days(tenant: str, *numbers: int) -> set[tuple[str, int]]:
    return {(tenant, number) for number in numbers}


def test_without_holds_the_scope_is_what_the_loads_touch(loads: Loads) -> None:
    assert loads.scope("one", 2, 3) == days(ACME, 2, 3) | days(BETA, 2, 3)
    assert loads.scope("two", 2, tenants=[BETA]) == days(BETA, 2)
    assert loads.scope("three") == set()
    assert (loads.fronts(), loads.moves(), settle_fronts(loads.connection, "one")) == ({}, {}, 0)


def test_a_front_follows_the_first_hold_back_and_forth(loads: Loads) -> None:
    loads.hold((ACME, 6), (ACME, 8))
    assert loads.scope("held", 2) == days(ACME, 2, 6, 7, 8, 9) | days(BETA, 2)
    assert (loads.fronts(), loads.moves()) == ({ACME: 6}, {ACME: (6, "held")})
    assert settle_fronts(loads.connection, "held") == 1

    assert loads.scope("stands", 2, 6, 7) == days(ACME, 2) | days(BETA, 2, 6, 7), "nothing of a load behind the front"
    assert loads.moves() == {}

    loads.hold((ACME, 4), (ACME, 8))
    assert loads.scope("back") == days(ACME, 4, 5, 6, 7, 8, 9)
    settle_fronts(loads.connection, "back")
    loads.hold((ACME, 8))
    assert loads.scope("forth") == days(ACME, 4, 5, 6, 7, 8, 9)
    assert (loads.fronts(), loads.moves()) == ({ACME: 8}, {ACME: (4, "forth")})
    settle_fronts(loads.connection, "forth")
    loads.hold()
    assert loads.scope("released") == days(ACME, 8, 9)
    assert (loads.fronts(), loads.moves()) == ({}, {ACME: (8, "released")})
    assert settle_fronts(loads.connection, "released") == 1
    assert loads.scope("afterwards") == set()


def test_a_move_that_was_not_settled_is_taken_again_from_its_earliest_load(loads: Loads) -> None:
    loads.hold((ACME, 5))
    loads.scope("crashed")
    loads.hold((ACME, 7))
    assert loads.scope("next") == days(ACME, 5, 6, 7, 8, 9), "the crashed build may have restated any of them"
    assert loads.moves() == {ACME: (5, "next")}
    assert settle_fronts(loads.connection, "crashed") == 0, "it took what another build has now"
    loads.hold((ACME, 5))
    assert loads.scope("third", 1, tenants=[BETA]) == days(BETA, 1)
    assert (loads.fronts(), loads.moves()) == ({ACME: 7}, {ACME: (5, "next")})
    assert settle_fronts(loads.connection, "third") == 0


def test_a_narrowed_build_moves_only_its_tenants(loads: Loads) -> None:
    loads.hold((ACME, 5), (BETA, 3))
    assert loads.scope("narrowed", 4, tenants=[BETA]) == days(BETA, 3, 4, 5, 6, 7, 8, 9)
    assert (loads.fronts(), loads.moves()) == ({BETA: 3}, {BETA: (3, "narrowed")})
    assert loads.scope("all") == days(ACME, 5, 6, 7, 8, 9) | days(BETA, 3, 4, 5, 6, 7, 8, 9)
    assert loads.moves() == {ACME: (5, "all"), BETA: (3, "all")}


def test_writers_take_turns(warehouse: WarehouseUrl) -> None:
    with connect(warehouse) as connection:
        Loads(connection).hold((ACME, 5))
    written: list[int] = []

    def write() -> None:
        with connect(warehouse) as other:
            written.append(write_scope(other, "second", []))

    waiting = "select wait_event from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with connect(warehouse, autocommit=True) as watching, connect(warehouse) as connection, connection.transaction():
        write_scope(connection, "first", [])
        second = Thread(target=write)
        second.start()
        waits = watching.execute(waiting).fetchall()
        while second.is_alive() and not waits:
            waits = watching.execute(waiting).fetchall()
        assert (waits, written) == ([("advisory",)], [])
    second.join()
    with connect(warehouse) as connection:
        assert written == [5]
        assert connection.execute("select build_id from pipeline.front_moves").fetchall() == [("second",)]
