"""Segment's messages -> the contract's events: track, page, screen, identify, group, alias.

The same message gives the same event on every retry, so times are not corrected by `sentAt`, which differs
from one attempt to the next. What has no place of its own in the contract is kept below `$segment`.
"""

import re
from functools import lru_cache

from msgspec import Raw

from analytics_dagster.formats.format import Format
from analytics_dagster.formats.names import event_name_of
from analytics_dagster.formats.raw_json import (
    Fields,
    Text,
    encoded,
    fields_of,
    is_absent,
    label_of,
    on_one_line,
    required_text_of,
    text_of,
)
from analytics_dagster.formats.unmapped import UnmappedError

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


def line(item: Text, tenant_id: str | None) -> bytes:
    return line_of_fields(fields_of(item), tenant_id)


def line_of_fields(fields: Fields, tenant_id: str | None) -> bytes:
    call = required_text_of(fields, "type")
    if call not in CALLS:
        raise UnmappedError(f"is none of {', '.join(CALLS)}", "type", rule="unknown_call", value=bytes(fields["type"]))
    event_type, event_name, properties = CALLS[call]
    metadata = {
        "event_id": required_text_of(fields, "messageId", "must be given: without it no repeat is recognised"),
        "source": source_of(fields),
        "timestamp": text_of(fields, "timestamp") or text_of(fields, "originalTimestamp"),
        "user_id": label_of(fields, "userId"),
        "anonymous_id": label_of(fields, "anonymousId"),
    }
    if metadata["timestamp"] is None:
        raise UnmappedError("must be given, or originalTimestamp", "timestamp", rule="missing")
    if tenant_id is not None:
        metadata["tenant_id"] = tenant_id
    return on_one_line(
        encoded(
            {
                "metadata": metadata,
                "event_type": event_type,
                "event_name": event_name or event_name_of(required_text_of(fields, "event")),
                "properties": _properties(fields, properties),
            }
        )
    )


def source_of(fields: Fields) -> str:
    """The channel: by the library's name, else by `channel`; who says neither speaks to the API by hand."""
    library = _library(fields)
    return (library and _source_of_library(library)) or CHANNELS.get(text_of(fields, "channel") or "", "api")


def _library(fields: Fields) -> str | None:
    try:
        context = fields_of(fields["context"])
        return text_of(fields_of(context["library"]), "name")
    except (KeyError, UnmappedError):  # anything may stand in a context; it only helps to guess
        return None


@lru_cache(maxsize=1024)
def _source_of_library(name: str) -> str | None:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return next((source for source, known in LIBRARIES.items() if words & known), None)


def _properties(fields: Fields, name: str) -> Raw:
    """The producer's own properties, byte for byte, and the rest of the message beside them."""
    own = b"{}" if is_absent(fields, name) else bytes(fields[name])
    if not own.startswith(b"{"):
        raise UnmappedError("is not a JSON object", name, rule="not_an_object", value=own)
    rest = encoded({key: value for key, value in fields.items() if key not in ENVELOPE and key != name})
    inner = own[1:-1].strip()
    return Raw(b'{"$segment":' + rest + (b"," + inner if inner else b"") + b"}")


SEGMENT = Format(
    "segment",
    line,
    {
        "metadata.event_id": "messageId",
        "metadata.timestamp": "timestamp",
        "metadata.user_id": "userId",
        "metadata.anonymous_id": "anonymousId",
        "event_name": "event",
    },
)
