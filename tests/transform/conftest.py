"""A database owned by an ordinary user, as on somebody's own server: row-level security binds its owner too."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from analytics_dagster.settings import Settings, load_settings
from analytics_dagster.transform import ensure_manifest
from analytics_dagster.warehouse import WarehouseUrl, connect, migrate

OWNER = "transform_owner"


@pytest.fixture(scope="session")
def dbt_settings(tmp_path_factory: pytest.TempPathFactory, parsed_dbt: Callable[[Path], None]) -> Settings:
    state = tmp_path_factory.mktemp("state")
    parsed_dbt(state)
    return load_settings(state_dir=state)


@pytest.fixture(scope="session")
def manifest(dbt_settings: Settings) -> Path:
    return ensure_manifest(dbt_settings)


@pytest.fixture(scope="module")
def owned_warehouse(server: WarehouseUrl, template: str, request: pytest.FixtureRequest) -> Iterator[WarehouseUrl]:  # noqa: ARG001 - the template makes the roles of the server
    name = f"transform_{request.module.__name__}"
    with connect(server, autocommit=True) as connection:
        if not connection.execute("select from pg_roles where rolname = %s", [OWNER]).rowcount:
            connection.execute(f"create role {OWNER} login createrole")
        connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(OWNER)))
    url = replace(server, database=name, user=OWNER)
    with connect(url) as connection:
        migrate(connection)
    yield url
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
