"""The publication of a tenant: what its readers are served, with the proof that it is theirs alone.

The proof does not read policies, it uses them: it takes the tenant's role and counts what that role sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy.lifecycle import Status
from analytics_dagster.tenancy.standing import as_of, kept_back
from analytics_dagster.warehouse.roles import ensure_tenant_role

TENANT_RELATIONS = """
select c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'marts' and c.relkind in ('r', 'p', 'v', 'm')
    and has_table_privilege('analytics_tenants', c.oid, 'select')
order by c.relname
"""


class IsolationError(AnalyticsError):
    """A tenant's role sees rows that are not its own, or misses some that are."""


class NotServedError(AnalyticsError):
    """The tenant is suspended or offboarded: its readers are served nothing."""


@dataclass(frozen=True)
class Publication:
    tenant_id: str
    as_of: date | None
    row_counts: Mapping[str, int]
    held_loads: tuple[date, ...]
    waiting_loads: tuple[date, ...] = ()  # behind the first held one


def publish(connection: psycopg.Connection, tenant_id: str) -> Publication:
    """Prove the tenant's isolation over every relation that tenants can read, and record what is served."""
    _require_active(connection, tenant_id)
    relations = [name for (name,) in connection.execute(TENANT_RELATIONS)]
    if not relations:
        raise AnalyticsError("there are no marts to publish", remedy="run the daily build first")
    expected = {name: _count(connection, name, tenant_id)[0] for name in relations}
    role = ensure_tenant_role(connection, tenant_id)
    seen = {}
    with connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        for name in relations:
            seen[name] = _count(connection, name, tenant_id)
        connection.execute("reset role")
    wrong = {
        name: f"sees {own} own and {foreign} foreign rows, has {expected[name]}"
        for name, (own, foreign) in seen.items()
        if foreign or own != expected[name]
    }
    if wrong:
        raise IsolationError(
            f"the role of tenant {tenant_id} is not isolated: {wrong}",
            remedy="rebuild the named marts; their post-hook restores row-level security",
        )
    kept = kept_back(connection, tenant_id)
    publication = Publication(
        tenant_id,
        as_of(connection, tenant_id),
        expected,
        held_loads=tuple(load.load_day for load in kept if not load.waits),
        waiting_loads=tuple(load.load_day for load in kept if load.waits),
    )
    connection.execute(
        "insert into tenancy.publications (tenant_id, as_of, row_counts, foreign_rows) values (%s, %s, %s, 0)"
        " on conflict (tenant_id) do update set as_of = excluded.as_of, row_counts = excluded.row_counts,"
        " foreign_rows = 0, published_at = now()",
        [tenant_id, publication.as_of, Jsonb(dict(expected))],
    )
    return publication


def _require_active(connection: psycopg.Connection, tenant_id: str) -> None:
    """The row is kept until the end of the transaction: a suspension waits for it, and then takes it back."""
    row = connection.execute(
        "select status from tenancy.tenants where tenant_id = %s for share", [tenant_id]
    ).fetchone()
    if row and row[0] != Status.ACTIVE:
        raise NotServedError(
            f"tenant {tenant_id} is {row[0]}, so nothing is published", remedy="resume it first, if it is suspended"
        )


def _count(connection: psycopg.Connection, relation: str, tenant_id: str) -> tuple[int, int]:
    query = sql.SQL(
        "select count(*) filter (where tenant_id = {tenant}),"
        " count(*) filter (where tenant_id is distinct from {tenant}) from {relation}"
    ).format(tenant=sql.Literal(tenant_id), relation=sql.Identifier("marts", relation))
    own, foreign = connection.execute(query).fetchone() or (0, 0)
    return own, foreign
