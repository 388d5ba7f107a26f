"""Single events into raw.events: which are new, which repeat one that is there, which contradict one.

For lines that were judged one by one, such as replayed ones; whole files go through `loading`. What is new and what is
a repeat is decided by the same code for both. The caller holds the load's lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import psycopg
import pyarrow as pa

from analytics_dagster.ingest import repeats
from analytics_dagster.ingest.checking import EVENT, event_row
from analytics_dagster.ingest.known import Register, remember_history
from analytics_dagster.ingest.preparing import prepared
from analytics_dagster.schemas import AnalyticsEvent


class Standing(StrEnum):
    NEW = "new"
    DUPLICATE = "duplicate"  # an event with the same id and the same content was first
    CONFLICTING = "conflicting"  # one with the same id and another content was first


@dataclass(frozen=True)
class Arrival:
    tenant_id: str
    event: AnalyticsEvent
    batch_id: int
    line_number: int
    load_day: date


def admit(connection: psycopg.Connection, arrivals: Sequence[Arrival]) -> list[Standing]:
    """Write the new ones among these events; say of each, in their order, what it was."""
    if not arrivals:
        return []
    rows = [
        {
            **event_row(arrival.event),
            "batch_id": arrival.batch_id,
            "line_number": arrival.line_number,
            "load_day": arrival.load_day,
        }
        for arrival in arrivals
    ]
    remember_history(connection)
    register = Register(connection)
    chunk = prepared(pa.Table.from_pylist(rows, schema=EVENT), register.key)
    with repeats.comparing(connection):
        doubtful = np.ones(len(rows), dtype=bool)
        settled = repeats.settle(connection, chunk, doubtful, chunk.in_order(~doubtful), register)
    register.write()
    return [
        Standing.NEW if new else Standing.CONFLICTING if conflicting else Standing.DUPLICATE
        for new, conflicting in zip(settled.new.tolist(), settled.conflicting.tolist(), strict=True)
    ]
