"""The last runs, for people and for evidence; what Dagster stores behind it stays Dagster's."""

from datetime import UTC, datetime

import dagster as dg

from analytics_dagster.compliance import RunRecord


def last_runs(instance: dg.DagsterInstance, limit: int) -> list[RunRecord]:
    return [
        RunRecord(
            run_id=record.dagster_run.run_id,
            job=record.dagster_run.job_name,
            status=record.dagster_run.status.value,
            started=_moment(record.start_time),
            ended=_moment(record.end_time),
        )
        for record in instance.get_run_records(limit=limit)
    ]


def last_runs_here(limit: int) -> list[RunRecord]:
    """The same, of the instance that this process's environment names."""
    with dg.DagsterInstance.get() as instance:
        return last_runs(instance, limit)


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
