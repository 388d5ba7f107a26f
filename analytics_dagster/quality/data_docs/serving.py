"""Shows the Data Docs in a browser: the pages of one folder, on this machine, to be read and nothing else.

Tenants' names stand in them, so the server listens on loopback only, and a page of another site that had its name
resolve to this machine is refused by the name it asks for.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.data_docs.places import INDEX, PAGE

HOST = "127.0.0.1"
NAMES = re.compile(rf"(?:{re.escape(HOST)}|localhost)(?::\d+)?")
PORTS_TRIED = 50
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "analytics-dagster", ""
    timeout = 10  # seconds that a silent client keeps its thread

    def __init__(self, *args: Any, folder: Path) -> None:
        self._folder = folder
        super().__init__(*args)

    def do_GET(self) -> None:
        self._answer(*self._found())

    def do_HEAD(self) -> None:
        self._answer(*self._found())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any other method
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"These pages can only be read.\n", Allow="GET, HEAD")

    def _found(self) -> tuple[HTTPStatus, bytes]:
        if not NAMES.fullmatch(self.headers.get("Host", "")):
            return HTTPStatus.MISDIRECTED_REQUEST, b"Ask for localhost.\n"
        # a closed set of names, not a path to be made safe: what is no page of the site is not looked for
        page = self.path.partition("?")[0].removeprefix("/") or INDEX
        if PAGE.fullmatch(page):
            with suppress(OSError):
                return HTTPStatus.OK, (self._folder / page).read_bytes()
        if page == INDEX:
            return HTTPStatus.NOT_FOUND, b"No run has written the Data Docs yet.\n"
        return HTTPStatus.NOT_FOUND, b"There is no such page.\n"

    def _answer(self, status: HTTPStatus, body: bytes, **headers: str) -> None:
        kind = "text/html" if status == HTTPStatus.OK else "text/plain"
        self.send_response(status)
        more = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        for name, value in (HEADERS | more | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base names it so
        """Nothing: a terminal is no place for what a browser sends."""


class DocsServer(ThreadingHTTPServer):
    """Bound from the beginning, so that its address is known; it answers from `start` on."""

    daemon_threads = True
    _thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def start(self) -> None:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of a page is no news."""


@contextmanager
def docs_server(folder: Path, first_port: int, *, taken: int | None = None) -> Iterator[DocsServer]:
    """Other ports are tried when one is in use, or about to be (`taken`)."""
    server = _bound(folder, first_port, taken)
    try:
        yield server
    finally:
        server.stop()


def _bound(folder: Path, first: int, taken: int | None) -> DocsServer:
    for port in range(first, min(first + PORTS_TRIED, 65536)) if first else (0,):
        if port != taken:
            with suppress(OSError):
                return DocsServer((HOST, port), partial(Handler, folder=folder))
    raise AnalyticsError(f"no free port from {first} on", where=HOST, remedy="set ANALYTICS_DATA_DOCS_PORT")
