"""`status`: is the server there, what data does it hold, how did the last runs end. Starts nothing."""

import os
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from analytics_dagster.cli.console import out, print_json, table
from analytics_dagster.cli.summary import summary
from analytics_dagster.environment import process_environment
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.overview import is_prepared, overview
from analytics_dagster.settings import Settings, settings
from analytics_dagster.warehouse import ServerStatus, WarehouseUrl, connect, server_status, warehouse_url

if TYPE_CHECKING:
    from analytics_dagster.compliance import RunRecord

RUNS_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(*, as_json: bool = typer.Option(False, "--json", help="Print it as JSON.")) -> None:
    """Show the warehouse, its data and the last runs."""
    chosen = settings()
    server = server_status(chosen)
    if not server.running:
        if as_json:
            print_json({"server": asdict(server)})
        else:
            out.print(_server_text(server), highlight=False, markup=False)
        return
    url = warehouse_url(chosen)
    with connect(url) as connection:
        if not is_prepared(connection):
            raise AnalyticsError("this database holds no platform yet", where=server.where, remedy="make run")
        data = overview(connection)
    runs = _last_runs(chosen, url)
    if as_json:
        print_json({"server": asdict(server), **data.as_json(), "runs": [asdict(run) for run in runs]})
        return
    out.print(_server_text(server), highlight=False, markup=False)
    out.print()
    out.print(
        table(
            "Last runs",
            ["run", "job", "status", "started"],
            [(run.run_id[:8], run.job, run.status, _moment(run.started)) for run in runs],
        )
    )
    out.print()
    out.print(summary(data, chosen))


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "–"


def _last_runs(chosen: Settings, url: WarehouseUrl) -> "list[RunRecord]":
    os.environ.update(process_environment(chosen, url))
    from analytics_dagster.defs.run_history import last_runs_here

    return last_runs_here(RUNS_SHOWN)


def _server_text(server: ServerStatus) -> str:
    kind = "embedded PostgreSQL" if server.embedded else "PostgreSQL"
    lines = [f"{kind} {server.version or ''} {'is running' if server.running else 'is not running'}: {server.where}"]
    if server.problem:
        lines.append(server.problem)
    if server.size_bytes is not None:
        lines.append(f"size {server.size_bytes / 1e6:,.0f} MB" + (f", port {server.port}" if server.port else ""))
    lines += [f"used by {user}" for user in server.users]
    if not server.running and server.embedded:
        lines.append("it starts when it is needed: make run, make ui, or analytics-dagster sql")
    return "\n".join(lines)
