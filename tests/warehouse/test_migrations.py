import pytest

from analytics_dagster.errors import WarehouseError
from analytics_dagster.warehouse import connect, migrate
from analytics_dagster.warehouse.migrations import Migration, available


def test_a_second_run_applies_nothing(warehouse):
    with connect(warehouse) as connection:
        assert migrate(connection) == []


def test_an_edited_migration_is_refused(warehouse):
    first, *rest = available()
    edited = Migration(first.number, first.name, first.text + "-- changed")
    with connect(warehouse) as connection, pytest.raises(WarehouseError, match="was edited"):
        migrate(connection, [edited, *rest])


def test_a_failing_migration_leaves_nothing_behind(warehouse):
    new = [
        *available(),
        Migration(901, "901_good.sql", "create table marts.good (id int)"),
        Migration(902, "902_bad.sql", "create table marts.bad (id nonsense)"),
    ]
    with connect(warehouse) as connection, pytest.raises(Exception, match="nonsense"):
        migrate(connection, new)
    with connect(warehouse) as connection:
        found = connection.execute("select to_regclass('marts.good')").fetchone()
    assert found == (None,)


def test_numbers_are_unique_and_without_gaps():
    assert [m.number for m in available()] == list(range(1, len(available()) + 1))
