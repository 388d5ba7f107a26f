"""Segment's calls over HTTP: what a body holds, and what a message leaves out that only the receiver can say.

What a message means is decided in `formats.segment`, for files too.
"""

from functools import partial
from uuid import uuid4

from msgspec import Raw

from analytics_dagster.collector.envelope import Envelope
from analytics_dagster.formats.raw_json import Text, fields_of, is_absent, items_of, raw, text_of
from analytics_dagster.formats.segment import CALLS, line_of_fields
from analytics_dagster.formats.unmapped import UnmappedError


def envelope_of(call: str | None, body: bytes) -> Envelope:
    """The body of /v1/<call>; None: of /v1/batch."""
    fields = fields_of(body)
    key = text_of(fields, "writeKey")
    if call is not None:
        return Envelope(key, [raw({**fields, "type": call})], "")
    if "batch" not in fields:
        raise UnmappedError("is missing", "batch", rule="missing")
    items: list[Text] = list(items_of(fields["batch"], "batch"))
    if not is_absent(fields, "context"):
        items = [_with_context(item, fields["context"]) for item in items]
    return Envelope(key, items, "batch[{}]")


ENVELOPES = {f"/v1/{call}": partial(envelope_of, call) for call in CALLS} | {"/v1/batch": partial(envelope_of, None)}


def line(item: Text, tenant_id: str, received: str) -> bytes:
    fields = fields_of(item)
    if not text_of(fields, "messageId"):
        fields["messageId"] = raw(str(uuid4()))
    if not (text_of(fields, "timestamp") or text_of(fields, "originalTimestamp")):
        fields["timestamp"] = raw(received)
    return line_of_fields(fields, tenant_id)


def _with_context(item: Text, context: Raw) -> Raw:
    fields = fields_of(item)
    return raw({"context": context, **{k: v for k, v in fields.items() if k != "context" or bytes(v) != b"null"}})
