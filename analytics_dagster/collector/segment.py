"""Segment's calls -> the native form: a pure function of the message and the time it was received.

The same message gives the same event on every retry, so times are not corrected by `sentAt`, which differs
from one attempt to the next. What has no place of its own in the contract is kept below `$segment`.
"""

import re
import unicodedata
from functools import lru_cache, partial
from uuid import uuid4

from msgspec import Raw

from analytics_dagster.collector.envelope import Envelope
from analytics_dagster.collector.raw_json import (
    Fields,
    Text,
    encoded,
    fields_of,
    is_absent,
    items_of,
    label_of,
    on_one_line,
    raw,
    text_of,
)
from analytics_dagster.collector.refusal import RefusedError, invalid

USER_ACTION, PAGE_VIEW, SYSTEM = "user_action", "page_view", "system"

# call -> the event's type, its name (a track call brings its own), and the field that holds its properties
CALLS = {
    "track": (USER_ACTION, None, "properties"),
    "page": (PAGE_VIEW, "page_viewed", "properties"),
    "screen": (PAGE_VIEW, "screen_viewed", "properties"),
    "identify": (SYSTEM, "user_identified", "traits"),
    "group": (SYSTEM, "group_identified", "traits"),
    "alias": (SYSTEM, "user_aliased", "properties"),
}
ENVELOPE = {"writeKey", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "receivedAt"}

# words of a library's name, such as those of `analytics-react-native`
LIBRARIES = {
    "mobile_app": {"ios", "android", "swift", "kotlin", "native", "flutter", "xamarin", "unity"},
    "backend": {"node", "python", "java", "ruby", "go", "php", "net", "csharp", "rust", "clojure", "elixir", "scala"},
    "web_app": {"js", "next", "browser", "web"},
}
CHANNELS = {"browser": "web_app", "client": "web_app", "mobile": "mobile_app", "server": "backend"}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")


def envelope_of(call: str | None, body: bytes) -> Envelope:
    """The body of /v1/<call>; None: of /v1/batch."""
    fields = fields_of(body)
    key = text_of(fields, "writeKey")
    if call is not None:
        return Envelope(key, [raw({**fields, "type": call})], "")
    if "batch" not in fields:
        raise invalid("is missing", "batch")
    items: list[Text] = list(items_of(fields["batch"], "batch"))
    if not is_absent(fields, "context"):
        items = [_with_context(item, fields["context"]) for item in items]
    return Envelope(key, items, "batch[{}]")


ENVELOPES = {f"/v1/{call}": partial(envelope_of, call) for call in CALLS} | {"/v1/batch": partial(envelope_of, None)}


def line(item: Text, tenant_id: str, received: str) -> bytes:
    fields = fields_of(item)
    call = text_of(fields, "type")
    if call not in CALLS:
        raise invalid("is missing" if call is None else f"is none of {', '.join(CALLS)}", "type")
    event_type, event_name, properties = CALLS[call]
    if event_name is None:
        event_name = event_name_of(text_of(fields, "event") or "")
        if not event_name:
            raise invalid("is missing", "event")
    metadata = {
        "event_id": text_of(fields, "messageId") or str(uuid4()),
        "tenant_id": tenant_id,
        "source": source_of(fields),
        "timestamp": text_of(fields, "timestamp") or text_of(fields, "originalTimestamp") or received,
        "user_id": label_of(fields, "userId"),
        "anonymous_id": label_of(fields, "anonymousId"),
    }
    return on_one_line(
        encoded(
            {
                "metadata": metadata,
                "event_type": event_type,
                "event_name": event_name,
                "properties": _properties(fields, properties),
            }
        )
    )


def source_of(fields: Fields) -> str:
    """The channel: by the library's name, else by `channel`; who says neither speaks to the API by hand."""
    library = _library(fields)
    return (library and _source_of_library(library)) or CHANNELS.get(text_of(fields, "channel") or "", "api")


@lru_cache(maxsize=4096)
def event_name_of(name: str) -> str:
    """`Order Completed` -> `order_completed`; a name that has no such form stays, and quarantine shows it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.strip()) if not unicodedata.combining(c))
    if not plain.isascii():
        return name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return slug if _NAME.fullmatch(slug) else name


def _library(fields: Fields) -> str | None:
    try:
        context = fields_of(fields["context"])
        return text_of(fields_of(context["library"]), "name")
    except (KeyError, RefusedError):  # anything may stand in a context; it only helps to guess
        return None


@lru_cache(maxsize=1024)
def _source_of_library(name: str) -> str | None:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return next((source for source, known in LIBRARIES.items() if words & known), None)


def _properties(fields: Fields, name: str) -> Raw:
    """The producer's own properties, byte for byte, and the rest of the message beside them."""
    own = b"{}" if is_absent(fields, name) else bytes(fields[name])
    if not own.startswith(b"{"):
        raise invalid("is not a JSON object", name)
    rest = encoded({key: value for key, value in fields.items() if key not in ENVELOPE and key != name})
    inner = own[1:-1].strip()
    return Raw(b'{"$segment":' + rest + (b"," + inner if inner else b"") + b"}")


def _with_context(item: Text, context: Raw) -> Raw:
    fields = fields_of(item)
    return raw({"context": context, **{k: v for k, v in fields.items() if k != "context" or bytes(v) != b"null"}})
