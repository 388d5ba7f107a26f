"""One embedded PostgreSQL for the whole test process; a template database makes a fresh one cheap."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import sql
from unmeasured import unmeasured
from xdist.scheduler import LoadScopeScheduling

from analytics_dagster.settings import load_settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect, migrate

_numbers = itertools.count()

# How busy the machine is says nothing about the code.
hypothesis.settings.register_profile("unhurried", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

# Modules that share a platform whose making takes half a minute, or whose tests are steps of one history: all of
# a name run in one worker, in their order.
SHARED = {
    "tests/cli/test_end_to_end.py": "end to end",
    "tests/cli/test_cli_commands.py": "end to end",
    "tests/cli/test_bi_tools.py": "end to end",
    "tests/cli/test_grafana.py": "end to end",
    "tests/cli/test_marts_are_the_truth.py": "end to end",
    "tests/cli/test_spreadsheet.py": "end to end",
    "tests/cli/test_superset.py": "end to end",
    "tests/cli/test_ui.py": "end to end",
    "tests/test_crashes.py": "crashes",
    "tests/transform/test_holds.py": "holds",
    "tests/transform/test_marts.py": "marts",
    "tests/transform/test_semantic_layer.py": "metrics",
    "tests/transform/test_sharding.py": "sharding",
}


class BySharedPlatform(LoadScopeScheduling):
    """As `--dist load`, but for SHARED, which come first. (xdist_group does nothing under pytest 9.2: xdist writes
    the group into a node's id, which is read-only now.)"""

    def _split_scope(self, nodeid: str) -> str:
        return SHARED.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return BySharedPlatform(config, log)


@pytest.fixture(scope="session")
def server() -> Iterator[WarehouseUrl]:
    with tempfile.TemporaryDirectory() as folder:
        embedded = EmbeddedServer(Path(folder) / "warehouse", port=0, durable=False, linger=0)
        with embedded as url:
            yield url
        assert embedded.wait_until_stopped()


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


@pytest.fixture(scope="session")
def parsed_dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], None]]:
    """Puts the parsed dbt project into a state folder; it is parsed once for all workers of the run. From then on,
    dbt's own lines are not measured in this process."""
    from dbt.cli.main import dbtRunner
    from dbt_common.behavior_flags import BehaviorFlagRendered

    from analytics_dagster.transform import ensure_manifest

    own = tmp_path_factory.getbasetemp()
    of_all_workers = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbtRunner, "invoke", unmeasured(dbtRunner.invoke))
        # which module a flag is from, for a message: found by reading the source of each frame, and below a test
        # stand so many that it takes a second of each call
        patch.setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt.adapters"))
        manifest = ensure_manifest(load_settings(state_dir=of_all_workers / "parsed dbt"))

        def put_into(state: Path) -> None:
            (state / "dbt").mkdir(parents=True)
            for file in (manifest, manifest.with_suffix(".fingerprint")):
                shutil.copy(file, state / "dbt")

        yield put_into


@pytest.fixture
def connection(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    with connect(warehouse) as open_connection:
        yield open_connection


def _create_database(server: WarehouseUrl, name: str, template: str) -> None:
    with connect(server, autocommit=True) as connection:
        # copying files takes half the time of writing each page to the log, for so small a database
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
