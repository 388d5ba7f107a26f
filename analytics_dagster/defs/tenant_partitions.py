"""Dagster's tenant partitions follow the registry: whoever asks for them gets them as the registry says.

An offboarded tenant has none. A suspended one keeps its own, and no run is asked for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import psycopg

from analytics_dagster.defs.partitions import TENANTS
from analytics_dagster.defs.requests import RunPlan, month_runs, tenant_runs
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.warehouse import WarehouseUrl, connect, warehouse_url

LOCK = "analytics-dagster tenant partitions"


@dataclass(frozen=True)
class Followed:
    added: tuple[str, ...]
    removed: tuple[str, ...]


def follow_registry(instance: dg.DagsterInstance, connection: psycopg.Connection) -> Followed:
    """Add what is missing, in the order of registration, and remove what was offboarded; others stay as they are."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        present = set(instance.get_dynamic_partitions(TENANTS))
        registered = tenants_by_status(connection, Status.ACTIVE, Status.SUSPENDED)
        added = tuple(tenant for tenant in registered if tenant not in present)
        removed = tuple(tenant for tenant in tenants_by_status(connection, Status.OFFBOARDED) if tenant in present)
        if added:
            instance.add_dynamic_partitions(TENANTS, added)
        for tenant in removed:
            instance.delete_dynamic_partition(TENANTS, tenant)
    return Followed(added, removed)


def tenant_keys(instance: dg.DagsterInstance, connection: psycopg.Connection) -> Sequence[str]:
    """Every tenant's key as Dagster orders them, which is what ranges go by."""
    follow_registry(instance, connection)
    return instance.get_dynamic_partitions(TENANTS)


def tenant_keys_here(url: WarehouseUrl) -> Sequence[str]:
    """The same, in the instance that this process's environment names."""
    with dg.DagsterInstance.get() as instance, connect(url) as connection:
        return tenant_keys(instance, connection)


def active_tenant_runs(job: str, instance: dg.DagsterInstance, *, month: date | None = None) -> list[RunPlan]:
    """A job for all active tenants, or for a month of theirs, in as few runs as their order allows."""
    with connect(warehouse_url(settings())) as connection:
        keys = tenant_keys(instance, connection)
        active = tenants_by_status(connection, Status.ACTIVE)
    if month is None:
        return tenant_runs(job, active, keys)
    return month_runs(job, [(tenant, month) for tenant in active], keys)


def served(
    context: dg.AssetExecutionContext, connection: psycopg.Connection, tenants: Iterable[tuple[str, str]]
) -> list[str]:
    """The partition keys, of (key, tenant)s, whose tenants are active; the others say why nothing was made for them."""
    active = set(tenants_by_status(connection, Status.ACTIVE))
    kept = []
    for key, tenant in tenants:
        if tenant in active:
            kept.append(key)
        else:
            context.log.warning("tenant %s is not active: nothing is made for it", tenant)
            context.add_asset_metadata({"not made": "the tenant is not active"}, partition_key=key)
    return kept
