"""What was done to a tenant: by whom, when, why, and what it was before and after. Written, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

Action = Literal["added", "changed", "taken over", "suspended", "resumed", "offboarded"]


@dataclass(frozen=True)
class HistoryEntry:
    at: datetime
    actor: str
    action: Action
    reason: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def record(
    connection: psycopg.Connection,
    tenant_id: str,
    action: Action,
    *,
    actor: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    reason: str | None = None,
) -> None:
    """Belongs into the transaction of what it tells about."""
    connection.execute(
        "insert into tenancy.tenant_history (tenant_id, actor, action, reason, before, after)"
        " values (%s, %s, %s, %s, %s, %s)",
        [tenant_id, actor, action, reason, None if before is None else Jsonb(dict(before)), Jsonb(dict(after))],
    )


def history(connection: psycopg.Connection, tenant_id: str) -> list[HistoryEntry]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(HistoryEntry)) as cursor:
        return cursor.execute(
            "select at, actor, action, reason, before, after from tenancy.tenant_history where tenant_id = %s"
            " order by entry_id desc",
            [tenant_id],
        ).fetchall()
