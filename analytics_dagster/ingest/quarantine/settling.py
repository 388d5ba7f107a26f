"""What a replay leaves behind: the entries' new state, their history, the books, and the days that are due again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster.ingest.quarantine.choice import Status
from analytics_dagster.ingest.report import UNKNOWN_TENANT, Tally

SETTLE = """
with settled as (
    select * from unnest(
        %(ids)s::bigint[], %(statuses)s::text[], %(tenants)s::text[], %(reasons)s::jsonb[], %(outcomes)s::text[],
        %(corrections)s::bytea[]
    ) as s (entry_id, status, tenant_id, reasons, outcome, correction)
),
history as (
    insert into raw.quarantine_history (entry_id, actor, action, detail, original_before)
    select q.entry_id, %(actor)s, 'replay',
        jsonb_build_object('outcome', s.outcome, 'reasons_before', q.reasons),
        case when s.correction is not null then q.original end
    from settled as s
    join raw.quarantine as q using (entry_id)
    order by q.entry_id
)
update raw.quarantine as q
set status = s.status, tenant_id = s.tenant_id, reasons = coalesce(s.reasons, q.reasons),
    original = coalesce(s.correction, q.original)
from settled as s
where q.entry_id = s.entry_id
"""

# Lines move between the accounts of a file, and from one tenant's to another's when it was unknown whose they are.
MOVE = """
insert into raw.accounts as a (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict (batch_id, tenant_id) do update set
    received = a.received + excluded.received,
    accepted = a.accepted + excluded.accepted,
    duplicate = a.duplicate + excluded.duplicate,
    quarantined = a.quarantined + excluded.quarantined
"""


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICTING = "conflicting"
    REFUSED = "refused"

    @property
    def stays_open(self) -> bool:
        return self in {Outcome.CONFLICTING, Outcome.REFUSED}


@dataclass(frozen=True)
class Settled:
    entry_id: int
    batch_id: int
    load_day: date
    tenant_before: str | None
    tenant_id: str | None
    outcome: Outcome
    reasons_before: Sequence[Mapping[str, Any]]
    reasons: Sequence[Mapping[str, Any]]
    correction: bytes | None

    @property
    def changed(self) -> bool:
        return (
            not self.outcome.stays_open
            or self.correction is not None
            or self.tenant_id != self.tenant_before
            or self.reasons != self.reasons_before
        )


def settle(connection: psycopg.Connection, lines: Sequence[Settled], actor: str) -> dict[date, Tally]:
    """Write what changed; return what became of the lines of each loading day whose books it changed."""
    changed = [line for line in lines if line.changed]
    connection.execute(
        SETTLE,
        {
            "ids": [line.entry_id for line in changed],
            "statuses": [Status.OPEN if line.outcome.stays_open else Status.REPLAYED for line in changed],
            "tenants": [line.tenant_id for line in changed],
            "reasons": [None if line.reasons == line.reasons_before else Jsonb(line.reasons) for line in changed],
            "outcomes": [line.outcome for line in changed],
            "corrections": [line.correction for line in changed],
            "actor": actor,
        },
    )
    moves: dict[tuple[int, str, date], Tally] = {}
    days: dict[date, Tally] = {}
    for line in changed:
        before = (line.batch_id, line.tenant_before or UNKNOWN_TENANT, line.load_day)
        after = (line.batch_id, line.tenant_id or UNKNOWN_TENANT, line.load_day)
        if before == after and line.outcome.stays_open:
            continue
        tally = _tally(line.outcome)
        moves[before] = moves.get(before, Tally()) + Tally(received=-1, quarantined=-1)
        moves[after] = moves.get(after, Tally()) + tally
        days[line.load_day] = days.get(line.load_day, Tally()) + tally
    _move(connection, moves)
    return days


def write_replays(connection: psycopg.Connection, days: Mapping[date, Tally], actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.replays (load_day, accepted, duplicate, actor) values (%s, %s, %s, %s)",
            [(day, tally.accepted, tally.duplicate, actor) for day, tally in sorted(days.items())],
        )


def _tally(outcome: Outcome) -> Tally:
    match outcome:
        case Outcome.ACCEPTED:
            return Tally(received=1, accepted=1)
        case Outcome.DUPLICATE:
            return Tally(received=1, duplicate=1)
        case Outcome.CONFLICTING | Outcome.REFUSED:
            return Tally(received=1, quarantined=1)


def _move(connection: psycopg.Connection, moves: Mapping[tuple[int, str, date], Tally]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            MOVE,
            [
                (*account, tally.received, tally.accepted, tally.duplicate, tally.quarantined)
                for account, tally in sorted(moves.items())
            ],
        )
    connection.execute(
        "delete from raw.accounts where received = 0 and batch_id = any(%s)",
        [sorted({batch_id for batch_id, _, _ in moves})],
    )
