"""`sql`: a query, or a session of psql, as the owner, as the analyst, or as a tenant."""

import csv
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import psycopg
import typer
from psycopg import sql as sql_text

from analytics_dagster.cli.console import out, print_json, table
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.warehouse import WarehouseUrl, connect, keep_across_exec, warehouse_url
from analytics_dagster.warehouse.embedded.programs import program
from analytics_dagster.warehouse.roles import ensure_tenant_role

ANALYST = "analytics_analyst"


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    app.command()(sql)


def sql(
    query: str | None = typer.Argument(None, help="The query; without it, psql opens."),
    *,
    tenant: str | None = typer.Option(None, help="Ask as this tenant: only its rows are there."),
    analyst: bool = typer.Option(False, "--analyst", help="Ask as the analyst: all tenants, no personal columns."),
    output: Annotated[Format, typer.Option("--format", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Query the warehouse, as its owner or as one of its readers."""
    if tenant and analyst:
        raise typer.BadParameter("--tenant and --analyst exclude each other")
    url = warehouse_url(settings())
    role = _role_of(url, tenant) if tenant else ANALYST if analyst else None
    if query is None:
        _open_psql(url, role)
    with connect(url) as connection:
        if role:
            connection.execute(sql_text.SQL("set role {}").format(sql_text.Identifier(role)))
        try:
            cursor = connection.execute(query.encode())
            if cursor.description is None:
                out.print(cursor.statusmessage or "", markup=False)
            else:
                _print(output, [column.name for column in cursor.description], cursor.fetchall())
        except psycopg.Error as error:
            raise AnalyticsError(f"PostgreSQL refuses the query: {str(error).strip()}") from None


def _role_of(url: WarehouseUrl, tenant_id: str) -> str:
    with connect(url) as connection:
        known = sorted(tenants_by_status(connection, *Status))
        if tenant_id not in known:
            raise AnalyticsError(f"no tenant {tenant_id!r}", remedy=f"known: {', '.join(known) or 'none'}")
        return ensure_tenant_role(connection, tenant_id)


def _open_psql(url: WarehouseUrl, role: str | None) -> NoReturn:
    psql = program("psql")
    options = url.conninfo(**({"options": f"-c role={role}"} if role else {}))
    keep_across_exec()
    os.execv(psql, [str(psql), options])  # noqa: S606 - psql takes over this process and its terminal


def _print(output: Format, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if output is Format.JSON:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        out.print(table("", columns, rows))
