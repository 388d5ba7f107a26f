"""The quarantine at a glance: lines newest first, and how many there are for each reason.

The same bytes of one tenant, met again in other files or lines, are entries of their own and one line here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from analytics_dagster.ingest.quarantine.choice import CHOSEN, Choice

LISTING = f"""
with matching as (
    -- an entry about a whole file has no hash, and stands alone
    select max(q.entry_id) as entry_id, array_agg(q.entry_id order by q.entry_id) as entry_ids
    from raw.quarantine as q
    join raw.batches as b using (batch_id)
    where {CHOSEN}
    group by q.status, q.tenant_id, coalesce(encode(q.original_sha256, 'hex'), q.entry_id::text)
    having %(before)s::bigint is null or max(q.entry_id) < %(before)s
    order by 1 desc
    limit %(limit)s
)
select q.entry_id, m.entry_ids, q.status, coalesce(q.tenant_id, '(unknown)') as tenant_id, q.load_day,
    b.path as file, q.line_number, q.reasons, seen.first_seen, seen.last_seen, seen.times_seen
from matching as m
join raw.quarantine as q on q.entry_id = m.entry_id
join raw.batches as b using (batch_id)
cross join lateral (
    select min(s.quarantined_at) as first_seen, max(s.quarantined_at) as last_seen, count(*) as times_seen
    from raw.quarantine as s
    where s.entry_id = q.entry_id
        or (s.original_sha256 = q.original_sha256 and s.tenant_id is not distinct from q.tenant_id)
) as seen
order by q.entry_id desc
"""  # noqa: S608 - composed of constants of ours

COUNTS = f"""
select coalesce(q.tenant_id, '(unknown)') as tenant_id, reason ->> 'rule' as rule, reason ->> 'field' as field,
    count(distinct q.entry_id) as entries, min(q.load_day) as first_day, max(q.load_day) as last_day
from raw.quarantine as q
join raw.batches as b using (batch_id)
cross join lateral jsonb_array_elements(q.reasons) as reason
where {CHOSEN} and (%(reason)s::jsonb is null or reason @> (%(reason)s::jsonb -> 0))
group by 1, 2, 3
order by entries desc, 1, 2, 3
"""  # noqa: S608 - as above


@dataclass(frozen=True)
class Listed:
    entry_id: int  # the newest of entry_ids
    entry_ids: Sequence[int]  # those chosen that hold the same bytes, of the same tenant, in the same status
    status: str
    tenant_id: str
    load_day: date
    file: str
    line_number: int | None
    reasons: Sequence[dict[str, Any]]
    first_seen: datetime
    last_seen: datetime
    times_seen: int  # in any status


@dataclass(frozen=True)
class Count:
    """An entry with several reasons counts for each of them."""

    tenant_id: str
    rule: str
    field: str
    entries: int
    first_day: date
    last_day: date


def listing(
    connection: psycopg.Connection, choice: Choice, *, limit: int | None = None, before: int | None = None
) -> list[Listed]:
    """A page; the next one begins `before` the last entry_id of this one."""
    with connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(LISTING, {**choice.parameters(), "limit": limit, "before": before}).fetchall()


def counts(connection: psycopg.Connection, choice: Choice) -> list[Count]:
    with connection.cursor(row_factory=class_row(Count)) as cursor:
        return cursor.execute(COUNTS, choice.parameters()).fetchall()
