"""Connections to the warehouse, and what is said when there is none.

Every other module asks here and does not know whether the server is embedded or somebody's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import ConnStatus

from analytics_dagster.errors import WarehouseError, WarehouseUnreachableError
from analytics_dagster.warehouse.url import WarehouseUrl

OLDEST_VERSION = 150_000


@contextmanager
def connect(url: WarehouseUrl, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """A connection in UTC: committed when the block ends well, rolled back when it raises."""
    with _open(url, autocommit=autocommit) as connection:
        if connection.info.server_version < OLDEST_VERSION:
            raise WarehouseError(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old",
                where=place(url),
                remedy="use PostgreSQL 15 or newer, or unset ANALYTICS_WAREHOUSE_URL for the embedded one",
            )
        yield connection


def place(url: WarehouseUrl) -> str:
    """Where a server is, without its password."""
    return f"{url.user}@{url.host}:{url.port}/{url.database}"


def _open(url: WarehouseUrl, *, autocommit: bool) -> psycopg.Connection:
    try:
        return psycopg.connect(
            url.conninfo(
                application_name="analytics-dagster",
                connect_timeout="10",
                # a query of a killed client would otherwise go on and hold its locks
                options="-c timezone=UTC -c client_connection_check_interval=2s",
            ),
            autocommit=autocommit,
        )
    except psycopg.OperationalError as error:
        raise _explained(error, url) from None


def _explained(error: psycopg.OperationalError, url: WarehouseUrl) -> Exception:
    message = str(error).strip()
    refused_by_server = error.pgconn is not None and (
        error.pgconn.status == ConnStatus.BAD and "FATAL" in message
    )
    if refused_by_server and "starting up" not in message and "shutting down" not in message:
        return WarehouseError(
            f"PostgreSQL refuses the login: {message.rsplit('FATAL:', 1)[-1].strip()}",
            where=place(url),
            remedy="check user, password and database in ANALYTICS_WAREHOUSE_URL",
        )
    return WarehouseUnreachableError(
        "PostgreSQL does not answer",
        where=place(url),
        remedy=f"start it, or correct ANALYTICS_WAREHOUSE_URL. The driver says: {message.splitlines()[0]}",
    )
