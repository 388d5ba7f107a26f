"""Runs the collector: keys and left-over files first, then requests, until SIGTERM; then everything is drained."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from analytics_dagster.collector.app import Collector
from analytics_dagster.collector.bodies import BODY_SECONDS, BodyReader
from analytics_dagster.collector.group_commit import GroupCommit
from analytics_dagster.collector.keys import KeyRing, usable_keys
from analytics_dagster.collector.landing_files import LandingFiles, recover
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import WarehouseUrl, connect

HEADER_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 75
DRAIN_SECONDS = int(BODY_SECONDS) + 5
BACKLOG = 1024

log = logging.getLogger(__name__)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn waits for ever for a connection's first request; this one gives it a while."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEADER_SECONDS, transport.close)

    def on_headers_complete(self) -> None:
        self._patience.cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)


def serve(
    chosen: Settings, warehouse: WarehouseUrl, files: LandingFiles | None = None, *, on_start: Callable[[str], Any]
) -> None:
    """Until SIGTERM or Ctrl-C. `on_start` is told the address when requests are taken."""
    listening = _listen(chosen.collector_host, chosen.collector_port)
    with listening:
        keys = KeyRing(lambda: _read_keys(warehouse), chosen.collector_events_per_second)
        keys.refresh()
        chosen.landing_dir.mkdir(parents=True, exist_ok=True)
        left = recover(chosen.landing_dir)
        if left:
            log.info("finished %s landing files that another collector had left open", f"{left:,}")
        files = files or LandingFiles(
            chosen.landing_dir,
            rotate_bytes=chosen.collector_rotate_bytes,
            rotate_seconds=chosen.collector_rotate_seconds,
        )
        config = uvicorn.Config(
            _unmade,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            backlog=BACKLOG,
        )
        # a line for each malformed request would let anybody fill the log
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        # uvicorn raises the signal again when it has drained; the end of this process is ours to decide
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda _signal, _frame: None)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(chosen, config, listening, keys, files, on_start))


async def _serve(
    chosen: Settings,
    config: uvicorn.Config,
    listening: socket.socket,
    keys: KeyRing,
    files: LandingFiles,
    on_start: Callable[[str], Any],
) -> None:
    commits = GroupCommit(files, queue_bytes=chosen.collector_queue_bytes)
    collector = Collector(
        keys,
        commits,
        BodyReader(max_bytes=chosen.collector_max_body_bytes, budget_bytes=chosen.collector_queue_bytes),
        max_event_bytes=chosen.collector_max_event_bytes,
        origins=chosen.collector_origins.split(),
    )
    config.app = collector
    commits.start()
    async with _beside(collector.access_log.run(), _refreshing(keys, chosen.collector_refresh_seconds)):
        host, port = listening.getsockname()[:2]
        on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await uvicorn.Server(config).serve(sockets=[listening])
    await commits.stop()
    collector.access_log.write()


@asynccontextmanager
async def _beside(*work: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _refreshing(keys: KeyRing, seconds: float) -> None:
    silent = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(keys.refresh)
            silent = False
        except (AnalyticsError, psycopg.Error) as error:
            if not silent:
                log.warning("the write keys cannot be read again, those that are known stay: %s", error)
            silent = True


def _read_keys(warehouse: WarehouseUrl) -> dict[bytes, tuple[int, str, bool]]:
    with connect(warehouse) as connection:
        return usable_keys(connection)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise AnalyticsError(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            remedy="set ANALYTICS_COLLECTOR_PORT and ANALYTICS_COLLECTOR_HOST",
        ) from None
    return listening


async def _unmade(*_: Any) -> None:
    raise RuntimeError("the application is set before the server starts")
