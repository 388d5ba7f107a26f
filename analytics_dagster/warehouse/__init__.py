"""PostgreSQL: the embedded server, connections, migrations, roles."""

from analytics_dagster.warehouse.connection import connect
from analytics_dagster.warehouse.migrations import migrate
from analytics_dagster.warehouse.url import WarehouseUrl

__all__ = ["WarehouseUrl", "connect", "migrate"]
