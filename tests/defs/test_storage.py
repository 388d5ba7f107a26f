"""Planned materializations are written together, and read as if each had been written by itself."""

import dagster as dg
import pytest
from dagster_postgres import PostgresEventLogStorage

from analytics_dagster.settings import settings
from analytics_dagster.warehouse import connect, warehouse_url

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-01-06")
RANGE = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-05"}
PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value


@dg.multi_asset(
    specs=[dg.AssetSpec(name) for name in ("b", "a", "c")],
    check_specs=[dg.AssetCheckSpec("is_there", asset="a")],
    partitions_def=DAYS,
)
def three():
    for name in ("a", "b", "c"):
        yield dg.MaterializeResult(name)
    yield dg.AssetCheckResult(passed=True, asset_key="a", check_name="is_there")


@pytest.fixture
def stored_alone(monkeypatch):
    """The types of events that were written by themselves."""
    types = []
    really = PostgresEventLogStorage.store_event

    def store(self, event):
        types.append(event.dagster_event_type and event.dagster_event_type.value)
        really(self, event)

    monkeypatch.setattr(PostgresEventLogStorage, "store_event", store)
    return types


def planned(run_id):
    query = (
        "select asset_key, partition, step_key, event::jsonb - 'run_id' - 'timestamp' from dagster.event_logs"
        " where dagster_event_type = %s and run_id = %s order by 1, 2"
    )
    with connect(warehouse_url(settings())) as connection:
        return connection.execute(query, [PLANNED, run_id]).fetchall()


def last_runs():
    with connect(warehouse_url(settings())) as connection:
        return connection.execute("select asset_key, last_run_id from dagster.asset_keys order by 1").fetchall()


def test_partitions_are_planned_together(instance, stored_alone, monkeypatch):
    monkeypatch.setenv("DAGSTER_EMIT_PLANNED_EVENTS_INDIVIDUALLY", "1")
    alone = dg.materialize([three], instance=instance, tags=RANGE)
    assert stored_alone.count(PLANNED) == 15
    monkeypatch.delenv("DAGSTER_EMIT_PLANNED_EVENTS_INDIVIDUALLY")
    stored_alone.clear()

    together = dg.materialize([three], instance=instance, tags=RANGE)
    assert PLANNED not in stored_alone
    assert [(asset, day) for asset, day, *_ in planned(together.run_id)] == [
        (f'["{name}"]', f"2026-01-0{day}") for name in "abc" for day in range(1, 6)
    ]
    assert planned(together.run_id) == planned(alone.run_id)
    assert last_runs() == [(f'["{name}"]', together.run_id) for name in "abc"]
    assert instance.get_materialized_partitions(dg.AssetKey("c")) == set(DAYS.get_partition_keys())


def test_what_a_failed_run_had_planned_is_told(instance):
    @dg.asset(partitions_def=DAYS)
    def never():
        raise dg.Failure("on purpose")

    run = dg.materialize([never], instance=instance, tags=RANGE, raise_on_error=False)
    unfinished = (
        instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
            dg.AssetKey("never")
        )
    )
    assert {day: run_id for day, (run_id, _) in unfinished.items()} == dict.fromkeys(
        DAYS.get_partition_keys(), run.run_id
    )
