"""The gate between raw events and everything that is built on them."""

from datetime import timedelta

import dagster as dg

from analytics_dagster.defs.ingest import raw_events
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import day_of, loading_days
from analytics_dagster.defs.previews import markdown_table
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.quality.gate import Flag, Hold, is_platform_fault, run_gate
from analytics_dagster.quality.outcomes import DayJudged, days_judged, judgement_of
from analytics_dagster.schemas.event_files import load_event_contracts


@dg.asset(
    group_name="quality",
    owners=OWNERS,
    kinds={"greatexpectations", "postgres"},
    partitions_def=loading_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_events],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=48), warn_window=timedelta(hours=30)),
)
def quality_gate(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Great Expectations judges each tenant's load; a tenant that fails a critical expectation is held back alone."""
    report = run_gate(
        warehouse.url,
        warehouse.settings.expectations_dir,
        [day_of(key) for key in context.partition_keys],
        run_id=context.run.run_id,
        declared={contract.event_name for contract in load_event_contracts(warehouse.settings.events_dir).contracts},
    )
    return dg.MaterializeResult(
        metadata={
            "judged loads": report.judged,
            "held loads": len(report.holds),
            "held": markdown_table(Hold, report.holds),
            "flagged": markdown_table(Flag, report.flagged),
        }
    )


# In a step of its own: one that fails would take the checks of the expectations with it, which say what is wrong.
@dg.asset_check(
    asset=quality_gate,
    blocking=True,
    description="Not more of a day's tenants fail than ANALYTICS_PLATFORM_FAULT_SHARE says: more is no tenant's fault, "
    "and nothing is built.",
)
def the_platform_is_sound(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    share = warehouse.settings.platform_fault_share
    with warehouse.connect() as connection:
        days = days_judged(connection, judgement_of(connection, context.run.run_id, "loads"))
    faults = [day for day in days if is_platform_fault(day.failing, day.judged, share)]
    return dg.AssetCheckResult(
        passed=not faults,
        metadata={"days": markdown_table(DayJudged, faults), "share that is allowed": share},
    )
