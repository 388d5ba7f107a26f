"""What happens when something happens: files land, a build ends."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from analytics_dagster.defs import jobs
from analytics_dagster.defs.requests import daily_runs
from analytics_dagster.defs.signs_of_life import end_abandoned_runs
from analytics_dagster.defs.tenant_partitions import active_tenant_runs, follow_registry
from analytics_dagster.due import fronts_to_move, unbuilt_days, unbuilt_replays
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.settings import settings
from analytics_dagster.warehouse import connect, warehouse_url

RUNNING = dg.DefaultSensorStatus.RUNNING


@dg.sensor(job=jobs.daily, minimum_interval_seconds=30, default_status=RUNNING)
def landing_files() -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Load new files as they land, and restate what a replay, a hold or a release changed. No file is loaded twice."""
    landed = pending_files(settings().landing_dir).names
    with connect(warehouse_url(settings())) as connection:
        days = unbuilt_days(connection, landed)
        replays = unbuilt_replays(connection)
        # a hold that came with a day's own load is moved by the run that works at that day
        moves = {day: of for day, of in fronts_to_move(connection).items() if day not in days}
    plans = daily_runs([*days, *moves])
    if not plans:
        yield dg.SkipReason("no new file")
    for plan in plans:
        changes = [path for day, path in landed if plan.covers(day)]
        changes += [f"replay {number}" for day, number in replays.items() if plan.covers(day)]
        changes += [f"move {tenant}" for day, of in moves.items() if plan.covers(day) for tenant in of]
        yield dg.RunRequest(run_key=_run_key(plan.title, changes), tags=plan.tags)


def _run_key(title: str, changes: list[str]) -> str:
    """The same files, replays and moves ask for one run only."""
    return f"{title} {hashlib.sha256(chr(10).join(sorted(changes)).encode()).hexdigest()[:16]}"


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[jobs.daily],
    request_job=jobs.publish,
    default_status=RUNNING,
    minimum_interval_seconds=10,
)
def publish_after_build(context: dg.RunStatusSensorContext) -> list[dg.RunRequest] | dg.SkipReason:
    """New marts are published to every active tenant."""
    plans = active_tenant_runs("publish", context.instance)
    if not plans:
        return dg.SkipReason("no tenant is active")
    run_id = context.dagster_run.run_id
    return [dg.RunRequest(run_key=f"{run_id} {plan.first}", tags=plan.tags) for plan in plans]


@dg.sensor(minimum_interval_seconds=30, default_status=RUNNING, jobs=jobs.ALL)
def tenant_registry(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """The tenant partitions follow the registry, which commands change, too."""
    with connect(warehouse_url(settings())) as connection:
        followed = follow_registry(context.instance, connection)
    told = [f"{what} {', '.join(of)}" for what, of in (("added", followed.added), ("removed", followed.removed)) if of]
    return dg.SkipReason("; ".join(told) or "nothing changed")


@dg.sensor(minimum_interval_seconds=60, default_status=RUNNING, jobs=jobs.ALL)
def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """End the runs whose worker was killed: Dagster's own launcher would leave them started for ever."""
    ended = end_abandoned_runs(context.instance, warehouse_url(settings()))
    return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every run is alive")


ALL = [landing_files, publish_after_build, tenant_registry, abandoned_runs]
