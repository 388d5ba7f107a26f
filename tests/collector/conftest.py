"""A warehouse with two tenants and their keys, a landing folder, and collectors in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_dagster.collector import create_key
from analytics_dagster.collector.landing_files import LandingFiles
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import Settings, load_settings
from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import WarehouseUrl, connect

SERVER = """
import logging, sys
from analytics_dagster.collector.server import serve
from analytics_dagster.settings import load_settings
from analytics_dagster.warehouse import warehouse_url
logging.basicConfig(stream=sys.stderr, level=logging.INFO)
chosen = load_settings()
serve(chosen, warehouse_url(chosen), on_start=lambda address: print(address, flush=True))
"""


def tenant(tenant_id: str) -> TenantConfiguration:
    fields = {"tenant_id": tenant_id, "name": tenant_id.title(), "kind": "music", "tier": "free", "region": "eu"}
    rest = {"time_zone": "Europe/Berlin", "currency": "EUR", "plan": "free"}
    return TenantConfiguration.model_validate_json(json.dumps(fields | rest))


@pytest.fixture
def tenants(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    """A connection that sees what others have committed; acme and zeta are registered."""
    with connect(warehouse, autocommit=True) as open_connection:
        register(open_connection, [tenant("acme"), tenant("zeta")])
        yield open_connection


@pytest.fixture
def key(tenants: psycopg.Connection) -> str:
    return create_key(tenants, "acme")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "state" / "landing"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def chosen(landing: Path) -> Settings:
    return load_settings(state_dir=landing.parent, collector_port=0, collector_refresh_seconds=0.1)


@pytest.fixture
def files(landing: Path) -> Iterator[LandingFiles]:
    made = LandingFiles(landing, rotate_bytes=1 << 20, rotate_seconds=3600)
    yield made
    made.close()


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def end(self, signal_number: int) -> str:
        """Its log."""
        self.process.send_signal(signal_number)
        return self.process.communicate(timeout=30)[1]


@pytest.fixture
def start(tmp_path: Path, warehouse: WarehouseUrl) -> Iterator[Callable[..., Running]]:
    """Starts a collector as a process of its own; `prefix` are the words before Python's."""
    started: list[subprocess.Popen[str]] = []

    def begin(*prefix: str, **settings: Any) -> Running:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")}
        environment |= {
            "ANALYTICS_STATE_DIR": str(tmp_path / "state"),
            "ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True),
            "ANALYTICS_COLLECTOR_PORT": "0",
            **{f"ANALYTICS_COLLECTOR_{name.upper()}": str(value) for name, value in settings.items()},
        }
        process = subprocess.Popen(
            [*prefix, sys.executable, "-c", SERVER],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        address = process.stdout.readline()
        assert address, process.communicate()[1]
        return Running(process, int(address.rsplit(":", 1)[1]))

    yield begin
    for process in started:
        process.kill()
        process.communicate()
