"""What an offboarding takes away and what it leaves behind: counted before, and counted again after it.

The rows of a tenant are found by their column tenant_id in every table that there is, so no list has to be kept.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from analytics_dagster.tenancy.profile import Access, access
from analytics_dagster.tenancy.registry import entry, unknown

# what says that the tenant existed, and is no data of it
OF_THE_REGISTRY = (
    "tenancy.tenants",
    "tenancy.tenant_history",
    "tenancy.write_keys",
    "tenancy.bi_roles",
    "tenancy.bi_login_history",
)
WITH_TENANTS = """
select n.nspname || '.' || c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and not c.relispartition
order by 1
"""


@dataclass(frozen=True)
class Scope:
    tenant_id: str
    status: str
    access: Access
    published: bool
    rows: Mapping[str, int]  # by table; only where there are any

    @property
    def is_cut_off(self) -> bool:
        """Nobody sends for it, nobody reads it, nothing is served."""
        return not (self.access.keys_in_use or self.access.role_reads or self.published)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def scope(connection: psycopg.Connection, tenant_id: str) -> Scope:
    known = entry(connection, tenant_id)
    if known is None:
        raise unknown(connection, tenant_id)
    tables = [name for (name,) in connection.execute(WITH_TENANTS.encode()) if name not in OF_THE_REGISTRY]
    counted = {table: _count(connection, table, tenant_id) for table in tables}
    published = counted.pop("tenancy.publications", 0) > 0
    return Scope(
        tenant_id=tenant_id,
        status=known.status,
        access=access(connection, tenant_id),
        published=published,
        rows={table: count for table, count in counted.items() if count},
    )


def _count(connection: psycopg.Connection, table: str, tenant_id: str) -> int:
    query = sql.SQL("select count(*) from {} where tenant_id = %s").format(sql.Identifier(*table.split(".", 1)))
    row = connection.execute(query, [tenant_id]).fetchone()
    return int(row[0]) if row else 0
