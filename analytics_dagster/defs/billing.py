"""The monthly billing report: one partition for each month of each tenant."""

import dagster as dg

from analytics_dagster.billing import HeldMonthError, bill
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import tenant_month_of, tenant_months
from analytics_dagster.defs.publication import tenant_marts
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.tenant_partitions import served


@dg.asset(
    group_name="reports",
    owners=OWNERS,
    kinds={"postgres", "html"},
    partitions_def=tenant_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(tenant_marts, partition_mapping=dg.MultiToSingleDimensionPartitionMapping("tenant"))],
)
def billing_report(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
    """What a tenant owes for a month: its plan's fee and the usage that was served, line by line."""
    with warehouse.connect() as connection:
        keys = served(context, connection, [(key, tenant_month_of(key)[0]) for key in context.partition_keys])
    for key in keys:
        tenant_id, month = tenant_month_of(key)
        try:
            report = bill(warehouse.url, tenant_id, month, warehouse.settings.reports_dir)
        except HeldMonthError as error:
            # the others do not wait for it; it is due again once its load is released
            context.log.warning(str(error))
            context.add_asset_metadata({"not stated": error.problem}, partition_key=key)
            continue
        context.add_asset_metadata(
            {
                "report": dg.MetadataValue.path(str(report.path)),
                "open": dg.MetadataValue.url(report.path.as_uri()),
                "total": f"{report.total} {report.currency}",
            },
            partition_key=key,
        )
