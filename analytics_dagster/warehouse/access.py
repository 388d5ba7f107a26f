"""Which PostgreSQL this process works with: somebody's own by its URL, or the embedded one.

Asking for the URL of the embedded server starts it and keeps it up for the life of this process.
"""

import os
import threading
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse.connection import connect, place
from analytics_dagster.warehouse.embedded.server import EmbeddedServer
from analytics_dagster.warehouse.embedded.status import ServerStatus, embedded_status
from analytics_dagster.warehouse.url import WarehouseUrl

_servers: dict[Path, EmbeddedServer] = {}
_guard = threading.Lock()


def warehouse_url(settings: Settings) -> WarehouseUrl:
    """The address of the warehouse. Cheap to ask again, and asking again brings a lost server back."""
    # libpq would follow it instead of any host that it is given, in every library and child process
    os.environ.pop("PGHOSTADDR", None)
    if settings.warehouse_url is not None:
        return WarehouseUrl.parse(settings.warehouse_url.get_secret_value())
    home = settings.embedded_data_dir
    with _guard:
        server = _servers.setdefault(home, EmbeddedServer(home, port=settings.embedded_port))
        return server.acquire()


def keep_across_exec() -> None:
    """Before this process becomes another program: the embedded server stays up for that one, too."""
    for server in _servers.values():
        server.keep_across_exec()


def server_status(settings: Settings) -> ServerStatus:
    """What is known about the warehouse's server without starting it."""
    if settings.warehouse_url is None:
        return embedded_status(settings.embedded_data_dir)
    url = WarehouseUrl.parse(settings.warehouse_url.get_secret_value())
    try:
        with connect(url) as connection:
            size = connection.execute("select pg_database_size(current_database())").fetchone()
            number = connection.info.server_version
    except AnalyticsError as error:
        return ServerStatus(running=False, embedded=False, where=place(url), problem=str(error))
    return ServerStatus(
        running=True,
        embedded=False,
        where=place(url),
        version=f"{number // 10_000}.{number % 10_000}",
        size_bytes=size[0] if size else None,
        port=url.port,
    )


def _after_fork() -> None:
    # a child inherits the leases, but a lock that another thread of its parent held would never open
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
