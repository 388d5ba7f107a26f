"""When what runs, asked of a real instance as Dagster's daemon asks."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import small_day
from small_day import DAY

from analytics_dagster.defs.partitions import RANGE_END, RANGE_START
from analytics_dagster.defs.partitions import TENANTS as PARTITIONS
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import moving, registry
from analytics_dagster.tenancy.files import configured
from analytics_dagster.warehouse import connect

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)


@dg.job
def work() -> None:
    pass


@pytest.fixture
def scheduled(code_location):
    repository = code_location.defs.get_repository_def()

    def evaluate(name, instance, moment=NOON):
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=moment, repository_def=repository
        ) as context:
            evaluated = repository.get_schedule_def(name).evaluate_tick(context)
        return evaluated.run_requests, evaluated.skip_message

    return evaluate


@pytest.fixture
def sensors(code_location):
    return {sensor.name: sensor for sensor in code_location.defs.sensors}


@pytest.fixture
def tenants(instance, warehouse):
    """The registry behind the instance, as commands change it."""
    del instance

    class Tenants:
        def add(self, tenant_id):
            fields = {"tenant_id": tenant_id, "name": "T", "kind": "shop", "tier": "free", "region": "eu"}
            fields |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}
            with connect(warehouse) as connection:
                registry.add(connection, configured(fields, where="test"), actor="test")

        def suspend(self, tenant_id):
            with connect(warehouse) as connection:
                moving.suspend(connection, tenant_id, actor="test", reason=None)

        def offboard(self, tenant_id):
            with connect(warehouse) as connection:
                moving.offboard(connection, tenant_id, actor="test", reason="test")

    return Tenants()


def asked(sensor, instance):
    with dg.build_sensor_context(instance=instance) as context:
        evaluated = sensor.evaluate_tick(context)
    return evaluated.run_requests, evaluated.skip_message


def ranges(request):
    return request.tags[RANGE_START], request.tags[RANGE_END]


# --- schedules -------------------------------------------------------------------------------------------------


def test_the_daily_run_closes_yesterday(scheduled, instance):
    ((request,), _) = scheduled("daily_marts", instance)
    assert (request.partition_key, request.run_key) == ("2026-04-01", "2026-04-01")


def test_training_is_weekly_and_not_partitioned(scheduled, instance):
    ((request,), _) = scheduled("weekly_training", instance)
    assert request.partition_key is None


def test_without_tenants_nothing_is_scored_or_reported(scheduled, instance):
    assert scheduled("daily_scores", instance) == ([], "no tenant is active")
    assert scheduled("monthly_reports", instance) == ([], "no active tenant, or no complete month")


def test_scores_and_reports_are_one_run_for_all_tenants(scheduled, instance, tenants):
    tenants.add("zed")
    tenants.add("acme")
    ((request,), _) = scheduled("daily_scores", instance)
    assert ranges(request) == ("zed", "acme"), "in the order of registration"
    ((request,), _) = scheduled("monthly_reports", instance)
    assert ranges(request) == ("2026-03-01|zed", "2026-03-01|acme")
    early = datetime(2026, 2, 2, 5, tzinfo=UTC)
    assert scheduled("monthly_reports", instance, early)[1] == "no active tenant, or no complete month"


def test_a_suspended_tenant_is_passed_over_and_an_offboarded_one_is_no_partition(scheduled, instance, tenants):
    for tenant in ("zed", "mid", "acme", "last"):
        tenants.add(tenant)
    tenants.suspend("mid")
    tenants.offboard("last")
    runs = [ranges(request) for request in scheduled("daily_scores", instance)[0]]
    assert runs == [("zed", "zed"), ("acme", "acme")]
    months = [ranges(request) for request in scheduled("monthly_reports", instance)[0]]
    assert months == [("2026-03-01|zed", "2026-03-01|zed"), ("2026-03-01|acme", "2026-03-01|acme")]
    assert instance.get_dynamic_partitions(PARTITIONS) == ["zed", "mid", "acme"]


# --- the sensor of landing files -------------------------------------------------------------------------------


def test_no_file_is_no_run(sensors, instance):
    assert asked(sensors["landing_files"], instance) == ([], "no new file")


def test_new_files_ask_for_a_run_of_their_days(sensors, instance):
    landing = settings().landing_dir
    small_day.land(landing)
    small_day.land(landing, DAY + timedelta(days=1))
    small_day.land(landing, DAY + timedelta(days=5))
    first, second = asked(sensors["landing_files"], instance)[0]
    assert ranges(first) == ("2026-02-28", "2026-03-01")
    assert ranges(second) == ("2026-03-05", "2026-03-05")
    assert first.run_key != second.run_key


def test_the_same_files_ask_once_and_a_new_one_asks_again(sensors, instance):
    landing = settings().landing_dir
    small_day.land(landing)
    keys = {asked(sensors["landing_files"], instance)[0][0].run_key for _ in range(2)}
    assert len(keys) == 1, "Dagster starts one run for a run key"
    small_day.land(landing, name="late")
    assert asked(sensors["landing_files"], instance)[0][0].run_key not in keys


def test_a_replay_asks_for_its_day_once_more(sensors, instance, warehouse):
    small_day.land(settings().landing_dir)
    (before,) = asked(sensors["landing_files"], instance)[0]
    with connect(warehouse) as connection:
        connection.execute(
            "insert into raw.replays (load_day, accepted, duplicate, actor) values (%s, 1, 0, 'ann')", [DAY]
        )
    (first,), (second,) = (asked(sensors["landing_files"], instance)[0] for _ in range(2))
    assert ranges(first) == ranges(before) == (DAY.isoformat(), DAY.isoformat())
    assert first.run_key == second.run_key != before.run_key


def test_a_release_asks_for_its_day_once_and_a_later_one_again(sensors, instance, warehouse, tenants):
    tenants.add("zed")
    keys = []
    with connect(warehouse, autocommit=True) as connection:
        connection.execute(
            "with batch as (insert into raw.batches (load_day, path, content_sha256, bytes)"
            " values (%s, 'f', 's', 1) returning batch_id, load_day)"
            " insert into pipeline.built_loads (load_day, batch_id) select load_day, batch_id from batch",
            [DAY],
        )
        for _ in range(2):
            connection.execute("insert into pipeline.fronts values ('zed', %s)", [DAY])
            connection.execute(
                "insert into quality.releases (tenant_id, load_day, reasons, held_at, how)"
                " values ('zed', %s, '[]', now(), 'passed')",
                [DAY],
            )
            (before,) = asked(sensors["landing_files"], instance)[0]
            connection.execute("delete from pipeline.fronts")
            connection.execute("insert into pipeline.front_moves values ('zed', %s, 'a run')", [DAY])
            (meanwhile,) = asked(sensors["landing_files"], instance)[0]
            assert ranges(before) == ranges(meanwhile) == (DAY.isoformat(), DAY.isoformat())
            assert before.run_key == meanwhile.run_key
            keys.append(before.run_key)
            connection.execute("delete from pipeline.front_moves")
            assert asked(sensors["landing_files"], instance) == ([], "no new file")
    assert len(set(keys)) == 2


def test_a_hold_that_comes_with_new_files_asks_for_no_second_run(sensors, instance, warehouse, tenants):
    tenants.add("zed")
    small_day.land(settings().landing_dir)
    (before,) = asked(sensors["landing_files"], instance)[0]
    with connect(warehouse) as connection:
        connection.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'f', 's', 1)", [DAY]
        )
        connection.execute("insert into quality.holds values (%s, 'zed', '[]')", [DAY])
    (after,) = asked(sensors["landing_files"], instance)[0]
    assert after.run_key == before.run_key


def test_loaded_and_built_files_ask_no_more(sensors, platform):
    platform.land()
    assert platform.run_all()
    assert asked(sensors["landing_files"], platform.instance) == ([], "no new file")


# --- what follows a build --------------------------------------------------------------------------------------


def test_a_build_is_followed_by_the_publication(sensors, instance, tenants):
    ended = work.execute_in_process(instance=instance)
    context = dg.build_run_status_sensor_context(
        sensor_name="publish_after_build",
        dagster_instance=instance,
        dagster_run=ended.dagster_run,
        dagster_event=ended.all_events[-1],
    )
    assert sensors["publish_after_build"](context).skip_message == "no tenant is active"
    for tenant in ("zed", "mid", "acme"):
        tenants.add(tenant)
    (request,) = sensors["publish_after_build"](context)
    assert ranges(request) == ("zed", "acme")
    assert context.dagster_run.run_id in request.run_key
    tenants.suspend("mid")
    first, second = sensors["publish_after_build"](context)
    assert (ranges(first), ranges(second)) == (("zed", "zed"), ("acme", "acme"))
    assert first.run_key != second.run_key


def test_partitions_follow_the_registry(sensors, instance, tenants):
    assert asked(sensors["tenant_registry"], instance) == ([], "nothing changed")
    tenants.add("zed")
    tenants.add("acme")
    assert asked(sensors["tenant_registry"], instance) == ([], "added zed, acme")
    instance.add_dynamic_partitions(PARTITIONS, ["somebody-elses"])
    tenants.suspend("zed")
    tenants.offboard("acme")
    assert asked(sensors["tenant_registry"], instance) == ([], "removed acme")
    assert instance.get_dynamic_partitions(PARTITIONS) == ["zed", "somebody-elses"]
    assert asked(sensors["tenant_registry"], instance) == ([], "nothing changed")


def test_abandoned_runs_are_ended(sensors, instance, monkeypatch):
    from analytics_dagster.defs import signs_of_life

    assert asked(sensors["abandoned_runs"], instance) == ([], "every run is alive")
    run_id = instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED).run_id
    monkeypatch.setattr(signs_of_life, "GRACE", timedelta(seconds=-1))
    assert asked(sensors["abandoned_runs"], instance) == ([], f"ended {run_id}")
