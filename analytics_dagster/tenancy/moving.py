"""The moves of a tenant's life, each with all that follows from it, in one transaction.

Suspended: events are still taken in, but its keys are refused, its readers see nothing, and no work is due for it.
Offboarded: keys, role and publication are gone for ever; what it left behind stays until an erasure takes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from analytics_dagster.tenancy import bi
from analytics_dagster.tenancy.history import Action, record
from analytics_dagster.tenancy.lifecycle import Move, Status, after
from analytics_dagster.tenancy.registry import registry_lock, unknown
from analytics_dagster.warehouse.roles import drop_tenant_role, restore_tenant_role, withdraw_tenant_role

TOLD_AS: dict[Move, Action] = {Move.SUSPEND: "suspended", Move.RESUME: "resumed", Move.OFFBOARD: "offboarded"}


def suspend(connection: psycopg.Connection, tenant_id: str, *, actor: str, reason: str | None) -> None:
    with _moved(connection, tenant_id, Move.SUSPEND, actor, reason):
        withdraw_tenant_role(connection, tenant_id)
        _unpublish(connection, tenant_id)


def resume(connection: psycopg.Connection, tenant_id: str, *, actor: str, reason: str | None) -> None:
    """Its publication is missing, so that is due, and with it whatever stands on a publication."""
    with _moved(connection, tenant_id, Move.RESUME, actor, reason):
        restore_tenant_role(connection, tenant_id)


def offboard(connection: psycopg.Connection, tenant_id: str, *, actor: str, reason: str) -> None:
    with _moved(connection, tenant_id, Move.OFFBOARD, actor, reason):
        connection.execute(
            "update tenancy.write_keys set revoked_at = clock_timestamp() where tenant_id = %s and revoked_at is null",
            [tenant_id],
        )
        bi.revoke_all_of(connection, tenant_id, actor=actor)
        drop_tenant_role(connection, tenant_id)
        _unpublish(connection, tenant_id)


@contextmanager
def _moved(
    connection: psycopg.Connection, tenant_id: str, move: Move, actor: str, reason: str | None
) -> Iterator[None]:
    with registry_lock(connection):
        # a publication that is under way holds the row: it ends first, and what it published is taken back here
        row = connection.execute(
            "select status from tenancy.tenants where tenant_id = %s for update", [tenant_id]
        ).fetchone()
        if row is None:
            raise unknown(connection, tenant_id)
        before = Status(row[0])
        now = after(before, move, tenant_id=tenant_id)
        connection.execute("update tenancy.tenants set status = %s where tenant_id = %s", [now, tenant_id])
        record(
            connection,
            tenant_id,
            TOLD_AS[move],
            actor=actor,
            reason=reason,
            before={"status": before},
            after={"status": now},
        )
        yield


def _unpublish(connection: psycopg.Connection, tenant_id: str) -> None:
    connection.execute("delete from tenancy.publications where tenant_id = %s", [tenant_id])
