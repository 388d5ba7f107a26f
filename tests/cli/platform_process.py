"""The real command line in processes of its own, on a state folder of its own."""

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from analytics_dagster.sample import Ledger, load_ledger
from analytics_dagster.settings import Settings, load_settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect

PROGRAM = Path(sys.executable).with_name("analytics-dagster")
TRACEBACK = "Traceback (most recent call last)"
PATIENCE = 90  # seconds
SERVER_PORTS = range(20_000, 32_000)  # no system gives these to clients


def environment(**variables: str) -> dict[str, str]:
    """This process's, without the settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("ANALYTICS_")}
    return inherited | {f"ANALYTICS_{name}": value for name, value in variables.items()}


def cli(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def until(condition, process=None, log=None):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        ended = process is not None and process.poll() is not None
        assert not ended, log.read_text()
        assert time.monotonic() < deadline, log.read_text() if log else "still not so"
        time.sleep(0.1)
    return found


def taken_port() -> socket.socket:
    """A listener on a port that clients are not given: who asks one of those before its server listens
    can be connected to itself, and then hears its own question and keeps the server from listening.
    """
    for port in random.sample(SERVER_PORTS, len(SERVER_PORTS)):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise AssertionError("no port is free")


def server_port() -> int:
    with taken_port() as free:
        return free.getsockname()[1]


def answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - our own address
        return answer.status == 200
    return False


@dataclass
class Platform:
    state: Path
    variables: dict[str, str]

    def cli(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return cli(*arguments, **self.variables | variables)

    def json(self, *arguments: str) -> Any:
        done = self.cli(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @cached_property
    def settings(self) -> Settings:
        return load_settings(state_dir=self.state, embedded_port=0)

    @cached_property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.settings.embedded_data_dir, port=0)

    @property
    def url(self) -> WarehouseUrl:
        return self.server.acquire()

    @cached_property
    def ledger(self) -> Ledger:
        return load_ledger(self.state / "sample")

    def rows(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with connect(self.url) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def tables(self) -> dict[str, list[str]]:
        """Every row of every table of ours, without the moments at which it was written."""
        with connect(self.url) as connection:
            return {name: contents(connection, columns) for name, columns in _columns(connection).items()}


def contents(connection: psycopg.Connection, query: str) -> list[str]:
    return [row for (row,) in connection.execute(query.encode())]


def _columns(connection: psycopg.Connection) -> dict[str, str]:
    tables = connection.execute(
        """
        select table_schema, table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)
        from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_type = 'BASE TABLE'
            and table_schema not in ('dagster', 'mlflow', 'pg_catalog', 'information_schema')
            and not (column_name ~ '_at$' and column_name not in ('occurred_at', 'started_at', 'ended_at'))
        group by table_schema, table_name
        """
    )
    return {
        f"{schema}.{table}": f'select row({columns})::text from "{schema}"."{table}" order by 1'
        for schema, table, columns in tables
    }
