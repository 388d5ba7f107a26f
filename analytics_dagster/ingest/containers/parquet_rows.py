"""Parquet: a row for each event, with the contract's own nesting (a struct `metadata`) or with columns as in `flat`.

Read in batches inside of row groups, so memory does not grow with the file; a row group that is damaged takes no
other with it. What is kept of a row is its JSON.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from analytics_dagster.formats import UnmappedError
from analytics_dagster.ingest.blocks import RECORD, Damage, Flaw, Record, reason
from analytics_dagster.ingest.containers import flat
from analytics_dagster.ingest.containers.arrow_values import UnreadableValue, values_of
from analytics_dagster.ingest.containers.mapping import refused
from analytics_dagster.ingest.verdict import Reason

BATCH_BYTES = 4 << 20
MOST_ROWS = 4_096
READ_BYTES = 1 << 20
# what Arrow says of a damaged file, and what Python says of the names and sizes in it
DAMAGED = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError)


class _DamagedError(Exception):
    """A row group that cannot be read, or not to its end."""


def opened(file: BinaryIO, damage: Damage) -> "_Parquet | None":
    try:
        return _Parquet(parquet.ParquetFile(file, pre_buffer=False, buffer_size=READ_BYTES), damage)
    except DAMAGED as error:
        _raise_if_of_the_disk(error)
        damage.flaw = Flaw(
            "not_parquet", f"is no whole Parquet file, nothing is loaded: send it again ({_told(error)})"
        )
    return None


def again(original: bytes, number: int, claimed_tenant: str | None) -> tuple[Record, Callable[[str], str]]:
    """From the JSON that quarantine kept, and how its fields are told."""
    try:
        values = json.loads(original)
    except ValueError as error:
        why = reason(RECORD, "json_invalid", original, f"a row as JSON; {error}")
        return Record(number, original, reasons=(why,)), str
    if not isinstance(values, dict):
        why = reason(RECORD, "not_an_object", original, "a row as a JSON object")
        return Record(number, original, reasons=(why,)), str
    shape = _Shape(list(values))
    present = {name: value for name, value in values.items() if value is not None}
    return shape.record(number, original, present, claimed_tenant), shape.told_as


class _Shape:
    """Which of the two forms the columns have."""

    def __init__(self, columns: list[str]) -> None:
        self.nested = flat.METADATA in columns
        self.problems: tuple[Reason, ...] = () if self.nested else flat.problems_of(columns)
        self.told_as = str if self.nested else flat.told_as

    def record(self, number: int, original: bytes, values: Mapping[str, Any], claimed_tenant: str | None) -> Record:
        if self.problems:
            return Record(number, original, reasons=self.problems)
        try:
            if not self.nested:
                return Record(number, original, flat.line_of(values, claimed_tenant))
            rest = {name: value for name, value in values.items() if name not in {flat.METADATA, flat.PROPERTIES}}
            metadata, properties = values.get(flat.METADATA), values.get(flat.PROPERTIES)
            return Record(number, original, flat.event_line(metadata, rest, properties, {}, claimed_tenant))
        except UnmappedError as error:
            return refused(number, original, error)


class _Parquet:
    def __init__(self, file: parquet.ParquetFile, damage: Damage) -> None:
        self._file = file
        self._damage = damage
        self._columns: list[str] = file.schema_arrow.names
        self._shape = _Shape(self._columns)
        self.told_as = self._shape.told_as

    def records(self, claimed_tenant: str | None) -> Iterator[Record]:
        if self._shape.problems:
            said = "; ".join(f"{problem.field}: {problem.expected}" for problem in self._shape.problems)
            self._damage.flaw = Flaw(
                "bad_header", f"has columns that cannot be used, all its rows are in quarantine: {said}"
            )
        number = unread = 0
        for group in range(self._file.num_row_groups):
            about = self._file.metadata.row_group(group)
            number_of_next = number + about.num_rows
            try:
                for batch in self._batches(group, _rows_at_once(about)):
                    for row in zip(*(values_of(column) for column in batch.columns), strict=True):
                        number += 1
                        yield self._record(number, row, claimed_tenant)
            except _DamagedError as damaged:
                unread += number_of_next - number
                message = f"is damaged, {unread:,} of its rows cannot be read: send it again ({damaged})"
                self._damage.flaw = Flaw("corrupt_parquet", message)
            number = number_of_next

    def _batches(self, group: int, rows_at_once: int) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._file.iter_batches(rows_at_once, row_groups=[group])
        except DAMAGED as error:
            _raise_if_of_the_disk(error)
            raise _DamagedError(_told(error)) from None

    def _record(self, number: int, row: tuple[Any, ...], claimed_tenant: str | None) -> Record:
        values = {name: value for name, value in zip(self._columns, row, strict=True) if value is not None}
        original = json.dumps(values, ensure_ascii=False, default=str).encode()
        unreadable = tuple(
            reason(name, "unreadable_value", str(value).encode(), value.expected)
            for name, value in values.items()
            if isinstance(value, UnreadableValue)
        )
        if unreadable:
            return Record(number, original, reasons=unreadable)
        return self._shape.record(number, original, values, claimed_tenant)


def _rows_at_once(about: Any) -> int:
    bytes_a_row: int = about.total_byte_size // max(about.num_rows, 1) + 1
    return max(1, min(MOST_ROWS, BATCH_BYTES // bytes_a_row))


def _raise_if_of_the_disk(error: Exception) -> None:
    """Arrow's complaints about a file are OSErrors, too, but without a number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def _told(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
