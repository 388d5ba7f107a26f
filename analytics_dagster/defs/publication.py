"""What each tenant is served: one partition for each tenant, so one can be held, re-run or moved alone."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import tenants
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.transform import marts_keys
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.marts_gate import MartsReport, judge_marts
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.tenancy.proof import MOST, prove, sample
from analytics_dagster.tenancy.publication import NotServedError, publish
from analytics_dagster.tenancy.reach import broken_rules
from analytics_dagster.warehouse.open_doors import open_doors


class PlatformFaultError(AnalyticsError):
    """More tenants fail than can be the tenants' fault."""


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
    """A tenant's marts, published: its own role sees all of its rows and none of anybody else's.

    Whose marts fail what is critical keeps the last publication, and is built without its last load.
    """
    report = _judged(context, warehouse)
    for tenant_id in context.partition_keys:
        if tenant_id in report.refused:
            reasons = list(report.refused[tenant_id])
            context.log.warning("the marts of %s are not published: %s", tenant_id, "; ".join(reasons))
            context.add_asset_metadata({"not published": reasons}, partition_key=tenant_id)
            continue
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
                "waiting loads": [day.isoformat() for day in publication.waiting_loads],
                "foreign rows": 0,
                "dagster/partition_row_count": sum(publication.row_counts.values()),
                **{f"rows of {name}": count for name, count in publication.row_counts.items()},
            },
            partition_key=tenant_id,
        )


def _judged(context: dg.AssetExecutionContext, warehouse: Warehouse) -> MartsReport:
    with warehouse.connect() as connection:
        active = set(tenants_by_status(connection, Status.ACTIVE))
    report = judge_marts(
        warehouse.url,
        warehouse.settings.expectations_dir,
        [tenant for tenant in context.partition_keys if tenant in active],
        run_id=context.run.run_id,
        fault_share=warehouse.settings.platform_fault_share,
    )
    if report.platform_fault:
        raise PlatformFaultError(
            f"the marts of {len(report.refused)} of {report.judged} tenants fail: that is no tenant's fault",
            where=", ".join(f"{tenant}: {'; '.join(why)}" for tenant, why in report.refused.items()),
            remedy="look at what they have in common, such as the last change of a model; nothing was published",
        )
    return report


@dg.asset_check(
    asset=tenant_marts,
    blocking=True,
    description=f"Logs in as a reader of each tenant (of up to {MOST}, others each day), looks at every table and view"
    " that it can reach, and finds nobody else's rows.",
)
def readers_see_only_their_own(warehouse: Warehouse) -> dg.AssetCheckResult:
    with warehouse.connect() as connection:
        active = list(tenants_by_status(connection, Status.ACTIVE))
    proof = prove(warehouse.url, sample(active, datetime.now(UTC).date()))
    return dg.AssetCheckResult(
        passed=not proof.problems,
        metadata={
            "problems": list(proof.problems),
            "tenants": list(proof.tenants),
            "relations": list(proof.relations),
            "relations with own rows": proof.with_rows,
        },
    )


@dg.asset_check(
    asset=tenant_marts,
    blocking=True,
    description="By the catalogue: what a tenant can reach has a tenant_id, row-level security that is FORCEd, and only"
    " indexes that begin with the tenant; no view with its owner's rights, materialized view or SECURITY DEFINER"
    " function; and no personal column for the analyst.",
)
def nothing_goes_around_the_rules(warehouse: Warehouse) -> dg.AssetCheckResult:
    with warehouse.connect() as connection:
        broken = broken_rules(connection)
        doors = open_doors(connection)
    return dg.AssetCheckResult(
        passed=not broken, metadata={"broken rules": broken, "open doors": [str(door) for door in doors]}
    )
