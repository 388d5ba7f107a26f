"""A held tenant stands still: every row of every table is what it was before the first held load, until the release.

Each test has a database of its own, copied from one in which the loads were built one after the other without any hold.
What it found after each load is what any test expects, tenant by tenant.
"""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import LiteralString

import pytest
from histories import LOADS, TENANTS, declare, history, load, register
from psycopg import sql

from analytics_dagster.due import load_days_due
from analytics_dagster.tenancy.standing import as_of
from analytics_dagster.transform import (
    BuildFailedError,
    build,
    clear_scope,
    mark_built,
    newest_changes,
    prepare,
    settle_fronts,
    write_scope,
)
from analytics_dagster.warehouse import WarehouseUrl, connect

A, B, C = "zurich", "lord-howe", "sao_paulo"
ONE, TWO, THREE, FOUR = LOADS[:4]
NEVER = date.max
_numbers = itertools.count()

Sums = dict[tuple[str, str], str]  # by table and tenant: how many rows, and a checksum of them

TABLES = """
select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('intermediate', 'marts') and c.relkind = 'r' order by 1, 2
"""
SUMS = """
select tenant_id, count(*) || ' ' || md5(string_agg(t::text, E'\\n' order by t::text collate "C"))
from {} as t group by tenant_id
"""


@dataclass
class Warehouse:
    url: WarehouseUrl
    manifest: Path

    def arrive(self, *load_days: date) -> None:
        """The loads as ingestion leaves them."""
        events = [e for tenant in TENANTS if tenant.tenant_id in {A, B, C} for e in history(tenant, seed=1)]
        with connect(self.url) as connection:
            load(connection, [event for event in events if event.load_day in load_days])
            for day in load_days:
                connection.execute(
                    "with batch as (insert into raw.batches (load_day, path, content_sha256, bytes)"
                    " values (%s, 'f', %s, 1) returning batch_id, load_day)"
                    " insert into raw.accounts select batch_id, unnest(%s::text[]), load_day, 1, 1, 0, 0 from batch",
                    [day, str(day), [A, B, C]],
                )

    def hold(self, *loads: tuple[str, date]) -> None:
        with connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany("insert into quality.holds values (%s, %s, '[]')", [(day, who) for who, day in loads])

    def release(self, *loads: tuple[str, date]) -> None:
        with connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany("delete from quality.holds where (tenant_id, load_day) = (%s, %s)", loads)

    def begin(self, *load_days: date, tenants: Collection[str] | None = None) -> str:
        build_id = f"build:{next(_numbers)}"
        with connect(self.url) as connection:
            write_scope(connection, build_id, load_days, tenants)
        return build_id

    def finish(self, build_id: str) -> None:
        build(self.url, self.manifest, build_id=build_id)
        with connect(self.url) as connection:
            settle_fronts(connection, build_id)
            clear_scope(connection, build_id)

    def run(self, *load_days: date) -> None:
        """What a daily run does after the gate."""
        with connect(self.url) as connection:
            newest = newest_changes(connection, load_days)
        self.finish(self.begin(*load_days))
        with connect(self.url) as connection:
            mark_built(connection, newest)

    def sums(self) -> Sums:
        found: Sums = {}
        with connect(self.url) as connection:
            for schema, table in connection.execute(TABLES).fetchall():
                rows = connection.execute(sql.SQL(SUMS).format(sql.Identifier(schema, table)))
                found |= {(f"{schema}.{table}", tenant): checksum for tenant, checksum in rows}
        return found

    def due(self) -> tuple[date, ...]:
        with connect(self.url) as connection:
            return load_days_due(connection, [])

    def as_of(self, tenant: str) -> date | None:
        with connect(self.url) as connection:
            return as_of(connection, tenant)

    def execute(self, statement: LiteralString) -> None:
        with connect(self.url) as connection:
            connection.execute(statement)


@dataclass
class Line:
    """The loads one after the other, and nobody held: what the marts were before each, and copies on the way."""

    before: Mapping[date, Sums]
    copy: Callable[[str], Warehouse]

    def when(self, fronts: Mapping[str, date], others: date = NEVER) -> Sums:
        """What the marts are when each tenant stands at its front, and the others have the loads before a day."""
        return {
            key: checksum
            for front in self.before
            for key, checksum in self.before[front].items()
            if fronts.get(key[1], others) == front
        }


