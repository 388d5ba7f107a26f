"""The tenant registry as an asset; the tenant partitions follow it."""

import dagster as dg

from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.previews import markdown_table
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.tenant_partitions import follow_registry
from analytics_dagster.registration import deploy_experiments, deploy_funnels, register_files
from analytics_dagster.tenancy import Change, load_tenant_files


@dg.asset(group_name="registry", owners=OWNERS, kinds={"postgres", "yaml"})
def tenants(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Who the tenants are: one file each in `tenants/`, or added by a command; with a database role and a partition."""
    configurations = load_tenant_files(warehouse.settings.tenants_dir)
    with warehouse.connect() as connection:
        registration = register_files(connection, configurations)
        funnels = deploy_funnels(connection, warehouse.settings.funnels_dir)
        experiments = deploy_experiments(connection, warehouse.settings.experiments_dir)
    registered = registration.registered
    for tenant_id in registered.taken_over:
        context.log.warning("%s was added by a command; from now on its file says what it is", tenant_id)
    with warehouse.connect() as connection:
        followed = follow_registry(context.instance, connection)
    return dg.MaterializeResult(
        metadata={
            "files": len(configurations),
            "funnels": funnels,
            "experiments": experiments,
            "added": list(registered.added),
            "taken over by a file": list(registered.taken_over),
            "changes": markdown_table(Change, registered.changes),
            "events released from the quarantine": registration.released_events,
            "new partitions": list(followed.added),
            "removed partitions": list(followed.removed),
        }
    )
