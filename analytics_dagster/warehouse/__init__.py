"""PostgreSQL: the embedded server, connections, migrations, roles."""

from analytics_dagster.warehouse.access import keep_across_exec, server_status, warehouse_url
from analytics_dagster.warehouse.connection import connect
from analytics_dagster.warehouse.embedded.server import EmbeddedServer
from analytics_dagster.warehouse.embedded.status import ServerStatus
from analytics_dagster.warehouse.migrations import migrate
from analytics_dagster.warehouse.roles import ensure_reader_roles, ensure_tenant_role, tenant_role
from analytics_dagster.warehouse.url import WarehouseUrl

__all__ = [
    "EmbeddedServer",
    "ServerStatus",
    "WarehouseUrl",
    "connect",
    "ensure_reader_roles",
    "ensure_tenant_role",
    "keep_across_exec",
    "migrate",
    "server_status",
    "tenant_role",
    "warehouse_url",
]
