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
from psycopg.types.json import Json

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


_ARRIVALS = """
with arrivals as (
    select *, properties_text::jsonb as properties
    from json_to_recordset(%(arrivals)s) as arrival (
        position integer, tenant_id text, event_id text, event_type text, event_name text, source text,
        occurred_at timestamptz, user_id text, anonymous_id text, is_test boolean, properties_text text,
        load_day date, batch_id bigint, line_number bigint
    )
)
"""

# The first wins: what is there, then the order of arrival. Contents are compared as PostgreSQL stores them.
ALREADY_THERE = f"""
{_ARRIVALS},
firsts as (
    select distinct on (tenant_id, event_id) *
    from (
        select -1 as position, e.tenant_id, e.event_id, e.event_type, e.event_name, e.source, e.occurred_at,
            e.user_id, e.anonymous_id, e.is_test, e.properties
        from raw.events as e
        join (select distinct tenant_id, event_id from arrivals) as asked
            on asked.tenant_id = e.tenant_id and asked.event_id = e.event_id
        union all
        select position, tenant_id, event_id, event_type, event_name, source, occurred_at,
            user_id, anonymous_id, is_test, properties
        from arrivals
    ) as known
    order by tenant_id, event_id, position
)
select a.position,
    row(a.event_type, a.event_name, a.source, a.occurred_at, a.user_id, a.anonymous_id, a.is_test, a.properties)
    is not distinct from
    row(f.event_type, f.event_name, f.source, f.occurred_at, f.user_id, f.anonymous_id, f.is_test, f.properties)
from arrivals as a
join firsts as f on f.tenant_id = a.tenant_id and f.event_id = a.event_id
where f.position < a.position
"""  # noqa: S608 - composed of constants of ours

WRITE = f"""
{_ARRIVALS}
insert into raw.events (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id,
    is_test, properties, load_day, batch_id, line_number)
select tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id,
    is_test, properties, load_day, batch_id, line_number
from arrivals
order by position
"""  # noqa: S608 - as above


def admit(connection: psycopg.Connection, arrivals: Sequence[Arrival]) -> list[Standing]:
    """Write the new ones among these events; say of each, in their order, what it was."""
    if not arrivals:
        return []
    rows = [
        {
            "position": position,
            "properties_text": row.pop("properties"),
            "load_day": arrival.load_day.isoformat(),
            "batch_id": arrival.batch_id,
            "line_number": arrival.line_number,
            **row,
            "occurred_at": arrival.event.metadata.timestamp.isoformat(),
        }
        for position, arrival in enumerate(arrivals)
        for row in [event_row(arrival.tenant_id, arrival.event)]
    ]
    repeated: dict[int, bool] = dict(connection.execute(ALREADY_THERE, {"arrivals": Json(rows)}).fetchall())
    connection.execute(WRITE, {"arrivals": Json([row for row in rows if row["position"] not in repeated])})
    return [_standing(repeated.get(position)) for position in range(len(rows))]


def conflict(event: AnalyticsEvent) -> Reason:
    """Why the second of two events with one id is refused."""
    return Reason(
        "metadata.event_id",
        "conflicting_duplicate",
        json.dumps(event.metadata.event_id, ensure_ascii=False),
        "an id of its own: another event with this id was first",
    )


def _standing(same_content: bool | None) -> Standing:  # noqa: FBT001 - the database's answer, or none
    if same_content is None:
        return Standing.NEW
    return Standing.DUPLICATE if same_content else Standing.CONFLICTING
