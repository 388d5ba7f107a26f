"""Registering tenants, and with them the events that waited for it in the quarantine.

Beside the domains, because the registry knows no events and the quarantine registers nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from analytics_dagster.ingest.quarantine import ReplayReport, release_tenant
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.tenancy import Registered, register


@dataclass(frozen=True)
class Registration:
    registered: Registered
    released: Mapping[str, ReplayReport]  # by tenant, for those that are new


def register_and_release(connection: psycopg.Connection, tenants: Sequence[TenantConfiguration]) -> Registration:
    """All or nothing. A load under way is waited for when a tenant is new: it may know nothing of it yet."""
    with connection.transaction():
        registered = register(connection, tenants)
        return Registration(
            registered, {tenant_id: release_tenant(connection, tenant_id) for tenant_id in registered.added}
        )
