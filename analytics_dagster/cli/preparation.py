"""What every command that works on the platform needs first: a warehouse, its tables, and dbt's manifest."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analytics_dagster.cli.console import login_name
from analytics_dagster.environment import prepare_dagster_home, process_environment
from analytics_dagster.settings import Settings, settings
from analytics_dagster.warehouse import WarehouseUrl, connect, ensure_reader_roles, migrate, warehouse_url

if TYPE_CHECKING:
    import psycopg


def prepared() -> tuple[Settings, WarehouseUrl]:
    """The settings and the address of a warehouse that answers, is migrated, and is known to child processes."""
    chosen = settings()
    url = warehouse_url(chosen)
    with connect(url) as connection:
        migrate(connection)
        ensure_reader_roles(connection)
    prepare_dagster_home(chosen)
    if chosen.landing_dir == chosen.state_dir / "landing":
        chosen.landing_dir.mkdir(exist_ok=True)  # ours to make; a folder that somebody named must be there
    os.environ.update(process_environment(chosen, url))
    return chosen, url


@contextmanager
def connected() -> "Iterator[psycopg.Connection]":
    _, url = prepared()
    with connect(url) as connection:
        yield connection


def actor_at(connection: "psycopg.Connection") -> str:
    """Who works here, for the record: in a container without users, the user of the database."""
    return login_name() or connection.info.user
