"""A mart as dbt's post-hook leaves it, with rows of two tenants, for tests that look at it as a reader."""

import psycopg
from psycopg import sql
from tenancy_samples import tenant

ROWS = {"acme": 300, "beta": 500}
WALLED = (
    "(select jsonb_build_object(coalesce(tenancy.current_tenant(), ''), true))[tenant_id] is not null"
    " and tenant_id = (select tenancy.current_tenant())"
)
COLUMNS = (
    "tenant_id text not null, user_id text not null, day date not null, revenue numeric(38, 6) not null,"
    " note text not null"
)


def register(connection: psycopg.Connection, tenant_id: str) -> None:
    connection.execute(
        "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
        " values (%s, 'T', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', %s)",
        [tenant_id, tenant(tenant_id=tenant_id, kind="shop").model_dump_json()],
    )


def isolate(connection: psycopg.Connection, name: str) -> None:
    """What dbt_project/macros/isolate_tenants.sql does; that it does so is seen in tests/transform."""
    table = sql.Identifier("marts", name)
    connection.execute(
        sql.SQL(
            "alter table {0} alter column tenant_id set statistics 1, alter column user_id set statistics 1,"
            " alter column note set statistics 1;"
            "alter table {0} enable row level security; alter table {0} force row level security;"
            "create policy owner_writes_all on {0} to current_user using (true) with check (true);"
            "create policy analysts_read_all on {0} for select to analytics_analyst using (true);"
            "create policy tenants_read_their_own on {0} for select to analytics_tenants"
            " using (" + WALLED + ");"
            "grant select on {0} to analytics_tenants;"
            "grant select (tenant_id, day, revenue, note) on {0} to analytics_analyst"
        ).format(table)
    )


def make_marts(connection: psycopg.Connection) -> None:
    """marts.orders with rows of every tenant of ROWS; what is beta's holds the word beta."""
    for tenant_id in ROWS:
        register(connection, tenant_id)
    connection.execute(f"create table marts.orders ({COLUMNS}, primary key (tenant_id, user_id))")
    isolate(connection, "orders")
    for tenant_id, rows in ROWS.items():
        connection.execute(
            "insert into marts.orders select %(tenant)s, 'user of ' || %(tenant)s || ' ' || n, date '2026-01-01' + n,"
            " n, 'note of ' || %(tenant)s from generate_series(1, %(rows)s) as n",
            {"tenant": tenant_id, "rows": rows},
        )
    connection.execute("analyze marts.orders")
