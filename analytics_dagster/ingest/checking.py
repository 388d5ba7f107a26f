"""Lines -> accepted rows and refused lines, a chunk at a time.

Two steps with one verdict. A vectorised query in DuckDB vouches for lines that are certainly good, nearly
all of them; it may be too careful, never too generous. `verdict.judge` decides about the rest, exactly and
with reasons.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from analytics_dagster.ingest.blocks import Block
from analytics_dagster.ingest.known import Mask
from analytics_dagster.ingest.sizes import oversized
from analytics_dagster.ingest.surely_good import SURELY_GOOD
from analytics_dagster.ingest.verdict import LONGEST_LINE, Refusal, conflicting, judge
from analytics_dagster.schemas import AnalyticsEvent

THREADS = 2
LINES_A_THREAD_TAKES = 4_096
BLANK = b" \t\r\n"

ROW = pa.schema(
    [
        ("position", pa.int32()),
        ("tenant_id", pa.string()),
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("event_name", pa.string()),
        ("source", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("user_id", pa.string()),
        ("anonymous_id", pa.string()),
        ("is_test", pa.bool_()),
        ("properties", pa.string()),
    ]
)


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
    """Holds one DuckDB; not for two threads at once."""

    def __init__(
        self,
        registered: AbstractSet[str],
        *,
        offboarded: AbstractSet[str] = frozenset(),
        event_bytes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._registered = registered
        self._offboarded = offboarded
        self._event_bytes = event_bytes
        self._registered_as_json = [json.dumps(tenant) for tenant in sorted(registered)]
        self._duckdb = duckdb.connect(
            ":memory:",
            config={
                "threads": THREADS,
                # nothing is fetched from anywhere: json and icu are inside the wheel
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._duckdb.execute("set timezone = 'UTC'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._duckdb.close()

    def check(self, chunk: Iterable[tuple[Origin, Block]]) -> Checked:
        blocks = list(chunk)
        lines = Lines(blocks)
        rows = self._surely_good(lines)
        vouched = np.zeros(len(lines), dtype=bool)
        vouched[rows["position"].to_numpy()] = True
        late_rows: list[dict[str, Any]] = []
        refused = [line for origin, block in blocks for line in self._refused_before(origin, block)]
        for position in np.flatnonzero(~(vouched | lines.blank)).tolist():
            origin, line = lines.origin(position), lines.line(position)
            outcome = judge(line, origin.claimed_tenant, self._registered, self._offboarded)
            if isinstance(outcome, Refusal):
                refused.append(lines.refused(position, outcome))
            else:
                late_rows.append({"position": position, **event_row(*outcome)})
        if late_rows:
            rows = pa.concat_tables([rows, pa.Table.from_pylist(late_rows, schema=ROW)]).sort_by("position")
        positions = rows["position"].to_numpy()
        accepted = (
            rows.drop_columns(["position"])
            .append_column("batch_id", pa.array(lines.batch_ids[positions]))
            .append_column("line_number", pa.array(lines.numbers[positions]))
        )
        refused.sort(key=lambda line: (line.batch_id, line.line_number))
        too_large = oversized(accepted, lines.lengths[positions], self._event_bytes)
        return Checked(accepted, refused, positions, lines, too_large)

    def _refused_before(self, origin: Origin, block: Block) -> Iterator[RefusedLine]:
        """The records that no line could be made of."""
        claimed = origin.claimed_tenant
        account = claimed if claimed in self._registered else None
        for record in block.sources.refused if block.sources else ():
            refusal = Refusal(account, record.reasons)
            yield RefusedLine(origin.batch_id, record.number, record.original, refusal)

    def _surely_good(self, lines: "Lines") -> pa.Table:
        table = lines.for_duckdb()
        if table.num_rows == 0:
            return ROW.empty_table()
        self._duckdb.register("lines", table)
        try:
            relation = self._duckdb.sql(SURELY_GOOD, params={"registered": self._registered_as_json})
            return relation.to_arrow_table().cast(ROW)
        finally:
            self._duckdb.unregister("lines")


class Lines:
    """The lines of some blocks, side by side in one buffer."""

    def __init__(self, blocks: list[tuple[Origin, Block]]) -> None:
        self._origins = [origin for origin, _ in blocks]
        self._sources = [block.sources for _, block in blocks]
        self._data = blocks[0][1].data if len(blocks) == 1 else b"".join(block.data for _, block in blocks)
        self._bytes = np.frombuffer(self._data, dtype=np.uint8)
        ends = np.flatnonzero(self._bytes == ord("\n")) + 1
        self._offsets = np.concatenate([[0], ends]).astype(np.int32)
        counts = [block.data.count(b"\n") for _, block in blocks]
        self._block = np.repeat(np.arange(len(blocks)), counts)
        self.batch_ids = np.array([origin.batch_id for origin in self._origins], dtype=np.int64)[self._block]
        self._first = np.cumsum([0, *counts])  # the position of each block's first line
        self.numbers = np.concatenate(
            [
                np.arange(block.first_line, block.first_line + count, dtype=np.int64)
                if block.sources is None
                else np.array(block.sources.numbers, dtype=np.int64)
                for (_, block), count in zip(blocks, counts, strict=True)
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

    def refused(self, position: int, refusal: Refusal) -> RefusedLine:
        """With what the producer sent, in the producer's words."""
        block = int(self._block[position])
        original, sources = self.line(position), self._sources[block]
        if sources is not None:
            original = sources.originals[position - int(self._first[block])]
            reasons = (replace(reason, field=sources.told_as(reason.field)) for reason in refusal.reasons)
            refusal = replace(refusal, reasons=tuple(reasons))
        return RefusedLine(int(self.batch_ids[position]), int(self.numbers[position]), original, refusal)

    def for_duckdb(self) -> pa.Table:
        """What DuckDB may see: text, not too long, without NUL; nothing is copied unless a line has to go."""
        text = pa.StringArray.from_buffers(len(self), pa.py_buffer(self._offsets), pa.py_buffer(self._data))
        claims = pa.array([origin.claimed_tenant for origin in self._origins], type=pa.string())
        table = pa.table(
            {
                "position": pa.array(np.arange(len(self), dtype=np.int32)),
                "claimed_tenant": claims.take(pa.array(self._block)),
                "line": text,
            }
        )
        unfit = self.blank | self._too_long() | self._with_nul() | self._not_utf8(text)
        if unfit.any():
            table = table.filter(pa.array(~unfit))
        return pa.Table.from_batches(table.to_batches(max_chunksize=LINES_A_THREAD_TAKES), schema=table.schema)

    def _find_blank(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        blank = np.isin(self._bytes[self._offsets[:-1]], list(BLANK))
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


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def event_row(tenant_id: str, event: AnalyticsEvent) -> dict[str, Any]:
    """The columns of raw.events that the line itself fills."""
    metadata = event.metadata
    return {
        "tenant_id": tenant_id,
        "event_id": metadata.event_id,
        "event_type": event.event_type.value,
        "event_name": event.event_name,
        "source": metadata.source.value,
        "occurred_at": metadata.timestamp,
        "user_id": metadata.user_id,
        "anonymous_id": metadata.anonymous_id,
        "is_test": metadata.is_test,
        "properties": json.dumps(event.properties, ensure_ascii=False, allow_nan=False),
    }
