"""How many rows each table keeps of a tenant, in all and of one month of its calendar."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby

import psycopg
from psycopg import sql

from analytics_dagster.compliance.inventory import Column, Inventory
from analytics_dagster.compliance.record import TableRows
from analytics_dagster.documents import next_month

# Which column says what month a row belongs to: the first of these that a table has.
MONTH_BY = ("occurred_at", "day", "load_day", "month", "as_of")
# The evidence is kept here, and would otherwise count itself from its second making on.
NOT_COUNTED = {"compliance.reports"}


def count_tables(
    connection: psycopg.Connection,
    present: Sequence[Column],
    inventory: Inventory,
    *,
    tenant_id: str,
    month: date,
    time_zone: str,
) -> tuple[TableRows, ...]:
    """Every table there is, and the declared ones that are not there yet."""
    scope = {
        "tenant_id": tenant_id,
        "time_zone": time_zone,
        "first": month,
        "after": next_month(month),
    }
    found = {}
    for table, columns in groupby(present, key=lambda column: column.table):
        types = {column.name: column.data_type for column in columns}
        if table in NOT_COUNTED:
            continue
        if "tenant_id" not in types:
            found[table] = TableRows(table, exists=True)
            continue
        month_by = next((name for name in MONTH_BY if name in types), None)
        rows, rows_of_month = connection.execute(count_query(table, types, month_by), scope).fetchone() or (0, 0)
        found[table] = TableRows(
            table, exists=True, rows=rows, rows_of_month=rows_of_month if month_by else None, month_by=month_by
        )
    absent = {
        table: TableRows(table, exists=False)
        for table in inventory.tables
        if table not in found and table not in NOT_COUNTED
    }
    return tuple(sorted([*found.values(), *absent.values()], key=lambda counted: counted.table))


def count_query(table: str, types: dict[str, str], month_by: str | None) -> sql.Composed:
    in_month: sql.Composable = sql.SQL("false")
    if month_by:
        moment: sql.Composable = sql.Identifier(month_by)
        if types[month_by] == "timestamp with time zone":
            moment = sql.SQL("({} at time zone %(time_zone)s)").format(moment)
        in_month = sql.SQL("{moment} >= %(first)s and {moment} < %(after)s").format(moment=moment)
    return sql.SQL(
        "select count(*), count(*) filter (where {in_month}) from {table} where tenant_id = %(tenant_id)s"
    ).format(in_month=in_month, table=sql.Identifier(*table.split(".", 1)))
