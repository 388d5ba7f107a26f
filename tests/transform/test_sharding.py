"""The warehouse in a database with the extension citus: what is placed where, and that the marts are the same.

Without Citus, an extension of the same name stands in (tests/citus_stand_in): it records what it is asked, refuses
what Citus refuses, and leaves the data where they are. With ANALYTICS_CITUS_URL the same steps run on Citus itself.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from histories import LOADS, TENANTS, computed, declare, history, load, register, stored
from psycopg import sql

from analytics_dagster import deployment
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.transform import build, clear_scope, prepare, write_scope
from analytics_dagster.warehouse import WarehouseUrl, connect, ensure_tenant_role, migrate

STAND_IN = PROJECT_ROOT / "tests" / "citus_stand_in"
OURS = ("platform", "tenancy", "raw", "quality", "pipeline", "staging", "intermediate", "marts", "ml", "billing",
        "compliance", "dagster", "mlflow")  # fmt: skip
TABLES = """
select pg_class.oid::regclass::text, pipeline.placement_of(pg_class.oid)
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p') and nspname = any(%s)
"""
WITHOUT_TENANT = """
select indexrelid::regclass::text from pg_index
where indisunique and pipeline.placement_of(indrelid) = 'by tenant' and not exists (
    select from pg_attribute
    where attrelid = indrelid and attnum = any(indkey::smallint[]) and attname = 'tenant_id' and attnotnull
)
"""
REFERENCES = """
select conrelid::regclass::text || ' -> ' || confrelid::regclass from pg_constraint
where contype = 'f' and (
    pipeline.placement_of(confrelid) = 'by tenant'
    or pipeline.placement_of(conrelid) <> 'local' and pipeline.placement_of(confrelid) <> 'reference'
)
"""
PLACED = "select logicalrelid::text, partmethod::text, repmodel::text from pg_dist_partition"


def stand_in_for_citus(server: WarehouseUrl, database: str) -> None:
    with connect(replace(server, database=database)) as connection:
        connection.execute("select set_config('extension_control_path', %s, false)", [f"{STAND_IN}:$system"])
        connection.execute("create extension citus")


def of_placement(connection: psycopg.Connection, placement: str) -> set[str]:
    return {table for table, decided in connection.execute(TABLES, [list(OURS)]) if decided == placement}


@pytest.fixture(scope="module")
def built(owned_warehouse: WarehouseUrl, manifest: Path) -> WarehouseUrl:
    prepare(owned_warehouse, manifest)
    return owned_warehouse


def test_every_table_is_decided_and_can_lie_there(built: WarehouseUrl) -> None:
    with connect(built) as connection:
        tables = dict(connection.execute(TABLES, [list(OURS)]).fetchall())
        undecided = sorted(table for table, decided in tables.items() if decided is None)
        assert not undecided, f"a table's migration puts its line into pipeline.placements: {undecided}"
        named = {name for (name,) in connection.execute("select relation from pipeline.placements")}
        assert {name for name in named if not name.endswith(".*")} <= tables.keys()
        assert connection.execute(WITHOUT_TENANT).fetchall() == []
        assert connection.execute(REFERENCES).fetchall() == []
        assert {"marts.kpi_daily", "raw.events", "intermediate.int_mrr_days"} <= of_placement(connection, "by tenant")


def test_without_the_extension_nothing_happens(built: WarehouseUrl) -> None:
    with connect(built) as connection:
        assert connection.execute("select * from pipeline.distribute_all()").fetchall() == []
        assert connection.execute("select pipeline.distribute('raw.events')").fetchone() == (None,)
        assert migrate(connection) == []
        (asked,) = connection.execute(
            "select pg_get_expr(polqual, polrelid) from pg_policy"
            " where polrelid = 'marts.kpi_daily'::regclass and polname = 'tenants_read_their_own'"
        ).fetchone() or ("",)
    assert "SELECT tenancy.current_tenant()" in asked


@pytest.fixture(scope="module")
def extended(built: WarehouseUrl, server: WarehouseUrl) -> WarehouseUrl:
    """The same database from here on: the tests before this one have seen it without."""
    stand_in_for_citus(server, built.database)
    return built


def test_a_running_warehouse_is_moved_by_its_next_run(extended: WarehouseUrl) -> None:
    with connect(extended) as connection:
        deployment.record(connection, "as it is")
        said = migrate(connection)
        assert "raw.events: by tenant" in said
        assert "tenancy.tenants: reference" in said
        assert said[-1] == "the tables of dbt: by the next deployment"
        assert connection.execute("select from pipeline.built_models where schema_name <> 'staging'").fetchall() == []
        assert deployment.is_due(connection, "as it is")
        assert migrate(connection) == []


@pytest.mark.parametrize("constraint", ["primary key (number)", "primary key (tenant_id, number), unique (number)"])
def test_what_could_not_lie_there_is_refused(extended: WarehouseUrl, constraint: str) -> None:
    with connect(extended) as connection:
        migrate(connection)
        connection.execute(f"create table marts.unfit (tenant_id text, number integer, {constraint})")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot create constraint"):
            connection.execute("select pipeline.distribute('marts.unfit')")
        connection.rollback()


@pytest.fixture(params=["stand-in", "citus"])
def sharded(
    request: pytest.FixtureRequest, server: WarehouseUrl, owned_warehouse: WarehouseUrl
) -> Iterator[WarehouseUrl]:
    if request.param == "stand-in":
        owner = sql.Identifier(owned_warehouse.user)
        with connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("create database sharded owner {}").format(owner))
            connection.execute(sql.SQL("grant analytics_tenants to {} with admin option").format(owner))
        stand_in_for_citus(server, "sharded")
        yield replace(server, database="sharded", user=owned_warehouse.user)
        with connect(server, autocommit=True) as connection:
            connection.execute("drop database sharded with (force)")
            connection.execute(sql.SQL("revoke analytics_tenants from {} cascade").format(owner))
        return
    address = os.environ.get("ANALYTICS_CITUS_URL")
    if not address:
        pytest.skip("ANALYTICS_CITUS_URL names no database with Citus: deploy/citus/README.md")
    url = WarehouseUrl.parse(address)
    if not url.database.endswith("_test"):
        pytest.fail(f"{url.database}: all of it is dropped, so the name of a database for tests ends in _test")
    with connect(url) as connection:
        for schema in OURS:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
    yield url


def test_a_sharded_warehouse_holds_what_any_other_does(sharded: WarehouseUrl, manifest: Path) -> None:
    events = [event for tenant in TENANTS for event in history(tenant, seed=1)]
    first, then = LOADS[:3], LOADS[3:]
    with connect(sharded) as connection:
        migrate(connection)
        register(connection, TENANTS)
        declare(connection)
        loaded = [event for event in events if event.load_day in first]
        load(connection, loaded)
    prepare(sharded, manifest)
    with connect(sharded) as connection:
        assert stored(connection) == computed(loaded)
        placed = {(table, method, model) for table, method, model in connection.execute(PLACED)}
        assert {table for table, method, _ in placed if method == "h"} == of_placement(connection, "by tenant")
        assert {table for table, _, model in placed if model == "t"} == of_placement(connection, "reference")

        load(connection, [event for event in events if event.load_day in then])
        write_scope(connection, "daily", then)
    compiled_to = manifest.parent / "run" / "compiled"
    shutil.rmtree(compiled_to, ignore_errors=True)  # of other tests, and of databases that are not sharded
    result = build(sharded, manifest, build_id="daily")
    assert {node.status for node in result.of("test")} == {"pass"}
    with connect(sharded) as connection:
        clear_scope(connection, "daily")
        assert stored(connection) == computed(events)

    # no setting of this session and no OFFSET goes to the shards
    compiled = [path.read_text() for path in compiled_to.rglob("models/**/*.sql")]
    assert [sql for sql in compiled if "current_setting" in sql or "offset 0" in sql.lower()] == []

    with connect(sharded) as connection:
        role = sql.Identifier(ensure_tenant_role(connection, "zurich"))
        connection.execute(
            sql.SQL("alter role {} login").format(role)
        )  # Citus goes to the shards as whom it is asked by
    with connect(sharded) as connection:
        connection.execute(sql.SQL("set role {}").format(role))
        for table in ("kpi_daily", "dim_users"):  # with the wall, and without
            rows = connection.execute(
                sql.SQL("select distinct tenant_id from {}").format(sql.Identifier("marts", table))
            )
            assert rows.fetchall() == [("zurich",)]
