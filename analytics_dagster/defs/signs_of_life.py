"""Which runs are alive. A killed worker leaves its run STARTED for ever; this finds and ends such runs.

Each run holds an advisory lock named after it while it works. PostgreSQL frees the lock when the process is
gone, on whichever machine it was, so a run without its lock is a run without a worker.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg

from analytics_dagster.warehouse import WarehouseUrl, connect

LOCK = "select pg_advisory_lock(hashtext('dagster run'), hashtext(%s))"
TRY_LOCK = "select pg_try_advisory_lock(hashtext('dagster run'), hashtext(%s))"
UNLOCK = "select pg_advisory_unlock(hashtext('dagster run'), hashtext(%s))"

# a run needs a moment between its start and its first resource
GRACE = timedelta(seconds=20)


@contextmanager
def sign_of_life(url: WarehouseUrl, run_id: str) -> Iterator[None]:
    with connect(url, autocommit=True) as connection:
        connection.execute(LOCK, [run_id])
        yield


def end_abandoned_runs(instance: dg.DagsterInstance, url: WarehouseUrl) -> list[str]:
    """Report runs that nobody works on as failed; return their ids."""
    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    records = instance.get_run_records(dg.RunsFilter(statuses=unfinished))
    oldest_excused = datetime.now(UTC) - GRACE
    ended = []
    with connect(url, autocommit=True) as connection:
        for record in records:
            run_id = record.dagster_run.run_id
            if record.update_timestamp < oldest_excused and not _is_alive(connection, run_id):
                instance.report_run_failed(
                    record.dagster_run, message="Its worker is gone: the process was killed or the machine stopped."
                )
                ended.append(run_id)
    return ended


def _is_alive(connection: psycopg.Connection, run_id: str) -> bool:
    row = connection.execute(TRY_LOCK, [run_id]).fetchone()
    if row and row[0]:
        connection.execute(UNLOCK, [run_id])
        return False
    return True
