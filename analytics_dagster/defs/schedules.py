"""When what runs. All times are UTC, because loading days are."""

from datetime import timedelta

import dagster as dg

from analytics_dagster.defs import jobs
from analytics_dagster.defs.partitions import TENANTS, day_of, months, range_tags, tenant_month_key

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
def daily_scores(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Score every tenant's users with the models in use."""
    keys = context.instance.get_dynamic_partitions(TENANTS)
    if not keys:
        return dg.SkipReason("no tenant is registered")
    return dg.RunRequest(tags=range_tags(keys[0], keys[-1]))


@dg.schedule(job=jobs.monthly, cron_schedule="0 5 2 * *", default_status=RUNNING)
def monthly_reports(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The billing and compliance reports of last month, for every tenant."""
    keys = context.instance.get_dynamic_partitions(TENANTS)
    month_keys = months.get_partition_keys(context.scheduled_execution_time)
    if not keys or not month_keys:
        return dg.SkipReason("no tenant, or no complete month")
    month = day_of(month_keys[-1])
    return dg.RunRequest(tags=range_tags(tenant_month_key(keys[0], month), tenant_month_key(keys[-1], month)))


ALL = [daily_marts, weekly_training, daily_scores, monthly_reports]
