"""`bi export`: a mart's rows of one tenant as a file for a spreadsheet; what is in it is `tenancy.spreadsheet`."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from analytics_dagster.cli.console import errors
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.documents import whole_or_none
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy import spreadsheet
from analytics_dagster.warehouse import connect

DAY = ["%Y-%m-%d"]


def export(
    tenant: Annotated[str, typer.Argument(help="Whose rows.")],
    mart: Annotated[str, typer.Argument(help="A table of the schema marts, such as kpi_daily.")],
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=DAY, help="The first day, of the mart's first column of days.")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY, help="The last day, included.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; standard output by default.")] = None,
) -> None:
    """Write a mart's rows of one tenant as CSV for a spreadsheet, with texts that look like a formula disarmed."""
    days = spreadsheet.Days(first and first.date(), last and last.date())
    _, url = prepared()
    with connect(url) as connection:
        if out is None:
            rows = spreadsheet.export(connection, tenant, mart, days, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            try:
                with whole_or_none(out) as file:
                    rows = spreadsheet.export(connection, tenant, mart, days, file)
            except OSError as error:
                raise AnalyticsError(
                    f"the file cannot be written: {error.strerror or error}",
                    where=str(out),
                    remedy="name another place",
                ) from None
    errors.print(f"{rows:,} rows of {mart}", markup=False, highlight=False)
