"""What the loader says to PostgreSQL: copies, the removal of repeats, the books.

Every function here runs inside the load's transaction, under its lock; none decides anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

import psycopg
import pyarrow as pa
from psycopg.types.json import Json
from pyarrow import csv

from analytics_dagster.ingest.checking import RefusedLine
from analytics_dagster.ingest.reading import Flaw
from analytics_dagster.ingest.report import Tally
from analytics_dagster.ingest.verdict import LINE, Reason
from analytics_dagster.tenancy import Status, tenants_by_status

EVENT_COLUMNS = (
    "tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test,"
    " properties, batch_id, line_number, load_day"
)
# A table of their own with statistics of their own: of rows copied a moment ago the planner knows nothing.
FRESH = """
create temporary table fresh (tenant_id text, event_id text, batch_id bigint, line_number bigint) on commit drop;
set local work_mem = '64MB'
"""
FILL_FRESH = """
insert into fresh select tenant_id, event_id, batch_id, line_number
from raw.events where load_day = %(day)s and batch_id >= %(first)s
"""

# Autovacuum that looks while a large load is under way believes that the table is empty, and the planner after
# it: repeats were then sought by hashing the whole history, 6 x slower. Small loads leave it to autovacuum.
HISTORY_OUTGROWN = """
select (select count(*) from fresh) > 0.1 * reltuples from pg_class where oid = 'raw.events'::regclass
"""

# The first of its (tenant_id, event_id) wins: what was there before, then the order of path and line.
REMOVE_REPEATS = """
with known as (
    select fresh.tenant_id, fresh.batch_id, fresh.line_number
    from fresh
    join raw.events as old on old.tenant_id = fresh.tenant_id and old.event_id = fresh.event_id
    where old.batch_id < %(first)s
),
several as (
    select tenant_id, event_id from fresh group by tenant_id, event_id having count(*) > 1
),
ranked as (
    select tenant_id, batch_id, line_number,
        row_number() over (partition by tenant_id, event_id order by batch_id, line_number) as copy
    from fresh join several using (tenant_id, event_id)
),
surplus as (
    select tenant_id, batch_id, line_number from known
    union
    select tenant_id, batch_id, line_number from ranked where copy > 1
),
removed as (
    delete from raw.events as e using surplus as s
    where e.load_day = %(day)s and e.tenant_id = s.tenant_id and e.batch_id = s.batch_id
        and e.line_number = s.line_number
    returning e.batch_id, e.tenant_id
)
select batch_id, tenant_id, count(*) from removed group by batch_id, tenant_id
"""


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


def registered_tenants(connection: psycopg.Connection) -> frozenset[str]:
    """Whose events are taken in: a suspended tenant's, too."""
    return frozenset(tenants_by_status(connection, Status.ACTIVE, Status.SUSPENDED))


def reserve_batches(connection: psycopg.Connection) -> int:
    """The first free number. Not the sequence's: a load that was killed would leave a gap to explain."""
    row = connection.execute("select coalesce(max(batch_id), 0) + 1 from raw.batches").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has one row
    return int(row[0])


def write_batches(connection: psycopg.Connection, day: date, batches: Sequence[tuple[int, str, str, int]]) -> None:
    connection.execute(
        "insert into raw.batches (batch_id, load_day, path, content_sha256, bytes) overriding system value"
        " select batch_id, %s, path, sha256, bytes"
        " from unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) as b (batch_id, path, sha256, bytes)",
        [day, *(list(column) for column in zip(*batches, strict=True))],
    )


def write_events(connection: psycopg.Connection, day: date, accepted: pa.Table) -> None:
    if accepted.num_rows == 0:
        return
    days = pa.DictionaryArray.from_arrays(pa.array([0] * accepted.num_rows, pa.int8()), [day.isoformat()])
    buffer = pa.BufferOutputStream()
    # no value holds a line break, so no line of it can be mistaken for the end of the data
    csv.write_csv(
        accepted.append_column("load_day", days.dictionary_decode()),
        buffer,
        csv.WriteOptions(include_header=False, quoting_style="needed"),
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy raw.events ({EVENT_COLUMNS}) from stdin (format csv)") as copy,
    ):
        copy.write(buffer.getvalue().to_pybytes())


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


def remove_batches(connection: psycopg.Connection, day: date, batch_ids: Sequence[int]) -> None:
    """What was already written of files that turned out to be unfit."""
    if batch_ids:
        scope = {"day": day, "ids": list(batch_ids)}
        connection.execute("delete from raw.events where load_day = %(day)s and batch_id = any(%(ids)s)", scope)
        connection.execute("delete from raw.quarantine where load_day = %(day)s and batch_id = any(%(ids)s)", scope)
        connection.execute("delete from raw.batches where batch_id = any(%(ids)s)", scope)


def remove_repeats(connection: psycopg.Connection, day: date, first: int) -> Counter[tuple[int, str]]:
    """How many lines of each batch and tenant were repeats; `first` is the first batch of this load."""
    scope = {"day": day, "first": first}
    connection.execute(FRESH)
    connection.execute(FILL_FRESH, scope)
    connection.execute("analyze fresh")
    if connection.execute(HISTORY_OUTGROWN).fetchone() == (True,):
        connection.execute("analyze raw.events")
    rows = connection.execute(REMOVE_REPEATS, scope).fetchall()
    connection.execute("drop table fresh")
    return Counter({(batch_id, tenant_id): count for batch_id, tenant_id, count in rows})


def write_accounts(connection: psycopg.Connection, day: date, books: Mapping[tuple[int, str], Tally]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.accounts"
            " (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (batch_id, tenant_id, day, tally.received, tally.accepted, tally.duplicate, tally.quarantined)
                for (batch_id, tenant_id), tally in books.items()
            ],
        )


def rows_by_tenant(accepted: pa.Table) -> Counter[tuple[int, str]]:
    groups = accepted.group_by(["batch_id", "tenant_id"]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(group["batch_id"], group["tenant_id"]): group["count_all"] for group in groups})
