"""What each tenant is served: one partition for each tenant, so one can be held, re-run or moved alone."""

from datetime import timedelta

import dagster as dg

from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import tenants
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.transform import marts_keys
from analytics_dagster.tenancy.publication import NotServedError, publish


@dg.asset(
    group_name="publication",
    owners=OWNERS,
    kinds={"postgres"},
    partitions_def=tenants,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in marts_keys()],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=48), warn_window=timedelta(hours=30)),
)
def tenant_marts(context: dg.AssetExecutionContext, warehouse: Warehouse) -> None:
    """A tenant's marts, published: its own role sees all of its rows and none of anybody else's."""
    for tenant_id in context.partition_keys:
        try:
            with warehouse.connect() as connection:
                publication = publish(connection, tenant_id)
        except NotServedError as error:
            # suspended since this run was asked for: the others do not wait for it
            context.log.warning(str(error))
            context.add_asset_metadata({"not published": error.problem}, partition_key=tenant_id)
            continue
        context.add_asset_metadata(
            {
                "as of": str(publication.as_of),
                "held loads": [day.isoformat() for day in publication.held_loads],
                "foreign rows": 0,
                "dagster/partition_row_count": sum(publication.row_counts.values()),
                **{f"rows of {name}": count for name, count in publication.row_counts.items()},
            },
            partition_key=tenant_id,
        )
