"""What the loader says to PostgreSQL: batches, copies, the books.

Every function here runs inside the load's transaction, under its lock; none decides anything.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.types.json import Json

from analytics_dagster.ingest.checking import EVENT, RefusedLine
from analytics_dagster.ingest.copying import pieces
from analytics_dagster.ingest.reading import Flaw
from analytics_dagster.ingest.report import Tally
from analytics_dagster.ingest.verdict import LINE, Reason


def known_sizes(connection: psycopg.Connection, sizes: Sequence[int]) -> set[int]:
    rows = connection.execute("select distinct bytes from raw.batches where bytes = any(%s)", [list(sizes)])
    return {size for (size,) in rows}


def known_contents(connection: psycopg.Connection, hashes: Sequence[str]) -> set[str]:
    rows = connection.execute("select content_sha256 from raw.batches where content_sha256 = any(%s)", [list(hashes)])
    return {sha256 for (sha256,) in rows}


def write_sightings(connection: psycopg.Connection, day: date, sightings: Sequence[tuple[str, str]]) -> None:
    """(name, sha256) of the files that need no load any more."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.sightings (load_day, path, content_sha256) values (%s, %s, %s)"
            " on conflict (load_day, path) do update set content_sha256 = excluded.content_sha256"
            " where raw.sightings.content_sha256 <> excluded.content_sha256",
            [(day, name, sha256) for name, sha256 in sightings],
        )


def reserve_batches(connection: psycopg.Connection) -> int:
    """The first free number. Not the sequence's: a load that was killed would leave a gap to explain."""
    row = connection.execute("select coalesce(max(batch_id), 0) + 1 from raw.batches").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has one row
    return int(row[0])


def write_batches(connection: psycopg.Connection, day: date, batches: Sequence[tuple[int, str, int]]) -> None:
    """What they hold is said when they are read, by `name_contents`."""
    connection.execute(
        "insert into raw.batches (batch_id, load_day, path, content_sha256, bytes) overriding system value"
        " select batch_id, %s, path, 'being read: ' || batch_id, bytes"
        " from unnest(%s::bigint[], %s::text[], %s::bigint[]) as b (batch_id, path, bytes)",
        [day, *(list(column) for column in zip(*batches, strict=True))],
    )


def name_contents(connection: psycopg.Connection, batches: Sequence[tuple[int, str]]) -> None:
    connection.execute(
        "update raw.batches set content_sha256 = b.sha256"
        " from unnest(%s::bigint[], %s::text[]) as b (batch_id, sha256) where raw.batches.batch_id = b.batch_id",
        [list(column) for column in zip(*batches, strict=True)],
    )


def copy_events(connection: psycopg.Connection, table: str, encoded: pa.Array) -> None:
    if len(encoded) == 0:
        return
    command = sql.SQL("copy {} ({}) from stdin (format binary)")
    columns = sql.SQL(", ").join(map(sql.Identifier, EVENT.names))
    with (
        connection.cursor() as cursor,
        cursor.copy(command.format(sql.Identifier(*table.split(".")), columns)) as copy,
    ):
        for piece in pieces(encoded):
            copy.write(piece)


def write_quarantine(connection: psycopg.Connection, day: date, refused: Sequence[RefusedLine]) -> None:
    if not refused:
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy raw.quarantine (batch_id, load_day, tenant_id, line_number, original, reasons)"
            " from stdin (format binary)"
        ) as copy,
    ):
        copy.set_types(["int8", "date", "text", "int8", "bytea", "jsonb"])
        for line in refused:
            copy.write_row(
                (
                    line.batch_id,
                    day,
                    line.refusal.tenant_id,
                    line.line_number,
                    line.original,
                    Json([reason.as_json() for reason in line.refusal.reasons]),
                )
            )


def write_flaw(connection: psycopg.Connection, day: date, batch_id: int, tenant_id: str | None, flaw: Flaw) -> None:
    """A file-level entry: no line number, and not counted as received."""
    reason = Reason(LINE, flaw.rule, None, flaw.message)
    connection.execute(
        "insert into raw.quarantine (batch_id, load_day, tenant_id, original, reasons) values (%s, %s, %s, %s, %s)",
        [batch_id, day, tenant_id, flaw.remainder, Json([{**reason.as_json(), "field": "file"}])],
    )
    connection.execute("update raw.batches set problem = %s where batch_id = %s", [flaw.rule, batch_id])


def write_accounts(
    connection: psycopg.Connection,
    day: date,
    books: Mapping[tuple[int, str], Tally],
    oversized: Mapping[tuple[int, str], int],
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.accounts"
            " (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined, oversized)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (*account, day, tally.received, tally.accepted, tally.duplicate, tally.quarantined, oversized[account])
                for account, tally in books.items()
            ],
        )
