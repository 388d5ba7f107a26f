"""A tenant that was registered after its first lines came: they are judged again, and become its own."""

import json

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster.ingest.landing import claimed_tenant
from analytics_dagster.ingest.loading import LOCK
from analytics_dagster.ingest.quarantine.choice import Choice
from analytics_dagster.ingest.quarantine.replaying import ReplayReport, replay
from analytics_dagster.schemas.event_contract import NO_EVENT_CONTRACTS, EventRegistry

# Open lines that nobody registered owns, by file: one that came in the tenant's folder, and one that names it.
FILES = """
select distinct b.batch_id, b.path
from raw.quarantine as q
join raw.batches as b using (batch_id)
where q.status = 'open' and q.line_number is not null and q.tenant_id is null
"""
WAITING = """
select entry_id from raw.quarantine
where status = 'open' and line_number is not null and (
    (tenant_id is null and batch_id = any(%(own)s))
    or (tenant_id is null and batch_id = any(%(mixed)s) and position(%(named)s in original) > 0)
    or reasons @> %(unknown)s
)
"""


def release_tenant(
    connection: psycopg.Connection,
    tenant_id: str,
    *,
    actor: str = "registration",
    registry: EventRegistry = NO_EVENT_CONTRACTS,
) -> ReplayReport:
    """Replay what waited for this tenant; call it in the transaction that registers, so that no load slips between.

    Lines of its own folder that are broken stay in quarantine, but in the tenant's account.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        claims = {batch_id: claimed_tenant(path) for batch_id, path in connection.execute(FILES)}
        rows = connection.execute(
            WAITING,
            {
                "own": [batch_id for batch_id, claim in claims.items() if claim == tenant_id],
                "mixed": [batch_id for batch_id, claim in claims.items() if claim is None],
                "named": json.dumps(tenant_id).encode(),
                "unknown": Jsonb([{"rule": "unknown_tenant", "value": json.dumps(tenant_id)}]),
            },
        )
        choice = Choice(entry_ids=tuple(entry_id for (entry_id,) in rows))
        return replay(connection, choice, actor=actor, registry=registry)
