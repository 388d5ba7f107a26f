"""Connections to the warehouse, and what is said when there is none.

Every other module asks here and does not know whether the server is embedded or somebody's own.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg

from analytics_dagster.errors import AnalyticsError, WarehouseError, WarehouseUnreachableError
from analytics_dagster.warehouse.url import WarehouseUrl

OLDEST_VERSION = 150_000
LASTING = ("FATAL:", "password supplied", "authentication", "support SSL", "certificate", "invalid sslmode")
# refusals that go by: a server on its way up or down, or one that is full
PASSING = ("starting up", "shutting down", "in recovery mode", "not yet accepting", "too many c", "connection slots")


@contextmanager
def connect(url: WarehouseUrl, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """A connection in UTC: committed when the block ends well, rolled back when it raises."""
    # closed for certain: the driver's own block leaves a connection open when its commit fails
    with closing(_open(url)) as connection, connection:
        require_supported(connection.info.server_version, where=place(url))
        _prepare(connection)
        connection.autocommit = autocommit
        yield connection


def place(url: WarehouseUrl) -> str:
    """Where a server is, without its password."""
    return f"{url.user}@{url.host}:{url.port}/{url.database}"


def require_supported(version: int, *, where: str) -> None:
    if version < OLDEST_VERSION:
        raise WarehouseError(
            f"PostgreSQL {version // 10_000} is too old",
            where=where,
            remedy="use PostgreSQL 15 or newer, or unset ANALYTICS_WAREHOUSE_URL for the embedded one",
        )


def _open(url: WarehouseUrl) -> psycopg.Connection:
    asked = {"application_name": "analytics-dagster", "connect_timeout": "10"} | dict(url.parameters)
    try:
        return psycopg.connect(url.conninfo(**asked), autocommit=True)
    except psycopg.OperationalError as error:
        raise explained(str(error), url) from None


def _prepare(connection: psycopg.Connection) -> None:
    # not as start-up options: a server that does not know one refuses the login, and poolers refuse them all
    connection.execute("set timezone to 'UTC'")
    # the query of a killed client would otherwise go on and hold its locks; not every platform can look
    with suppress(psycopg.errors.InvalidParameterValue):
        connection.execute("set client_connection_check_interval to '2s'")


def explained(message: str, url: WarehouseUrl) -> AnalyticsError:
    """What the driver said about a failed login: permanent, or worth a retry."""
    said = message.strip() or "nothing"
    if any(sign in said for sign in LASTING) and not any(sign in said for sign in PASSING):
        return WarehouseError(
            f"PostgreSQL refuses the login: {said.splitlines()[-1].rsplit('FATAL:', 1)[-1].strip()}",
            where=place(url),
            remedy="check user, password and database in ANALYTICS_WAREHOUSE_URL",
        )
    return WarehouseUnreachableError(
        "PostgreSQL does not answer",
        where=place(url),
        remedy=f"start it, or correct ANALYTICS_WAREHOUSE_URL. The driver says: {said.splitlines()[0]}",
    )
