"""The books of loading days: what each tenant sent, and where every line of it is now.

The identity received = accepted + duplicate + quarantined is a constraint of the table; here the books are
compared with the rows that are really there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

BOOKS = """
with accounts as (
    select tenant_id, sum(received) as received, sum(accepted) as accepted,
        sum(duplicate) as duplicate, sum(quarantined) as quarantined
    from raw.accounts where load_day = any(%(days)s) group by tenant_id
),
events as (
    select tenant_id, count(*) as rows from raw.events where load_day = any(%(days)s) group by tenant_id
),
quarantine as (
    -- an entry without a line number is about a file, not about a line; a replayed one is accepted or a duplicate
    select coalesce(tenant_id, '(unknown)') as tenant_id, count(*) as rows
    from raw.quarantine
    where load_day = any(%(days)s) and line_number is not null and status <> 'replayed' group by 1
)
select
    coalesce(a.tenant_id, e.tenant_id, q.tenant_id) as tenant_id,
    coalesce(a.received, 0)::bigint, coalesce(a.accepted, 0)::bigint,
    coalesce(a.duplicate, 0)::bigint, coalesce(a.quarantined, 0)::bigint,
    coalesce(e.rows, 0)::bigint, coalesce(q.rows, 0)::bigint
from accounts as a
full join events as e on e.tenant_id = a.tenant_id
full join quarantine as q on q.tenant_id = coalesce(a.tenant_id, e.tenant_id)
order by 1
"""


@dataclass(frozen=True)
class Book:
    tenant_id: str
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    event_rows: int
    quarantine_rows: int

    @property
    def balances(self) -> bool:
        return (
            self.received == self.accepted + self.duplicate + self.quarantined
            and self.accepted == self.event_rows
            and self.quarantined == self.quarantine_rows
        )


def books(connection: psycopg.Connection, load_days: Sequence[date]) -> list[Book]:
    """A line for each tenant that had anything on these loading days."""
    return [Book(*row) for row in connection.execute(BOOKS, {"days": list(load_days)})]
