"""The monthly compliance report: evidence of how a tenant's data was kept, for each month of each tenant."""

import dagster as dg

from analytics_dagster.compliance import report
from analytics_dagster.defs.billing import billing_report
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import tenant_month_of, tenant_months
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.run_history import last_runs
from analytics_dagster.defs.tenant_partitions import served

MOST_RUNS = 200


@dg.asset(
    group_name="reports",
    owners=OWNERS,
    kinds={"postgres", "html"},
    partitions_def=tenant_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[billing_report],
)
def compliance_report(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
    """Which personal data a tenant's tables hold, how much, how long, and by which runs it was made."""
    runs = last_runs(context.instance, MOST_RUNS)
    with warehouse.connect() as connection:
        keys = served(context, connection, [(key, tenant_month_of(key)[0]) for key in context.partition_keys])
    for key in keys:
        tenant_id, month = tenant_month_of(key)
        made = report(warehouse.url, tenant_id, month, runs, warehouse.settings.reports_dir)
        context.add_asset_metadata(
            {
                "report": dg.MetadataValue.path(str(made.path)),
                "open": dg.MetadataValue.url(made.path.as_uri()),
                "sha256": made.sha256,
            },
            partition_key=key,
        )
