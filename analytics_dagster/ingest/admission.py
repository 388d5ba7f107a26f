"""Single events into raw.events: which are new, which repeat one that is there, which contradict one.

For lines that were judged one by one, such as replayed ones; whole files go through `loading`. This is the one place
outside of it that asks which events are known and that makes new ones known. The caller holds the load's lock.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import psycopg
from psycopg import sql

from analytics_dagster.ingest.checking import event_row
from analytics_dagster.ingest.verdict import Reason
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


# A table with statistics of its own: of rows in an array or in JSON the planner knows nothing.
ARRIVALS = "create temporary table arrivals (position integer, like raw.events) on commit drop"

# The first wins: what is there, then the order of arrival. Contents are compared as PostgreSQL stores them.
ALREADY_THERE = """
with firsts as (
    select distinct on (tenant_id, event_id) *
    from (
        select -1 as position, e.*
        from raw.events as e
        join (select distinct tenant_id, event_id from arrivals) as asked
            on asked.tenant_id = e.tenant_id and asked.event_id = e.event_id
        union all
        select * from arrivals
    ) as known
    order by tenant_id, event_id, position
)
select a.position, row({a}) is not distinct from row({first})
from arrivals as a
join firsts as f on f.tenant_id = a.tenant_id and f.event_id = a.event_id
where f.position < a.position
"""

WRITE = """
insert into raw.events ({columns})
select {columns} from arrivals where not position = any(%s) order by position
"""


def admit(connection: psycopg.Connection, arrivals: Sequence[Arrival]) -> list[Standing]:
    """Write the new ones among these events; say of each, in their order, what it was."""
    if not arrivals:
        return []
    contents = [event_row(arrival.tenant_id, arrival.event) for arrival in arrivals]
    content = list(contents[0])
    columns = [*content, "batch_id", "line_number", "load_day"]
    connection.execute(ARRIVALS)
    copying = sql.SQL("copy arrivals (position, {}) from stdin").format(_names(columns))
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        for position, (arrival, row) in enumerate(zip(arrivals, contents, strict=True)):
            copy.write_row((position, *row.values(), arrival.batch_id, arrival.line_number, arrival.load_day))
    connection.execute("analyze arrivals")
    repeated = _already_there(connection, content)
    connection.execute(sql.SQL(WRITE).format(columns=_names(columns)), [list(repeated)])
    connection.execute("drop table arrivals")
    return [_standing(repeated.get(position)) for position in range(len(arrivals))]


def conflict(event: AnalyticsEvent) -> Reason:
    """Why the second of two events with one id is refused."""
    return Reason(
        "metadata.event_id",
        "conflicting_duplicate",
        json.dumps(event.metadata.event_id, ensure_ascii=False),
        "an id of its own: another event with this id was first",
    )


def _already_there(connection: psycopg.Connection, content: Sequence[str]) -> dict[int, bool]:
    """The positions of those that were there before, and whether with the same content."""
    query = sql.SQL(ALREADY_THERE).format(a=_names(content, "a"), first=_names(content, "f"))
    return dict(connection.execute(query).fetchall())


def _standing(same_content: bool | None) -> Standing:  # noqa: FBT001 - the database's answer, or none
    if same_content is None:
        return Standing.NEW
    return Standing.DUPLICATE if same_content else Standing.CONFLICTING


def _names(columns: Sequence[str], table: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(table, name) if table else sql.Identifier(name) for name in columns)
