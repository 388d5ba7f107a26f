"""The code location in this process, and platforms for it: each a database of its own with a real Dagster instance.

Partitions begin where the settings said when they were first imported, so that happens here, with settings of ours.
"""

import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
import small_day
from psycopg import sql

from analytics_dagster.environment import prepare_dagster_home, process_environment
from analytics_dagster.settings import Settings, settings
from analytics_dagster.warehouse import WarehouseUrl, connect

FIRST_DAY = "2026-02-27"
DEPLOYED = "template_deployed"
_numbers = itertools.count()

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("ANALYTICS_FIRST_DAY", FIRST_DAY)
    settings.cache_clear()
    from analytics_dagster.defs.partitions import loading_days
settings.cache_clear()


@dataclass
class Platform:
    url: WarehouseUrl
    settings: Settings
    instance: dg.DagsterInstance
    messages: list[dict[str, Any]] = field(default_factory=list)

    def land(self, *arguments: Any, **named: Any) -> None:
        small_day.land(self.settings.landing_dir, *arguments, tenants_dir=self.settings.tenants_dir, **named)

    def run_all(self) -> bool:
        return self._launch("run_all")

    def deploy(self) -> bool:
        return self._launch("deploy")

    def backfill(self, first: date, last: date, *tenants: str) -> bool:
        return self._launch("backfill", first, last, tenants)

    def _launch(self, what: str, *words: object) -> bool:
        from analytics_dagster.defs.launch import Launcher

        reading, writing = os.pipe()
        try:
            done = getattr(Launcher(self.instance, self.url, self.settings, writing), what)(*words)
        finally:
            os.close(writing)
            with os.fdopen(reading) as pipe:
                self.messages = [json.loads(line) for line in pipe]
        return bool(done)

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["kind"] == kind]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with connect(self.url) as connection:
            connection.execute(statement.encode())

    def materialized(self, *key: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(key)))


@pytest.fixture(scope="session")
def code_location(tmp_path_factory: pytest.TempPathFactory, parsed_dbt: Callable[[Path], None]) -> ModuleType:
    """`analytics_dagster.definitions`, with the manifest of dbt in a folder of the test's."""
    assert loading_days.start.date().isoformat() == FIRST_DAY, "partitions were imported before their settings"
    state = tmp_path_factory.mktemp("code location")
    parsed_dbt(state)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("ANALYTICS_STATE_DIR", str(state))
        settings.cache_clear()
        # as in a process of its own, where the package excuses what it uses; and a parser that dagster-dbt brings along
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.filterwarnings("ignore", "sqlglotrs is deprecated", DeprecationWarning)
        import analytics_dagster.definitions
    settings.cache_clear()
    return analytics_dagster.definitions


@pytest.fixture(scope="session")
def deployed(
    server: WarehouseUrl, template: str, code_location: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A database in which the tenants are registered and the empty marts stand, to copy from."""
    del code_location
    _create(server, DEPLOYED, template)
    with (
        pytest.MonkeyPatch.context() as patch,
        _opened(replace(server, database=DEPLOYED), tmp_path_factory.mktemp("deploy"), patch) as platform,
    ):
        assert platform.deploy(), platform.messages
    with connect(server, autocommit=True) as connection:
        # the launcher keeps its connections, and nobody may copy a database that is in use
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [DEPLOYED])
    return DEPLOYED


@pytest.fixture
def platform(
    server: WarehouseUrl, deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """A deployed platform without any data."""
    url = replace(server, database=f"platform_{next(_numbers)}")
    _create(server, url.database, deployed)
    with _opened(url, tmp_path, monkeypatch) as opened:
        yield opened
    _drop(server, url.database)


@pytest.fixture
def instance(
    warehouse: WarehouseUrl, code_location: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance on an empty warehouse."""
    del code_location
    with _opened(warehouse, tmp_path, monkeypatch) as opened:
        yield opened.instance


@contextmanager
def _opened(url: WarehouseUrl, state: Path, patch: pytest.MonkeyPatch) -> Iterator[Platform]:
    patch.setenv("ANALYTICS_WAREHOUSE_URL", url.text())
    patch.setenv("ANALYTICS_STATE_DIR", str(state))
    patch.setenv("ANALYTICS_FIRST_DAY", FIRST_DAY)
    patch.setenv("ANALYTICS_TENANTS_DIR", str(_some_tenants(state / "tenants")))
    settings.cache_clear()
    chosen = settings()
    chosen.landing_dir.mkdir()
    prepare_dagster_home(chosen)
    for name, value in process_environment(chosen, url).items():
        patch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield Platform(url, chosen, instance)
    settings.cache_clear()


def _some_tenants(folder: Path) -> Path:
    folder.mkdir()
    for tenant_id in small_day.SOME_TENANTS:
        shutil.copy(small_day.ALL_TENANTS / f"{tenant_id}.yaml", folder)
    return folder


def _create(server: WarehouseUrl, name: str, template: str) -> None:
    statement = sql.SQL("create database {} template {} strategy file_copy").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    with connect(server, autocommit=True) as connection:
        connection.execute(statement)


def _drop(server: WarehouseUrl, name: str) -> None:
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
