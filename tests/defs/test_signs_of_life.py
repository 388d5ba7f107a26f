"""A run that works is left alone, one whose worker is gone is ended, a young one gets a moment."""

from datetime import timedelta

import dagster as dg
import pytest

from analytics_dagster.defs import signs_of_life
from analytics_dagster.defs.run_history import last_runs
from analytics_dagster.defs.signs_of_life import end_abandoned_runs, sign_of_life
from analytics_dagster.settings import settings
from analytics_dagster.warehouse import connect, warehouse_url

LONG_AGO = timedelta(seconds=-1)


@dg.job
def work() -> None:
    pass


@pytest.fixture
def started(instance):
    """A run that says it has started, and nothing else."""

    def start(status=dg.DagsterRunStatus.STARTED):
        return instance.create_run_for_job(work, status=status).run_id

    return start


def status(instance, run_id):
    return instance.get_run_by_id(run_id).status


def test_a_young_run_gets_a_moment(instance, warehouse, started):
    run_id = started()
    assert end_abandoned_runs(instance, warehouse) == []
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_a_run_without_a_worker_is_ended(instance, warehouse, started, monkeypatch):
    monkeypatch.setattr(signs_of_life, "GRACE", LONG_AGO)
    dead, waiting = started(), started(dg.DagsterRunStatus.NOT_STARTED)
    done = started(dg.DagsterRunStatus.SUCCESS)
    assert end_abandoned_runs(instance, warehouse) == [dead]
    assert status(instance, dead) == dg.DagsterRunStatus.FAILURE
    assert status(instance, waiting) == dg.DagsterRunStatus.NOT_STARTED
    assert status(instance, done) == dg.DagsterRunStatus.SUCCESS
    assert end_abandoned_runs(instance, warehouse) == []


def test_a_run_that_works_is_spared(instance, warehouse, started, monkeypatch):
    monkeypatch.setattr(signs_of_life, "GRACE", LONG_AGO)
    alive, dead = started(), started(dg.DagsterRunStatus.CANCELING)
    with sign_of_life(warehouse, alive):
        assert end_abandoned_runs(instance, warehouse) == [dead]
        assert status(instance, alive) == dg.DagsterRunStatus.STARTED
    assert end_abandoned_runs(instance, warehouse) == [alive]


def test_looking_leaves_no_lock_behind(instance, warehouse, started, monkeypatch):
    monkeypatch.setattr(signs_of_life, "GRACE", LONG_AGO)
    run_id = started()
    end_abandoned_runs(instance, warehouse)
    with sign_of_life(warehouse, run_id), connect(warehouse) as connection:
        held = connection.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone()
    assert held == (1,)


def test_a_run_shows_signs_of_life_while_its_assets_work(instance):
    from analytics_dagster.defs.resources import Warehouse

    seen = []

    @dg.asset
    def look(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
        with warehouse.connect() as connection:
            query = "select pg_try_advisory_lock(hashtext('dagster run'), hashtext(%s))"
            seen.extend(connection.execute(query, [context.run.run_id]).fetchone())

    assert dg.materialize([look], instance=instance, resources={"warehouse": Warehouse()}).success
    assert seen == [False], "the run itself holds it"
    with Warehouse.from_resource_context_cm(dg.build_init_resource_context()) as alone:
        assert alone.url == warehouse_url(settings())


def test_the_last_runs_are_told_in_our_words(instance, started):
    first = started(dg.DagsterRunStatus.NOT_STARTED)
    done = work.execute_in_process(instance=instance).run_id
    told = last_runs(instance, 5)
    assert [(run.run_id, run.job, run.status) for run in told] == [
        (done, "work", "SUCCESS"),
        (first, "work", "NOT_STARTED"),
    ]
    assert told[0].started <= told[0].ended
    assert told[1].started is None
    assert len(last_runs(instance, 1)) == 1
