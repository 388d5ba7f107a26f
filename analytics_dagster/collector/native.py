"""The native form: one event, an array, NDJSON, or {"write_key": …, "events": […]} where no header can be set.

Looks at the envelope only; the contract is checked when the file is loaded, and what breaks it is kept in
quarantine with its reasons instead of being lost at the door.
"""

from uuid import uuid4

from msgspec import Raw

from analytics_dagster.collector.envelope import Envelope
from analytics_dagster.collector.refusal import RefusedError, invalid
from analytics_dagster.formats.raw_json import (
    Text,
    encoded,
    fields_of,
    is_absent,
    items_of,
    on_one_line,
    raw,
    text_of,
)
from analytics_dagster.formats.unmapped import UnmappedError


def envelope(body: bytes) -> Envelope:
    if body.lstrip()[:1] == b"[":
        return Envelope(None, items_of(body), "[{}]")
    try:
        fields = fields_of(body)
    except UnmappedError:
        if b"\n" not in body.strip():
            raise
        return _lines(body)
    if "events" in fields and "metadata" not in fields:
        return Envelope(text_of(fields, "write_key"), items_of(fields["events"], "events"), "events[{}]")
    return Envelope(None, [body], "")


def line(item: Text, tenant_id: str, received: str) -> bytes:
    """The line of the landing file: as it was sent, or with what the sender left out."""
    fields = fields_of(item)
    for name in ("metadata", "event_type", "event_name"):
        if name not in fields:
            raise invalid("is missing", name)
    metadata = fields_of(fields["metadata"], "metadata")
    if "source" not in metadata:
        raise invalid("is missing", "metadata.source")
    missing: dict[str, Raw] = {}
    named = text_of(metadata, "tenant_id", "metadata.tenant_id")
    if named is None:
        missing["tenant_id"] = raw(tenant_id)
    elif named != tenant_id:
        raise RefusedError(403, "is not the tenant of the write key", where="metadata.tenant_id", remedy="leave it out")
    if is_absent(metadata, "event_id"):
        missing["event_id"] = raw(str(uuid4()))
    if is_absent(metadata, "timestamp"):
        missing["timestamp"] = raw(received)
    if not missing:
        return on_one_line(bytes(item))
    return on_one_line(encoded(fields | {"metadata": raw(metadata | missing)}))


def _lines(body: bytes) -> Envelope:
    items: list[Text] = []
    numbers = []
    for number, text in enumerate(body.split(b"\n"), start=1):
        if text.strip():
            items.append(text)
            numbers.append(number)
    return Envelope(None, items, "line {}", numbers)
