"""`ui`: Dagster's webserver and daemon, and the Data Docs, until Ctrl-C, and nothing left behind afterwards."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

import typer

from analytics_dagster import deployment
from analytics_dagster.cli.console import errors, out
from analytics_dagster.cli.launching import launch
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.processes import prepare_child
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import connect

if TYPE_CHECKING:
    from analytics_dagster.quality.data_docs.serving import DocsServer

PORTS_TRIED = 50
PATIENCE_SECONDS = 15
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(app: typer.Typer) -> None:
    app.command()(ui)


def ui(
    *,
    port: int = typer.Option(0, help="Port of the UI; the next free one from ANALYTICS_UI_PORT by default."),
) -> None:
    """Start the Dagster UI, its schedules and sensors. Stop with Ctrl-C."""
    from analytics_dagster.transform import ensure_manifest

    with errors.status("Starting the warehouse"):
        chosen, url = prepared()
        ensure_manifest(chosen)
    with connect(url) as connection:
        first_time = deployment.is_due(connection, deployment.fingerprint(chosen))
    if first_time and not launch("deploy", chosen):
        raise typer.Exit(1)
    chosen_port = port or free_port(chosen.ui_host, chosen.ui_port)
    with _data_docs(chosen, chosen_port) as pages:
        raise typer.Exit(_serve(chosen, chosen_port, pages))


def free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, port))
                return port
    raise AnalyticsError(
        f"no free port from {first} on", where=host, remedy="set ANALYTICS_UI_PORT, and ANALYTICS_UI_HOST if need be"
    )


@contextmanager
def _data_docs(chosen: Settings, ui_port: int) -> Iterator["DocsServer | None"]:
    """A server of the Data Docs, whose address the children learn: their checks link to it. None if there is one."""
    from analytics_dagster.quality.data_docs.serving import docs_server

    if chosen.data_docs_url:
        yield None
        return
    with docs_server(chosen.data_docs_dir, chosen.data_docs_port, taken=ui_port) as pages:
        os.environ["ANALYTICS_DATA_DOCS_URL"] = pages.address
        yield pages


def _serve(chosen: Settings, port: int, pages: "DocsServer | None") -> int:
    # its successor `dg dev` wants a package more and does the same here
    quiet = ["-W", "ignore:Function `dev_command` is superseded"]
    command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", str(chosen.home / "workspace.yaml")]
    server = subprocess.Popen(
        [*command, "-h", chosen.ui_host, "-p", str(port)],
        cwd=chosen.state_dir,  # not the project's root: a module lying there could shadow a library's
        start_new_session=True,
        preexec_fn=prepare_child,  # noqa: PLW1509 - two system calls, safe between fork and exec
    )
    out.print(f"The UI will answer at http://{chosen.ui_host}:{port} — stop it with Ctrl-C.", highlight=False)
    if pages:
        pages.start()  # not before: a process with threads is not forked
    docs = pages.address if pages else str(chosen.data_docs_url)
    out.print(f"The Data Docs are at {docs}", markup=False, highlight=False, soft_wrap=True)
    for name in STOP_SIGNALS:
        signal.signal(name, _stop)
    try:
        return server.wait()
    except _StopRequested:
        return 0
    finally:
        for name in STOP_SIGNALS:
            signal.signal(name, signal.SIG_IGN)  # a second Ctrl-C must not leave half of the processes behind
        _end(server)


class _StopRequested(Exception):  # noqa: N818 - a request, not an error
    """Raised out of the waiting, because a handler cannot reap the child that is being waited for."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _StopRequested


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop, then insist: run workers and code servers belong to it too."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            server.poll()
            os.killpg(server.pid, 0)  # raises when nobody of the group is left
            time.sleep(0.1)
        os.killpg(server.pid, signal.SIGKILL)
