"""CloudEvents 1.0 (JSON, structured or batched) -> the contract's events.

The envelope says who, when and what; `data` brings what of a native event it has no word for. The rest of the
envelope (`source`, `type`, extension attributes) is kept below `$cloudevents`.
"""

import re

from msgspec import Raw

from analytics_dagster.formats.format import Format
from analytics_dagster.formats.names import event_name_of
from analytics_dagster.formats.raw_json import (
    Fields,
    Text,
    encoded,
    fields_of,
    is_absent,
    on_one_line,
    required_text_of,
    text_of,
)
from analytics_dagster.formats.unmapped import UnmappedError
from analytics_dagster.schemas import AnalyticsChannelType

SPECIFICATION = "1.0"
TENANT = "tenantid"  # an extension attribute: lower case letters and digits only, says the specification
MAPPED = {"specversion", "id", "time", "subject", "datacontenttype", TENANT, "data"}
DATA = ("event_type", "anonymous_id", "is_test", "properties")
DEFAULT_CHANNEL = AnalyticsChannelType.BACKEND  # whose word is CloudEvents: services
_JSON_TYPE = re.compile(r"\s*[\w.+-]+/([\w.-]+\+)?json\s*(;.*)?", re.IGNORECASE)


def line(item: Text, tenant_id: str | None) -> bytes:
    fields = fields_of(item)
    version = required_text_of(fields, "specversion")
    if version != SPECIFICATION:
        raise UnmappedError(
            f"is not {SPECIFICATION}", "specversion", rule="unknown_version", value=bytes(fields["specversion"])
        )
    data = _data(fields)
    tenant_id = text_of(fields, TENANT) or tenant_id
    metadata = {
        "event_id": required_text_of(fields, "id"),
        **({} if tenant_id is None else {"tenant_id": tenant_id}),
        "source": _channel(required_text_of(fields, "source")),
        "timestamp": required_text_of(fields, "time", "must be given: a made-up time would differ on every repeat"),
        "user_id": text_of(fields, "subject"),
        **{name: data[name] for name in ("anonymous_id", "is_test") if not is_absent(data, name)},
    }
    event = {
        "metadata": metadata,
        "event_type": required_text_of(data, "event_type", where="data.event_type"),
        "event_name": event_name_of(required_text_of(fields, "type").rpartition(".")[2]),
        "properties": _properties(fields, data),
    }
    return on_one_line(encoded(event))


def _data(fields: Fields) -> Fields:
    media_type = text_of(fields, "datacontenttype")
    if media_type is not None and not _JSON_TYPE.fullmatch(media_type):
        raise UnmappedError(
            "is not JSON", "datacontenttype", rule="unknown_content", value=bytes(fields["datacontenttype"])
        )
    if is_absent(fields, "data"):
        raise UnmappedError("must be given, as a JSON object", "data", rule="missing")
    data = fields_of(fields["data"], "data")
    for name in data:
        if name not in DATA:
            raise UnmappedError(
                f"is none of {', '.join(DATA)}: put it into data.properties",
                f"data.{name}",
                rule="unknown_field",
                value=bytes(data[name]),
            )
    return data


def _channel(source: str) -> str:
    """`https://acme.example/mobile_app` says its channel; other sources are services."""
    last = source.rstrip("/").rpartition("/")[2]
    return last if last in set(AnalyticsChannelType) else DEFAULT_CHANNEL


def _properties(fields: Fields, data: Fields) -> Raw:
    own = b"{}" if is_absent(data, "properties") else bytes(data["properties"])
    if not own.startswith(b"{"):
        raise UnmappedError("is not a JSON object", "data.properties", rule="not_an_object", value=own)
    rest = encoded({name: value for name, value in fields.items() if name not in MAPPED})
    inner = own[1:-1].strip()
    return Raw(b'{"$cloudevents":' + rest + (b"," + inner if inner else b"") + b"}")


CLOUDEVENTS = Format(
    "cloudevents",
    line,
    {
        "metadata.event_id": "id",
        "metadata.tenant_id": TENANT,
        "metadata.timestamp": "time",
        "metadata.user_id": "subject",
        "metadata.anonymous_id": "data.anonymous_id",
        "metadata.is_test": "data.is_test",
        "event_type": "data.event_type",
        "event_name": "type",
    },
)
