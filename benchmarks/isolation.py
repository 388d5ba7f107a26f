"""The proof of isolation: how long it takes to log in as a reader of every tenant and look at all that it can reach.

    .venv/bin/python benchmarks/isolation.py [tenants] [relations] [rows of each tenant in each relation]

The marts have the policies, the key and the rights that dbt gives them.
"""

import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from analytics_dagster.tenancy.proof import prove
from analytics_dagster.tenancy.reach import broken_rules
from analytics_dagster.warehouse import EmbeddedServer, connect, migrate

MOST_SECONDS = 10.0
ISOLATED = """
alter table {table} enable row level security;
alter table {table} force row level security;
create policy owner_writes_all on {table} to current_user using (true) with check (true);
create policy tenants_read_their_own on {table} for select to analytics_tenants
    using (tenant_id = (select tenancy.current_tenant()));
grant select on {table} to analytics_tenants
"""


def main() -> int:
    given = [int(word) for word in sys.argv[1:]]
    tenants, relations, rows = given + [50, 50, 2_000][len(given) :]
    names = [f"tenant-{number:03}" for number in range(tenants)]
    with tempfile.TemporaryDirectory(prefix="analytics-isolation-") as folder:
        server = EmbeddedServer(Path(folder) / "warehouse", port=0, linger=0)
        with server as url:
            with connect(url) as connection:
                migrate(connection)
                _fill(connection, names, relations, rows)
            started = time.perf_counter()
            proof = prove(url, names)
            seconds = time.perf_counter() - started
            with connect(url) as connection:
                started = time.perf_counter()
                broken = broken_rules(connection)
                by_catalogue = time.perf_counter() - started
        server.wait_until_stopped()
    assert not proof.problems, proof.problems
    assert not broken, broken
    assert proof.with_rows == (relations + 1) * tenants, "every login saw rows in every relation"
    print(f"{tenants} tenants, {relations} relations, {tenants * relations * rows:,} rows")
    print(f"logged in as each            {seconds:6.2f} s   at most {MOST_SECONDS:.0f} s for 50 tenants")
    print(f"asked the catalogue          {by_catalogue:6.2f} s")
    return 0 if seconds <= MOST_SECONDS else 1


def _fill(connection: psycopg.Connection, tenants: list[str], relations: int, rows: int) -> None:
    for tenant_id in tenants:
        connection.execute(
            "insert into tenancy.tenants"
            " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
            " values (%s, 'T', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
            [tenant_id],
        )
    for number in range(relations):
        table = sql.Identifier("marts", f"mart_{number:02}")
        connection.execute(sql.SQL("create table {} (tenant_id text not null, n integer not null)").format(table))
        connection.execute(
            sql.SQL("insert into {} select t, n from unnest(%s::text[]) as t, generate_series(1, %s) as n").format(
                table
            ),
            [tenants, rows],
        )
        connection.execute(sql.SQL("alter table {} add primary key (tenant_id, n)").format(table))
        connection.execute(sql.SQL(ISOLATED).format(table=table))
        connection.execute(sql.SQL("analyze {}").format(table))


if __name__ == "__main__":
    sys.exit(main())
