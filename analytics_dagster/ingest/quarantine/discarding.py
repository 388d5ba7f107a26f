"""Entries that are given up: they stay, with the reason and who said so, and still count as quarantined."""

import psycopg

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.loading import LOCK
from analytics_dagster.ingest.quarantine.choice import CHOSEN, Choice, numbered, require_known

DISCARD = f"""
with discarded as (
    update raw.quarantine set status = 'discarded'
    where entry_id in (
        select q.entry_id from raw.quarantine as q join raw.batches as b using (batch_id) where {CHOSEN}
    ) and status = 'open'
    returning entry_id
)
insert into raw.quarantine_history (entry_id, actor, action, detail)
select entry_id, %(actor)s, 'discard', jsonb_build_object('reason', %(why)s::text) from discarded order by entry_id
"""  # noqa: S608 - composed of constants of ours


def discard(connection: psycopg.Connection, choice: Choice, *, reason: str, actor: str) -> int:
    """How many entries it discarded now; those that were discarded before are left as they are."""
    if not reason.strip():
        raise AnalyticsError("discarding needs a reason", remedy="say why these lines are given up")
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        if choice.entry_ids is not None:
            require_known(connection, choice.entry_ids)
            _require_none_replayed(connection, choice.entry_ids)
        return connection.execute(DISCARD, {**choice.parameters(), "actor": actor, "why": reason.strip()}).rowcount


def _require_none_replayed(connection: psycopg.Connection, entry_ids: tuple[int, ...]) -> None:
    rows = connection.execute(
        "select entry_id from raw.quarantine where entry_id = any(%s) and status = 'replayed'", [list(entry_ids)]
    ).fetchall()
    if rows:
        raise AnalyticsError(
            f"{numbered(entry_id for (entry_id,) in rows)} cannot be discarded: replayed already",
            remedy="leave them out; a replayed line is an event, or a duplicate of one",
        )