@pytest.fixture(scope="module")
def line(owned_warehouse: WarehouseUrl, manifest: Path, server: WarehouseUrl) -> Line:
    straight, before = Warehouse(owned_warehouse, manifest), {}

    def copy(name: str, template: str) -> Warehouse:
        with connect(server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} owner {} strategy file_copy").format(
                    *map(sql.Identifier, (name, template, owned_warehouse.user))
                )
            )
        return Warehouse(replace(owned_warehouse, database=name), manifest)

    with connect(owned_warehouse) as connection:
        register(connection, TENANTS)
        declare(connection)
    prepare(owned_warehouse, manifest)
    for days, then in (((ONE,), TWO), ((TWO,), THREE), ((THREE, FOUR), NEVER)):
        before[days[0]] = straight.sums()
        straight.arrive(*days)
        straight.run(*days)
        if then == TWO:
            copy("holds_first_load", owned_warehouse.database)
    before[NEVER] = straight.sums()
    copy("holds_all_loads", owned_warehouse.database)
    return Line(before, lambda template: copy(f"holds_{next(_numbers)}", template))


@pytest.fixture
def begun(line: Line) -> Warehouse:
    """The first load is built."""
    return line.copy("holds_first_load")


@pytest.fixture
def built(line: Line) -> Warehouse:
    """All four loads are built."""
    return line.copy("holds_all_loads")


def test_the_line_tells_loads_and_tenants_apart(line: Line) -> None:
    tables = {table for table, _ in line.before[NEVER]}
    assert {"marts.kpi_daily", "marts.mrr_movements", "intermediate.int_session_events"} <= tables
    for earlier, later in pairwise(line.before.values()):
        for tenant in (A, B, C):
            of_tenant = [key for key in later if key[1] == tenant]
            assert sum(earlier.get(key) != later[key] for key in of_tenant) > len(of_tenant) / 2
    assert line.when({}) == line.before[NEVER]
    assert line.when({}, TWO) == line.before[TWO] != line.when({A: ONE}, TWO)


def test_a_held_tenant_stands_still_and_catches_up_from_hold_to_hold(line: Line, begun: Warehouse) -> None:
    begun.arrive(TWO)
    begun.hold((A, TWO))
    begun.run(TWO)
    assert begun.sums() == line.when({A: TWO}, others=THREE)

    begun.arrive(THREE, FOUR)
    begun.hold((A, THREE))
    begun.run(THREE, FOUR)
    assert begun.sums() == line.when({A: TWO}), "a load that is not held itself waits, too"
    assert (begun.as_of(A), begun.as_of(B), begun.due()) == (ONE, FOUR, ())

    begun.release((A, TWO))
    assert (begun.as_of(A), begun.due()) == (ONE, (TWO,)), "released, and not built yet"
    begun.run(TWO)
    assert begun.sums() == line.when({A: THREE})
    assert (begun.as_of(A), begun.due()) == (TWO, ())

    begun.release((A, THREE))
    begun.run(THREE)
    assert begun.sums() == line.when({})
    assert (begun.as_of(A), begun.due()) == (FOUR, ())
    build(begun.url, begun.manifest, build_id="all", full_refresh=True)
    assert begun.sums() == line.when({})


def test_loads_that_are_held_after_they_were_built_leave_also_when_a_build_fails(line: Line, built: Warehouse) -> None:
    built.hold((A, ONE), (B, TWO), (C, THREE))
    built.execute("alter table marts.fct_sessions add constraint never check (tenant_id <> 'lord-howe') not valid")
    with pytest.raises(BuildFailedError, match="fct_sessions"):
        built.finish(built.begin(FOUR))
    assert built.due() == (ONE, TWO, THREE)
    assert [built.as_of(tenant) for tenant in (A, B, C)] == [None, ONE, TWO], "some marts have more, and some do not"
    built.execute("alter table marts.fct_sessions drop constraint never")
    built.run()
    assert built.sums() == line.when({A: ONE, B: TWO, C: THREE}), "all are held, one from its first load on"
    assert [built.as_of(tenant) for tenant in (A, B, C)] == [None, ONE, TWO]
    assert built.due() == ()


def test_a_narrowed_build_a_hold_that_comes_meanwhile_and_a_crash(line: Line, built: Warehouse) -> None:
    built.hold((A, THREE), (B, THREE))
    narrowed = built.begin(ONE, tenants=[A, C])
    built.hold((A, TWO))
    build(built.url, built.manifest, build_id=narrowed)
    assert built.sums() == line.when({A: THREE}), "the late hold, and another tenant's, wait for the next build"
    # the process ends here, before the fronts are settled
    assert (built.as_of(A), built.due()) == (TWO, (TWO, THREE))
    built.run()
    assert built.sums() == line.when({A: TWO, B: THREE})
    assert (built.as_of(A), built.due()) == (ONE, ())
