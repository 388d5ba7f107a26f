"""Lines -> accepted rows and refused lines, a chunk at a time.

Two checks with one verdict, both derived from the contract. SQL in DuckDB decides about nearly all lines: it vouches
for the good ones, and names the faults of most others. `verdict.judge` decides about the rest, exactly and slowly.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analytics_dagster.ingest.blocks import Block
from analytics_dagster.ingest.fault_reasons import refusal
from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.known import Mask
from analytics_dagster.ingest.queries import LINES, Queries
from analytics_dagster.ingest.sizes import oversized
from analytics_dagster.ingest.verdict import LONGEST_LINE, Refusal, conflicting, judge
from analytics_dagster.schemas import AnalyticsEvent
from analytics_dagster.schemas.event_columns import event_columns

LINES_A_THREAD_TAKES = 4_096
SOONER_JUDGED = 600  # fewer lines than that are judged one by one before the query about faults has begun
BLANK = b" \t\r\n"
IS_BLANK = np.isin(np.arange(256), list(BLANK))
SEARCHED_AT_ONCE = 1 << 18  # bytes; what is found of them stays in a processor's cache

_ARROW = {"text": pa.string(), "timestamptz": pa.timestamp("us", tz="UTC"), "boolean": pa.bool_(), "jsonb": pa.string()}
_COLUMNS = event_columns()
ROW = pa.schema([("position", pa.int32()), *((column.name, _ARROW[column.type]) for column in _COLUMNS)])
# a row of raw.events: what its line says, and where it is from
EVENT = pa.schema([*list(ROW)[1:], ("batch_id", pa.int64()), ("line_number", pa.int64()), ("load_day", pa.date32())])


@dataclass(frozen=True)
class Origin:
    """Where the lines of a block are from."""

    batch_id: int
    claimed_tenant: str | None


@dataclass(frozen=True)
class RefusedLine:
    batch_id: int
    line_number: int
    original: bytes
    refusal: Refusal


@dataclass(frozen=True)
class Checked:
    """Accepted rows in the order of their lines (with batch_id and line_number), and the refused lines.

    `oversized` counts the accepted lines that are longer than their tenant's limit, by (batch_id, tenant_id).
    """

    accepted: pa.Table
    refused: list[RefusedLine]
    positions: "np.ndarray[Any, np.dtype[np.int32]]"  # of the accepted, in `lines`
    lines: "Lines"
    oversized: Counter[tuple[int, str]]

    def conflicts(self, chosen: Mask) -> list[RefusedLine]:
        """Accepted ones that are refused after all: another event has their id."""
        rows = self.accepted.filter(pa.array(chosen)).select(["tenant_id", "event_id"]).to_pylist()
        return [
            self.lines.refused(position, Refusal(row["tenant_id"], (conflicting(row["event_id"]),)))
            for position, row in zip(self.positions[chosen].tolist(), rows, strict=True)
        ]


class Checker:
    """For any number of threads at once."""

    def __init__(self, intake: Intake, sooner_judged: int = SOONER_JUDGED) -> None:
        self._intake = intake
        self._sooner_judged = sooner_judged

    def check(self, chunk: Iterable[tuple[Origin, Block]]) -> Checked:
        blocks = list(chunk)
        lines = Lines(blocks)
        fit = lines.for_duckdb()
        unsure = ~lines.blank
        with Queries.lent(self._intake.registered, self._intake.contracts) as queries:
            rows = _good(queries, fit)
            unsure[rows["position"].to_numpy()] = False
            refusals = self._refusals(queries, fit.filter(pa.array(unsure[fit["position"].to_numpy()])), lines)
        late_rows: list[dict[str, Any]] = []
        refused = [line for origin, block in blocks for line in self._refused_before(origin, block)]
        for position in np.flatnonzero(unsure).tolist():
            origin, line = lines.origin(position), lines.line(position)
            outcome = refusals.get(position) or judge(line, origin.claimed_tenant, self._intake)
            if isinstance(outcome, Refusal):
                refused.append(lines.refused(position, outcome))
            else:
                late_rows.append({"position": position, **event_row(outcome[1])})
        if late_rows:
            rows = pa.concat_tables([rows, pa.Table.from_pylist(late_rows, schema=ROW)]).sort_by("position")
        positions = rows["position"].to_numpy()
        accepted = (
            rows.drop_columns(["position"])
            .append_column("batch_id", pa.array(lines.batch_ids[positions]))
            .append_column("line_number", pa.array(lines.numbers[positions]))
        )
        refused.sort(key=lambda line: (line.batch_id, line.line_number))
        too_large = oversized(accepted, lines.lengths[positions], self._intake.event_bytes)
        return Checked(accepted, refused, positions, lines, too_large)

    def _refused_before(self, origin: Origin, block: Block) -> Iterator[RefusedLine]:
        """The records that no line could be made of."""
        account = self._intake.account_of(origin.claimed_tenant)
        for record in block.sources.refused if block.sources else ():
            yield RefusedLine(origin.batch_id, record.number, record.original, Refusal(account, record.reasons))

    def _refusals(self, queries: Queries, asked: pa.Table, lines: "Lines") -> dict[int, Refusal]:
        """Those of the lines asked about that are certainly faulty, by their position."""
        if asked.num_rows < self._sooner_judged:
            return {}
        return {
            position: refusal(faults, lines.line(position), lines.origin(position).claimed_tenant, self._intake)
            for position, faults in queries.faulty(asked)
        }


def _good(queries: Queries, lines: pa.Table) -> pa.Table:
    """The lines that are certainly good, in their order."""
    if lines.num_rows == 0:
        return ROW.empty_table()
    rows = queries.good(lines)
    good = rows["good"]
    rows = rows.drop_columns(["good"])
    if not pc.all(good).as_py():
        rows = rows.filter(good)
    return rows.cast(ROW)


class Lines:
    """The lines of some blocks, side by side in one buffer."""

    def __init__(self, blocks: list[tuple[Origin, Block]]) -> None:
        self._origins = [origin for origin, _ in blocks]
        self._sources = [block.sources for _, block in blocks]
        self._data = blocks[0][1].data if len(blocks) == 1 else b"".join(block.data for _, block in blocks)
        self._bytes = np.frombuffer(self._data, dtype=np.uint8)
        ends = np.concatenate([*_places(self._bytes, ord("\n"))]) + 1
        self._offsets = np.concatenate([[0], ends]).astype(np.int32)
        sizes = np.cumsum([0, *(len(block.data) for _, block in blocks)])
        counts = np.diff(np.searchsorted(self._offsets, sizes))
        self._block = np.repeat(np.arange(len(blocks)), counts)
        self.batch_ids = np.array([origin.batch_id for origin in self._origins], dtype=np.int64)[self._block]
        self._first = np.cumsum([0, *counts])  # the position of each block's first line
        self.numbers = np.concatenate(
            [
                np.arange(block.first_line, block.first_line + count, dtype=np.int64)
                if block.sources is None
                else np.array(block.sources.numbers, dtype=np.int64)
                for (_, block), count in zip(blocks, counts.tolist(), strict=True)
            ]
        )
        self.lengths = np.diff(self._offsets) - 1
        self.blank = self._find_blank()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def line(self, position: int) -> bytes:
        """As it was sent, without its newline."""
        return self._data[self._offsets[position] : self._offsets[position + 1] - 1]

    def origin(self, position: int) -> Origin:
        return self._origins[int(self._block[position])]

    def refused(self, position: int, why: Refusal) -> RefusedLine:
        """With what the producer sent, in the producer's words."""
        block = int(self._block[position])
        original, sources = self.line(position), self._sources[block]
        if sources is not None:
            original = sources.originals[position - int(self._first[block])]
            why = sources.in_its_words(why)
        return RefusedLine(int(self.batch_ids[position]), int(self.numbers[position]), original, why)

    def for_duckdb(self) -> pa.Table:
        """What DuckDB may see: text, not too long, without NUL; nothing is copied unless a line has to go."""
        text = pa.StringArray.from_buffers(len(self), pa.py_buffer(self._offsets), pa.py_buffer(self._data))
        claims = pa.array([origin.claimed_tenant for origin in self._origins], type=pa.string())
        positions = pa.array(np.arange(len(self), dtype=np.int32))
        table = pa.table([positions, claims.take(pa.array(self._block)), text], schema=LINES)
        unfit = self.blank | self._too_long() | self._with_nul() | self._not_utf8(text)
        if unfit.any():
            table = table.filter(pa.array(~unfit))
        return pa.Table.from_batches(table.to_batches(max_chunksize=LINES_A_THREAD_TAKES), schema=table.schema)

    def _find_blank(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        blank = IS_BLANK[self._bytes[self._offsets[:-1]]]
        for position in np.flatnonzero(blank).tolist():
            blank[position] = not self.line(position).strip(BLANK)
        return blank

    def _too_long(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        return self.lengths > LONGEST_LINE

    def _with_nul(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        found = np.zeros(len(self), dtype=bool)
        if b"\0" in self._data:
            places = np.flatnonzero(self._bytes == 0)
            found[np.searchsorted(self._offsets, places, side="right") - 1] = True
        return found

    def _not_utf8(self, text: pa.StringArray) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        found = np.zeros(len(self), dtype=bool)
        try:
            text.validate(full=True)
        except pa.ArrowInvalid:
            for position in range(len(self)):
                found[position] = not _is_utf8(self.line(position))
        return found


def _places(data: "np.ndarray[Any, np.dtype[np.uint8]]", byte: int) -> "Iterator[np.ndarray[Any, np.dtype[np.int64]]]":
    yield np.empty(0, np.int64)
    for start in range(0, len(data), SEARCHED_AT_ONCE):
        yield np.flatnonzero(data[start : start + SEARCHED_AT_ONCE] == byte) + start


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def event_row(event: AnalyticsEvent) -> dict[str, Any]:
    """The columns of raw.events that the line itself fills."""
    row: dict[str, Any] = {}
    for column in _COLUMNS:
        value: Any = event
        for name in column.path:
            value = getattr(value, name)
        row[column.name] = json.dumps(value, ensure_ascii=False, allow_nan=False) if column.type == "jsonb" else value
    return row
