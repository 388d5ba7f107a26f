"""What the binary copy writes is what the rows hold, whatever they hold."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_dagster.ingest.checking import ROW
from analytics_dagster.ingest.copying import PIECE_BYTES, copy_data, pieces
from analytics_dagster.ingest.writing import copy_events

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40)
TIMES = st.integers(0, 4_102_444_799_999_999).map(
    lambda number: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=number)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("tenant_id", "event_id", "event_type", "event_name", "source"), TEXT),
            **{name: st.none() | TEXT for name in ("user_id", "anonymous_id")},
            "occurred_at": TIMES,
            "is_test": st.booleans(),
            "properties": st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(st.booleans()), max_size=4),
            "batch_id": st.integers(0, 2**62),
        }
    ),
    max_size=8,
)
SCHEMA = pa.schema(
    [*(field for field in ROW if field.name != "position"), ("batch_id", pa.int64()), ("line_number", pa.int64())]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, day=st.dates(date(1970, 1, 1), date(2099, 12, 31)))
def test_rows_arrive_as_they_are(connection: psycopg.Connection, rows: list[dict[str, object]], day: date) -> None:
    rows = [{**row, "line_number": number} for number, row in enumerate(rows)]
    table = pa.Table.from_pylist([{**row, "properties": json.dumps(row["properties"])} for row in rows], schema=SCHEMA)
    with connection.transaction(force_rollback=True):
        copy_events(
            connection,
            "raw.events",
            copy_data(table.append_column("load_day", pa.array([day] * len(rows), pa.date32()))),
        )
        columns = ", ".join(SCHEMA.names)
        stored = connection.execute(f"select {columns}, load_day from raw.events order by line_number").fetchall()
    assert [dict(zip([*SCHEMA.names, "load_day"], row, strict=True)) for row in stored] == [
        {**row, "load_day": day} for row in rows
    ]


def test_pieces_are_small_and_lose_nothing() -> None:
    encoded = pa.array([b"x" * (PIECE_BYTES // 3)] * 10, pa.binary()).slice(2, 7)
    found = [bytes(piece) for piece in pieces(encoded)]
    assert max(map(len, found)) <= PIECE_BYTES
    assert b"".join(found[1:-1]) == b"x" * (PIECE_BYTES // 3 * 7)


def test_the_order_of_rows_can_be_chosen() -> None:
    encoded = pa.array([b"a", b"b", b"c"], pa.binary())
    assert b"".join(pieces(encoded.take(pa.array(np.array([2, 0])))))[19:-2] == b"ca"
