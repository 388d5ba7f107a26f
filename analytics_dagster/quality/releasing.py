"""A person takes a held load on as it is. It is written down who and why, and stands as long as the load is the same.

The marts follow in the next build: the loading day is due by that. What a replay or new files repair is released by the
gate itself (recording.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.recording import take_turns
from analytics_dagster.quality.scores import write_states
from analytics_dagster.tenancy.registry import unknown

TAKEN = """
delete from quality.holds where tenant_id = %(tenant)s and load_day = %(day)s returning reasons, held_at
"""

RELEASED = """
insert into quality.releases (tenant_id, load_day, content, reasons, held_at, how, actor, reason)
values (
    %(tenant)s, %(day)s, (select content from quality.loads where tenant_id = %(tenant)s and load_day = %(day)s),
    %(reasons)s, %(held_at)s, 'person', %(actor)s, %(why)s
)
returning release_id, tenant_id, load_day, content, reasons, held_at, released_at, actor, reason
"""


class NotHeldError(AnalyticsError):
    """There is nothing to release."""


@dataclass(frozen=True)
class Release:
    release_id: int
    tenant_id: str
    load_day: date
    content: str | None  # None: the load had not been judged
    reasons: Sequence[str]  # why it was held
    held_at: datetime
    released_at: datetime
    actor: str
    reason: str


def release(connection: psycopg.Connection, tenant_id: str, load_day: date, *, actor: str, reason: str) -> Release:
    if not reason.strip():
        raise AnalyticsError("a release needs a reason", remedy="say why this load is taken on as it is")
    with connection.transaction():
        take_turns(connection)
        if not connection.execute("select from tenancy.tenants where tenant_id = %s", [tenant_id]).rowcount:
            raise unknown(connection, tenant_id)
        held = connection.execute(TAKEN, {"tenant": tenant_id, "day": load_day}).fetchone()
        if held is None:
            raise _not_held(connection, tenant_id, load_day)
        reasons, held_at = held
        with connection.cursor(row_factory=class_row(Release)) as cursor:
            (released,) = cursor.execute(
                RELEASED,
                {
                    "tenant": tenant_id,
                    "day": load_day,
                    "reasons": Jsonb(reasons),
                    "held_at": held_at,
                    "actor": actor,
                    "why": reason.strip(),
                },
            ).fetchall()
        write_states(connection, {(load_day, tenant_id): "released"})
    return released


def _not_held(connection: psycopg.Connection, tenant_id: str, load_day: date) -> NotHeldError:
    held = connection.execute(
        "select load_day from quality.holds where tenant_id = %s order by load_day", [tenant_id]
    ).fetchall()
    days = ", ".join(day.isoformat() for (day,) in held)
    return NotHeldError(
        f"the load of {load_day} is not held",
        where=f"tenant {tenant_id}",
        remedy=f"held are its loads of {days}" if held else "none of its loads is: analytics-dagster quality list",
    )
