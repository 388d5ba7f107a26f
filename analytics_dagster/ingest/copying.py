"""Accepted rows -> the bytes of a binary COPY, whole columns at a time.

A row of the binary format is the number of its fields, then each field behind its length. Arrow joins the columns
of a chunk with their lengths in one call; what PostgreSQL then has to parse is the properties alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BEGINNING = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
POSTGRES_EPOCH_DAY = 10_957  # the same in days
NULL_LENGTH = -1
JSONB = "properties"
JSONB_VERSION = 1
PIECE_BYTES = 1 << 17

Array = np.ndarray[Any, np.dtype[Any]]


def copy_data(rows: pa.Table) -> pa.Array:
    """An element for each row, in the order of its columns."""
    count = rows.num_rows
    parts = [_fixed(count, fields=np.full(count, rows.num_columns, ">i2"))]
    for name in rows.column_names:
        parts += _field(name, rows[name].combine_chunks())
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


def pieces(encoded: pa.Array) -> Iterator[memoryview]:
    """The bytes of a whole COPY, nothing copied."""
    yield memoryview(BEGINNING)
    if len(encoded):
        _, offsets, data = encoded.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)
        whole = memoryview(data)[ends[encoded.offset] : ends[encoded.offset + len(encoded)]]
        for start in range(0, len(whole), PIECE_BYTES):
            yield whole[start : start + PIECE_BYTES]
    yield memoryview(END)


def _field(name: str, column: pa.Array) -> list[pa.Array]:
    """The parts that make a field: its length, and its value if that is not in the same part."""
    kind, count = column.type, len(column)
    if pa.types.is_string(kind):
        lengths = pc.fill_null(pc.binary_length(column), NULL_LENGTH).to_numpy()
        values = pc.fill_null(column.cast(pa.binary()), b"")
        if name == JSONB:
            version = np.full(count, JSONB_VERSION, "u1")
            return [_fixed(count, length=(lengths + 1).astype(">i4"), version=version), values]
        return [_fixed(count, length=lengths.astype(">i4")), values]
    if pa.types.is_timestamp(kind):
        value = (column.cast(pa.int64()).to_numpy() - POSTGRES_EPOCH).astype(">i8")
    elif pa.types.is_date(kind):
        value = (column.cast(pa.int32()).to_numpy() - POSTGRES_EPOCH_DAY).astype(">i4")
    elif pa.types.is_boolean(kind):
        value = column.cast(pa.uint8()).to_numpy()
    else:
        value = column.to_numpy().astype(f">i{kind.bit_width // 8}")
    return [_fixed(count, length=np.full(count, value.itemsize, ">i4"), value=value)]


def _fixed(count: int, **values: Array) -> pa.Array:
    """Values of fixed width, side by side, as one binary column."""
    record = np.empty(count, dtype=[(name, value.dtype) for name, value in values.items()])
    for name, value in values.items():
        record[name] = value
    width = record.dtype.itemsize
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(record)])
