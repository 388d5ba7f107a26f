"""Events as columns: the fields of the contract by their own names, `properties`, and `properties.<name>`.

What CSV and Parquet have in common. An empty column is absent.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analytics_dagster.formats.raw_json import fields_of, on_one_line
from analytics_dagster.ingest.blocks import reason
from analytics_dagster.ingest.verdict import Reason
from analytics_dagster.schemas import AnalyticsEvent, AnalyticsMetadata

METADATA = "metadata"
PROPERTIES = "properties"
OWN = "properties."  # a column for one property
ENVELOPE = frozenset(AnalyticsMetadata.model_fields)
EVENT = tuple(name for name in AnalyticsEvent.model_fields if name not in {METADATA, PROPERTIES})
KNOWN = f"{', '.join([*AnalyticsMetadata.model_fields, *EVENT, PROPERTIES])} or {OWN}<name>"


def told_as(field: str) -> str:
    """A reason names the column."""
    return field.removeprefix(f"{METADATA}.")


def problems_of(columns: Sequence[str]) -> tuple[Reason, ...]:
    """Why no row below such a header can be understood."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    unknown = [name for name in columns if not _known(name)]
    return (
        *(reason(name, "duplicate_column", None, "each column once in the header") for name in repeated),
        *(reason(name or "(no name)", "unknown_column", None, f"one of {KNOWN}") for name in dict.fromkeys(unknown)),
    )


def _known(name: str) -> bool:
    return name in ENVELOPE or name in EVENT or name == PROPERTIES or (name.startswith(OWN) and name != OWN)


def line_of(values: Mapping[str, Any], claimed_tenant: str | None) -> bytes:
    """`values` without those that are absent. A record that names no tenant is its folder's."""
    own = {name.removeprefix(OWN): value for name, value in values.items() if name.startswith(OWN)}
    return event_line(
        {name: value for name, value in values.items() if name in ENVELOPE},
        {name: values[name] for name in EVENT if name in values},
        values.get(PROPERTIES),
        own,
        claimed_tenant,
    )


def event_line(
    metadata: Any, event: Mapping[str, Any], properties: Any, own: Mapping[str, Any], claimed_tenant: str | None
) -> bytes:
    if isinstance(metadata, Mapping) and claimed_tenant is not None and "tenant_id" not in metadata:
        metadata = {**metadata, "tenant_id": claimed_tenant}
    inner = [part for part in (_inside(properties), _text(own)[1:-1].encode()) if part]
    head = _text({METADATA: metadata, **event})[:-1].encode()
    return b"%b,%b{%b}}" % (head, b'"properties":', b",".join(inner))


def _inside(properties: Any) -> bytes:
    """What stands between the braces: text is JSON already, and stays the bytes that were sent."""
    if properties is None:
        return b""
    if isinstance(properties, Mapping):
        return _text(properties)[1:-1].encode()
    text = properties.encode() if isinstance(properties, str) else _text(properties).encode()
    fields_of(text, PROPERTIES)  # an object and nothing else, or it could close the event early
    return on_one_line(text.strip())[1:-1].strip()


def _text(value: Any) -> str:
    # not msgspec's: it writes NaN as null, and the contract would not see it
    return json.dumps(value, ensure_ascii=False)
