"""Runs the collector: keys and left-over files first, then requests, until SIGTERM; then everything is drained."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from types import FrameType
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


class _Server(uvicorn.Server):
    """Tells when requests are taken."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], Any]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


class PatientProtocol(HttpToolsProtocol):
    """uvicorn waits for ever for the head of a request; this one gives it a while."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEADER_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        self._patience.cancel()
        self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)
        super().on_message_begin()

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
        commits = GroupCommit(files, queue_bytes=chosen.collector_queue_bytes)
        collector = Collector(
            keys,
            commits,
            BodyReader(max_bytes=chosen.collector_max_body_bytes, budget_bytes=chosen.collector_queue_bytes),
            max_event_bytes=chosen.collector_max_event_bytes,
            origins=chosen.collector_origins.split(),
        )
        config = uvicorn.Config(
            collector,
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
        server = _Server(config, lambda: on_start(_address(listening)))

        def stop(_signal: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn raises the signal again when it has drained; the end of this process is ours to decide
        before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                beside = (collector.access_log.run(), _refreshing(keys, chosen.collector_refresh_seconds))
                runner.run(_serve(server, listening, commits, beside))
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
            collector.access_log.write()


async def _serve(
    server: uvicorn.Server, listening: socket.socket, commits: GroupCommit, beside: Iterable[Coroutine[Any, Any, None]]
) -> None:
    commits.start()
    async with _running(beside):
        await server.serve(sockets=[listening])
    await commits.stop()


@asynccontextmanager
async def _running(work: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
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
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise AnalyticsError(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            remedy="set ANALYTICS_COLLECTOR_PORT and ANALYTICS_COLLECTOR_HOST",
        ) from None
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
