"""What comes a second time: the same event is counted and left out, another one under its id is a conflict.

The first wins, in the order of loads, files and lines. A conflict is no loss: its line goes to quarantine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psycopg
import pyarrow as pa

from analytics_dagster.ingest.checking import ROW
from analytics_dagster.ingest.known import Hashes, Mask, Register, repeated
from analytics_dagster.ingest.preparing import Prepared
from analytics_dagster.ingest.writing import copy_events

FOUND_BY = ("tenant_id", "occurred_at", "event_id")
CONTENT = [name for name in ROW.names if name not in ("position", *FOUND_BY)]

# `lateral`, because of a table filled a moment ago the planner knows nothing, and would read raw.events whole.
# An event with the same id at another time is not found, so it is a conflict, too.
CONFLICTS = f"""
select r.batch_id, r.line_number
from repeats as r
left join lateral (
    select true as found, {", ".join(f"e.{column}" for column in CONTENT)}
    from raw.events as e
    where {" and ".join(f"e.{column} = r.{column}" for column in FOUND_BY)}
    order by e.batch_id, e.line_number limit 1
) as earlier on true
where earlier.found is null
    or {" or ".join(f"r.{column} is distinct from earlier.{column}" for column in CONTENT)}
"""  # noqa: S608 - composed of the words above


@dataclass(frozen=True)
class Settled:
    """What became of the events of a chunk: each is in exactly one of the three."""

    new: Mask
    duplicate: Mask
    conflicting: Mask


@contextmanager
def comparing(connection: psycopg.Connection) -> Iterator[None]:
    """The table that repeats are compared in; `settle` needs it."""
    connection.execute("create temporary table repeats (like raw.events) on commit drop")
    yield
    connection.execute("drop table repeats")


def settle(
    connection: psycopg.Connection, chunk: Prepared, doubtful: Mask, certain: pa.Array, register: Register
) -> Settled:
    """Write the chunk's new events, and say what the others are; `certain` has those that are not doubtful."""
    fresh = ~doubtful
    _write(connection, register, certain, chunk.hashes[fresh])
    late = _new_after_all(chunk, doubtful, register)
    _write(connection, register, chunk.in_order(late), chunk.hashes[late])
    repeated = ~(fresh | late)
    conflicting = _conflicting(connection, chunk, repeated)
    return Settled(fresh | late, repeated & ~conflicting, conflicting)


def _write(connection: psycopg.Connection, register: Register, events: pa.Array, hashes: Hashes) -> None:
    copy_events(connection, "raw.events", events)
    register.add(hashes)


def _new_after_all(chunk: Prepared, doubtful: Mask, register: Register) -> Mask:
    places = np.flatnonzero(doubtful)
    hashes = chunk.hashes[places]
    late = np.zeros(len(doubtful), dtype=bool)
    late[places[~repeated(hashes) & ~register.knows(hashes)]] = True
    return late


def _conflicting(connection: psycopg.Connection, chunk: Prepared, repeated: Mask) -> Mask:
    places = np.flatnonzero(repeated)
    mask = np.zeros(len(repeated), dtype=bool)
    if len(places):
        copy_events(connection, "repeats", chunk.encoded.take(pa.array(places)))
        found = set(connection.execute(CONFLICTS).fetchall())
        connection.execute("truncate repeats")
        lines = zip(chunk.batch_ids[places].tolist(), chunk.line_numbers[places].tolist(), strict=True)
        mask[places] = [line in found for line in lines]
    return mask
