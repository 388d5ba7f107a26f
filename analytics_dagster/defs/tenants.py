"""The tenant registry as an asset; the tenant partitions follow it."""

import dagster as dg

from analytics_dagster.billing import load_plans
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import TENANTS
from analytics_dagster.defs.previews import markdown_table
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.registration import register_and_release
from analytics_dagster.tenancy import Change, load_tenant_files
from analytics_dagster.transform import forget_models
from analytics_dagster.warehouse.roles import ensure_tenant_role


@dg.asset(group_name="registry", owners=OWNERS, kinds={"postgres", "yaml"})
def tenants(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Who the tenants are: one file each in `tenants/`, kept in the registry, with a database role and a partition."""
    configurations = load_tenant_files(warehouse.settings.tenants_dir)
    plans = load_plans()
    for tenant in configurations:
        plans.require(tenant.plan, tenant.currency, tenant_id=tenant.tenant_id)
    with warehouse.connect() as connection:
        registration = register_and_release(connection, configurations)
        for tenant in configurations:
            ensure_tenant_role(connection, tenant.tenant_id)
        if any(change.changes_the_past for change in registration.registered.changes):
            forget_models(connection)
    context.instance.add_dynamic_partitions(TENANTS, [tenant.tenant_id for tenant in configurations])
    return dg.MaterializeResult(
        metadata={
            "tenants": len(configurations),
            "added": list(registration.registered.added),
            "changes": markdown_table(Change, registration.registered.changes),
            "events released from the quarantine": sum(done.accepted for done in registration.released.values()),
        }
    )
