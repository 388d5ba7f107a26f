"""When what runs. All times are UTC, because loading days are."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from analytics_dagster.defs import jobs
from analytics_dagster.defs.partitions import day_of, months
from analytics_dagster.defs.requests import RunPlan
from analytics_dagster.defs.tenant_partitions import active_tenant_runs

RUNNING = dg.DefaultScheduleStatus.RUNNING


@dg.schedule(job=jobs.daily, cron_schedule="15 1 * * *", default_status=RUNNING)
def daily_marts(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Close yesterday: whatever landed after the last sensor run is loaded, judged and built."""
    yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=yesterday, partition_key=yesterday)


@dg.schedule(job=jobs.train, cron_schedule="0 3 * * 1", default_status=RUNNING)
def weekly_training() -> dg.RunRequest:
    """Learn from the last weeks; a model that is worse than the one in use does not replace it."""
    return dg.RunRequest()


@dg.schedule(job=jobs.score, cron_schedule="0 4 * * *", default_status=RUNNING)
def daily_scores(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Score every active tenant's users with the models in use."""
    plans = active_tenant_runs("score", context.instance)
    return _requests(context, plans) or dg.SkipReason("no tenant is active")


@dg.schedule(job=jobs.monthly, cron_schedule="0 5 2 * *", default_status=RUNNING)
def monthly_reports(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """The billing and compliance reports of last month, for every active tenant."""
    month_keys = months.get_partition_keys(context.scheduled_execution_time)
    plans = active_tenant_runs("monthly", context.instance, month=day_of(month_keys[-1])) if month_keys else []
    return _requests(context, plans) or dg.SkipReason("no active tenant, or no complete month")


def _requests(context: dg.ScheduleEvaluationContext, plans: Sequence[RunPlan]) -> list[dg.RunRequest]:
    """Each once for a tick: Dagster wants keys when there are several."""
    tick = context.scheduled_execution_time.isoformat()
    return [dg.RunRequest(run_key=f"{tick} {plan.title}", tags=plan.tags) for plan in plans]


ALL = [daily_marts, weekly_training, daily_scores, monthly_reports]
