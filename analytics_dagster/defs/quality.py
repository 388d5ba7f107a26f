"""The gate between raw events and everything that is built on them."""

from datetime import timedelta

import dagster as dg

from analytics_dagster.defs.ingest import raw_events
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import day_of, loading_days
from analytics_dagster.defs.previews import markdown_table
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.quality.gate import Hold, run_gate
from analytics_dagster.schemas.event_files import load_event_contracts

PLATFORM_FAULT_SHARE = 0.3  # of a day's tenants


@dg.asset(
    group_name="quality",
    owners=OWNERS,
    kinds={"greatexpectations", "postgres"},
    partitions_def=loading_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_events],
    check_specs=[
        dg.AssetCheckSpec(
            "no_tenant_is_held",
            asset="quality_gate",
            description="A held tenant keeps its last good marts; the others move on.",
        ),
        dg.AssetCheckSpec(
            "the_platform_is_sound",
            asset="quality_gate",
            blocking=True,
            description=f"Not more than {PLATFORM_FAULT_SHARE:.0%} of a day's tenants are held: more is no tenant's "
            "fault, and nothing is built.",
        ),
    ],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=48), warn_window=timedelta(hours=30)),
)
def quality_gate(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Great Expectations judges each tenant's load; a tenant that fails a critical expectation is held back alone."""
    days = [day_of(key) for key in context.partition_keys]
    registry = load_event_contracts(warehouse.settings.events_dir)
    report = run_gate(
        warehouse.url,
        warehouse.settings.expectations_dir,
        days,
        run_id=context.run_id,
        declared={contract.event_name for contract in registry.contracts},
    )
    faults = report.platform_faults(PLATFORM_FAULT_SHARE)
    held = markdown_table(Hold, report.holds)
    return dg.MaterializeResult(
        metadata={"judged loads": report.judged, "held loads": len(report.holds), "held": held},
        check_results=[
            dg.AssetCheckResult(
                check_name="no_tenant_is_held",
                passed=not report.holds,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"held": held},
            ),
            dg.AssetCheckResult(
                check_name="the_platform_is_sound",
                passed=not faults,
                metadata={"days": [day.isoformat() for day in faults]},
            ),
        ],
    )
