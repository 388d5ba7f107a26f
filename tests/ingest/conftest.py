"""A warehouse with two tenants, and a landing folder to put files into."""

import gzip
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count
from pathlib import Path

import psycopg
import pytest
from ingest_samples import DAY, tenant

from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import WarehouseUrl, connect


@pytest.fixture
def tenants(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    """A connection that sees what loads have committed; acme and zeta are registered."""
    with connect(warehouse, autocommit=True) as open_connection:
        register(open_connection, [tenant("acme"), tenant("zeta")])
        yield open_connection


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., Path]:
    """Puts a file into the landing folder; `.gz` in its name compresses it."""
    numbers = count()

    def put(content: bytes, name: str | None = None, tenant: str | None = "acme", day: date = DAY) -> Path:
        folder = tmp_path / "landing" / day.isoformat() / (tenant or "")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (name or f"{next(numbers):03}.ndjson")
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
        return path

    return put


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir(exist_ok=True)
    return folder
