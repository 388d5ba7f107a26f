"""The command line `analytics-dagster`: one module for each command, heavy libraries imported inside them."""

import sys

import typer

from analytics_dagster.cli import (
    backfill,
    bi,
    collect,
    deployment,
    docs,
    load,
    quality,
    quarantine,
    run,
    sql,
    status,
    tenant,
    ui,
)
from analytics_dagster.cli.console import errors, plain
from analytics_dagster.errors import AnalyticsError, TransientError

app = typer.Typer(
    name="analytics-dagster",
    help="A multi-tenant analytics platform, shaped as a Dagster project.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (run, backfill, ui, load, collect, quarantine, quality, tenant, bi, docs, status, sql, deployment):
    command.register(app)

FAILED, USAGE, TRY_AGAIN, INTERRUPTED = 1, 2, 3, 130  # and 4: see `load`


def main() -> None:
    """Errors that a person can act on are printed without a traceback."""
    try:
        app()
    except AnalyticsError as error:
        errors.print(plain(f"error: {error}"), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(TRY_AGAIN if isinstance(error, TransientError) else FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
