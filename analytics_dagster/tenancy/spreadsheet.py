"""A mart as a file for a spreadsheet: one tenant's rows as CSV, read by that tenant's own role.

What a tenant's users typed is in it, and a spreadsheet runs a text that looks like a formula, so these are disarmed
here. An answer that a program reads, letter by letter as it is stored, comes from `analytics-dagster sql`.
"""

from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

import psycopg
from psycopg import sql

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy.lifecycle import Status
from analytics_dagster.tenancy.registry import entry, unknown
from analytics_dagster.warehouse.roles import ensure_tenant_role

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the code page of its country
# Where a cell can begin: at the start of a text, and inside it where the list separator of another country, a tab or
# a line's end cuts it. Before the sign, a spreadsheet skips spaces and quotes; it takes the full-width signs, too.
FORMULA = r"(^|[;\t\r\n])([\s\"]*)([=+@\uFF1D\uFF0B\uFF0D\uFF20-])"
DISARMED = r"\1\2'\3"

MARTS = """
select c.relname::text
from pg_class as c
where
    c.relnamespace = 'marts'::regnamespace
    and c.relkind in ('r', 'p', 'v')
    and has_table_privilege(c.oid, 'select')
order by c.relname collate "C"
"""
# numbers, days, times and booleans are PostgreSQL's own words; what is left may say anything
COLUMNS = """
select
    a.attname::text as name,
    t.typcategory not in ('N', 'D', 'B', 'T') as free_text,
    t.typname = 'date' as is_date,
    array_position(i.indkey::int2[], a.attnum) as place_in_key
from pg_attribute as a
inner join pg_type as t on t.oid = a.atttypid
left join pg_index as i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""


@dataclass(frozen=True)
class Column:
    name: str
    free_text: bool
    is_date: bool
    place_in_key: int | None


@dataclass(frozen=True)
class Days:
    """From the first to the last, both included; open where there is none."""

    first: date | None = None
    last: date | None = None


def export(connection: psycopg.Connection, tenant_id: str, mart: str, days: Days, into: BinaryIO) -> int:
    """A line of names, and the rows in the order of their key; how many rows."""
    _require_reader(connection, tenant_id)
    role = ensure_tenant_role(connection, tenant_id)
    connection.commit()
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set transaction read only")
        cursor.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        query = _query(mart, _columns(cursor, mart), days)
        with cursor.copy(query) as rows:
            into.write(BYTE_ORDER_MARK)
            for piece in rows:
                into.write(piece)
        return cursor.rowcount


def _require_reader(connection: psycopg.Connection, tenant_id: str) -> None:
    known = entry(connection, tenant_id)
    if known is None:
        raise unknown(connection, tenant_id)
    if known.status is Status.SUSPENDED:
        raise AnalyticsError(
            f"tenant {tenant_id} is suspended, and its readers see nothing",
            remedy=f"analytics-dagster tenant resume {tenant_id}, or ask as the owner: analytics-dagster sql",
        )


def _columns(cursor: psycopg.Cursor, mart: str) -> list[Column]:
    readable = [name for (name,) in cursor.execute(MARTS.encode())]
    if mart not in readable:
        raise AnalyticsError(f"no mart {mart!r}", remedy=f"the marts are: {', '.join(readable) or 'not built yet'}")
    name = sql.Identifier("marts", mart).as_string(cursor)
    return [Column(*row) for row in cursor.execute(COLUMNS.encode(), [name])]


def _query(mart: str, columns: list[Column], days: Days) -> sql.Composed:
    dates = [column.name for column in columns if column.is_date]
    if not dates and days != Days():
        raise AnalyticsError(f"the mart {mart} has no day", remedy="ask for the whole of it, without --from and --to")
    limits = [
        sql.SQL("{} {} {}").format(sql.Identifier(dates[0]), sql.SQL(sign), sql.Literal(day))
        for sign, day in ((">=", days.first), ("<=", days.last))
        if day is not None
    ]
    key = sorted(
        (column for column in columns if column.place_in_key is not None), key=lambda column: column.place_in_key or 0
    )
    return sql.SQL("copy (select {} from {}{}{}) to stdout with (format csv, header)").format(
        sql.SQL(", ").join(map(_cell, columns)),
        sql.Identifier("marts", mart),
        sql.SQL(" where " if limits else "") + sql.SQL(" and ").join(limits),
        sql.SQL(" order by " if key else "") + sql.SQL(", ").join(sql.Identifier(mart, column.name) for column in key),
    )


def _cell(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    if not column.free_text:
        return name
    return sql.SQL("regexp_replace({}::text, {}, {}, 'g') as {}").format(
        name, sql.Literal(FORMULA), sql.Literal(DISARMED), name
    )
