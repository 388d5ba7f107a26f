"""Entries as NDJSON, to be read or to be corrected in an editor; reading it back is in `importing`."""

import base64
from collections.abc import Iterator
from typing import Any

import psycopg

from analytics_dagster.ingest.quarantine.choice import CHOSEN, Choice, require_known
from analytics_dagster.ingest.report import UNKNOWN_TENANT

EXPORT = f"""
select q.entry_id, coalesce(q.tenant_id, '{UNKNOWN_TENANT}') as tenant, b.path as file, q.line_number as line,
    q.reasons, q.original
from raw.quarantine as q
join raw.batches as b using (batch_id)
where {CHOSEN}
order by q.entry_id
"""  # noqa: S608 - composed of constants of ours
FETCHED = 100  # at a time: a line can be 16 MiB


def exported(connection: psycopg.Connection, choice: Choice) -> Iterator[dict[str, Any]]:
    """The entries by their number, without holding them all; inside a transaction."""
    require_known(connection, choice.entry_ids or ())
    with connection.transaction(), connection.cursor("quarantine_export") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(EXPORT, choice.parameters())
        for entry_id, tenant, file, line, reasons, original in cursor:
            yield export_line(entry_id, tenant, file, line, reasons, original)


def export_line(
    entry_id: int, tenant: str, file: str, line: int | None, reasons: list[dict[str, Any]], original: bytes
) -> dict[str, Any]:
    fields = {"entry_id": entry_id, "tenant": tenant, "file": file, "line": line, "reasons": reasons}
    return fields | as_text("original", original)


def as_text(name: str, content: bytes) -> dict[str, str]:
    """Bytes as a field of JSON: as text, or as base64 when they are not UTF-8."""
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}
