"""One entry wholly: where it came from, its bytes, its reasons, how often its bytes were met, what was done to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from analytics_dagster.ingest.quarantine.choice import require_known

ENTRY = """
select q.entry_id, q.status, coalesce(q.tenant_id, '(unknown)') as tenant_id, q.load_day, b.path as file,
    q.line_number, q.original, q.reasons, seen.first_seen, seen.last_seen, seen.entry_ids
from raw.quarantine as q
join raw.batches as b using (batch_id)
cross join lateral (
    select min(s.quarantined_at) as first_seen, max(s.quarantined_at) as last_seen,
        array_agg(s.entry_id order by s.entry_id) as entry_ids
    from raw.quarantine as s
    where s.entry_id = q.entry_id
        or (s.original_sha256 = q.original_sha256 and s.tenant_id is not distinct from q.tenant_id)
) as seen
where q.entry_id = %s
"""

HISTORY = """
select recorded_at, actor, action, detail, original_before
from raw.quarantine_history where entry_id = %s order by history_id
"""


@dataclass(frozen=True)
class HistoryLine:
    recorded_at: datetime
    actor: str
    action: str
    detail: dict[str, Any]
    original_before: bytes | None  # there when the line was edited


@dataclass(frozen=True)
class Entry:
    entry_id: int
    status: str
    tenant_id: str
    load_day: date
    file: str
    line_number: int | None
    original: bytes
    reasons: Sequence[dict[str, Any]]
    first_seen: datetime
    last_seen: datetime
    entry_ids: Sequence[int]  # every entry with the same bytes of the same tenant, this one among them


def entry(connection: psycopg.Connection, entry_id: int) -> tuple[Entry, list[HistoryLine]]:
    require_known(connection, [entry_id])
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        (found,) = cursor.execute(ENTRY, [entry_id]).fetchall()
    with connection.cursor(row_factory=class_row(HistoryLine)) as cursor:
        return found, cursor.execute(HISTORY, [entry_id]).fetchall()
