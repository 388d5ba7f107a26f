"""Which entries a command is about: by number, or by what they have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError


class Status(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


# of `raw.quarantine as q join raw.batches as b using (batch_id)`; what is not asked for is true of every row
CHOSEN = """
(%(ids)s::bigint[] is null or q.entry_id = any(%(ids)s))
    and (%(status)s::text is null or q.status = %(status)s)
    and (%(tenant)s::text is null or coalesce(q.tenant_id, '(unknown)') = %(tenant)s)
    and (%(reason)s::jsonb is null or q.reasons @> %(reason)s)
    and (%(since)s::date is null or q.load_day >= %(since)s)
    and (%(until)s::date is null or q.load_day <= %(until)s)
    and (%(file)s::text is null or position(%(file)s in b.path) > 0)
"""


@dataclass(frozen=True)
class Choice:
    """Nothing said chooses everything; `tenant` may be '(unknown)'."""

    entry_ids: tuple[int, ...] | None = None
    status: Status | None = None
    tenant: str | None = None
    rule: str | None = None
    field: str | None = None
    since: date | None = None
    until: date | None = None
    file: str | None = None  # a part of its path

    def parameters(self) -> dict[str, Any]:
        reason = {name: value for name, value in (("rule", self.rule), ("field", self.field)) if value is not None}
        return {
            "ids": None if self.entry_ids is None else list(self.entry_ids),
            "status": self.status,
            "tenant": self.tenant,
            "reason": Jsonb([reason]) if reason else None,
            "since": self.since,
            "until": self.until,
            "file": self.file,
        }


OPEN = Choice(status=Status.OPEN)


def require_known(connection: psycopg.Connection, entry_ids: Sequence[int]) -> None:
    rows = connection.execute("select entry_id from raw.quarantine where entry_id = any(%s)", [list(entry_ids)])
    missing = sorted(set(entry_ids) - {entry_id for (entry_id,) in rows})
    if missing:
        raise AnalyticsError(
            f"the quarantine has no {numbered(missing)}", remedy="analytics-dagster quarantine list shows what it has"
        )


def numbered(entry_ids: Iterable[int], shown: int = 5) -> str:
    """`entry 3`, `entries 3, 5`, `entries 1, 2, 3, 4, 5 and 7 more`."""
    found = sorted(entry_ids)
    words = ", ".join(str(entry_id) for entry_id in found[:shown])
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return f"{'entry' if len(found) == 1 else 'entries'} {words}{more}"
