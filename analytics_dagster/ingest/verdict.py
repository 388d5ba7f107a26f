"""One line, exactly: the event it holds, or every reason why it is refused.

The contract (`AnalyticsEvent`, and the registry for its properties) decides; around it stand the few rules that are
about lines and not about events. Slow by comparison: `checking` asks here only what SQL cannot say with certainty.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from analytics_dagster.ingest.intake import Intake
from analytics_dagster.schemas import AnalyticsEvent, AnalyticsMetadata
from analytics_dagster.schemas.base import needed_on_the_wire
from analytics_dagster.schemas.event_contract import EventContract

LONGEST_LINE = 1 << 20
SHOWN = 80
LINE = "line"  # the field of a reason that is about the line as a whole
_NEEDED_METADATA = [name for name, info in AnalyticsMetadata.model_fields.items() if needed_on_the_wire(info)]


@dataclass(frozen=True)
class Reason:
    field: str
    rule: str
    value: str | None  # as JSON, shortened
    expected: str

    def as_json(self) -> dict[str, str | None]:
        return {"field": self.field, "rule": self.rule, "value": self.value, "expected": self.expected}


@dataclass(frozen=True)
class Refusal:
    tenant_id: str | None  # the registered tenant that the line, else the folder, belongs to
    reasons: tuple[Reason, ...]


def judge(line: bytes, claimed_tenant: str | None, intake: Intake) -> tuple[str, AnalyticsEvent] | Refusal:
    """An accepted event and its tenant, or the refusal; the lines of offboarded tenants are theirs, and refused.

    Every rule that is broken is a reason, in this order: the fields of the event as its contract has them, the
    unknown ones of an object after those it knows; properties as theirs has them; equal keys; the tenant.
    """
    unreadable = _unreadable(line)
    if unreadable:
        return Refusal(intake.account_of(claimed_tenant), (unreadable,))
    try:
        content = from_json(line)
    except ValueError:
        return Refusal(intake.account_of(claimed_tenant), tuple(_read(line, None)[1]))
    event, reasons = _read(line, content)
    broken = {reason.field for reason in reasons}
    account = intake.account_of(claimed_tenant, named_tenant(content))
    if account is not None and account in intake.registered and not broken & {LINE, "event_name", "properties"}:
        contract = intake.contracts.find(content["event_name"], account)
        reasons += _of_properties(contract, content.get("properties", {})) if contract else []
    reasons += _duplicate_key(line)
    if not broken & {LINE, "metadata", "metadata.tenant_id"}:
        reasons += of_tenant(content, claimed_tenant, intake)
    if event is None or reasons:
        return Refusal(account, tuple(reasons))
    return event.metadata.tenant_id, event


def named_tenant(content: Any) -> str | None:
    """The tenant that a line names, however broken the rest of it is."""
    metadata = content.get("metadata") if isinstance(content, dict) else None
    tenant_id = metadata.get("tenant_id") if isinstance(metadata, dict) else None
    return tenant_id if isinstance(tenant_id, str) else None


def of_tenant(content: Any, claimed_tenant: str | None, intake: Intake) -> list[Reason]:
    """What is wrong with a tenant whose id as such is sound."""
    tenant_id = content["metadata"]["tenant_id"]
    field, value, found = "metadata.tenant_id", json.dumps(tenant_id), []
    if claimed_tenant is not None and tenant_id != claimed_tenant:
        expected = f"the tenant of its folder, {_shortened(claimed_tenant)}"
        found.append(Reason(field, "tenant_mismatch", value, expected))
    if tenant_id in intake.offboarded:
        found.append(Reason(field, "offboarded_tenant", value, "a tenant that still sends"))
    elif tenant_id not in intake.registered:
        found.append(Reason(field, "unknown_tenant", value, "a registered tenant"))
    return found


def field_name(path: tuple[int | str, ...]) -> str:
    return ".".join(_shortened(str(part)) for part in path) or LINE


def shown(value: Any) -> str:
    return _shortened(json.dumps(value, ensure_ascii=False, default=str))


def conflicting(event_id: str) -> Reason:
    """Asked of the warehouse, not of the line: another event has this id."""
    expected = "the content that came first under this id, or an id of its own"
    return Reason("metadata.event_id", "conflicting_duplicate", _shortened(json.dumps(event_id)), expected)


def _unreadable(line: bytes) -> Reason | None:
    if len(line) > LONGEST_LINE:
        return Reason(LINE, "line_too_long", _shortened(line), f"at most {LONGEST_LINE:,} bytes")
    if b"\0" in line:
        return Reason(LINE, "nul_byte", _shortened(line), "text without NUL bytes")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        around = line[error.start : error.start + SHOWN]
        return Reason(LINE, "bad_utf8", _shortened(around), f"UTF-8, also at byte {error.start + 1}")
    return None


def _read(line: bytes, content: Any) -> tuple[AnalyticsEvent | None, list[Reason]]:
    """The event, or what its contract has against it; `content` is what the line holds, whatever it is."""
    try:
        return AnalyticsEvent.model_validate_json(line), []
    except ValidationError as error:
        faults = error.errors(include_url=False)
    found = {fault["loc"]: _reason(fault) for fault in faults if not _about_the_wire(fault)}
    if () not in found and isinstance(metadata := content.get("metadata"), dict):
        # pydantic misses these only where the rest of metadata is sound
        for name in _NEEDED_METADATA:
            if name not in metadata:
                found["metadata", name] = Reason(f"metadata.{name}", "missing", None, "Field required")
    return None, [found[path] for path in sorted(found, key=_place)]


def _about_the_wire(fault: ErrorDetails) -> bool:
    return fault["type"] == "missing" and "fields" in fault.get("ctx", {})


def _place(path: tuple[int | str, ...]) -> tuple[int, ...]:
    """Where a field stands in the contract; an unknown one stands behind those of its object."""
    model: Any = AnalyticsEvent
    found = []
    for part in path:
        fields = model.model_fields
        found.append(list(fields).index(part) if part in fields else len(fields))
        model = fields[part].annotation if part in fields else BaseModel
    return tuple(found)


def _of_properties(contract: EventContract, properties: dict[str, Any]) -> Iterator[Reason]:
    try:
        contract.model.model_validate_json(to_json(properties))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            yield _reason(fault, below=("properties",))


def _reason(fault: ErrorDetails, below: tuple[str, ...] = ()) -> Reason:
    field = field_name((*below, *fault["loc"]))
    rule, value, expected = fault["type"], fault["input"], fault["msg"]
    if rule == "missing":
        return Reason(field, rule, None, expected)
    if rule == "json_invalid":
        return Reason(field, rule, _shortened(value), expected)
    if isinstance(value, str) and "\0" in value:
        rule, expected = "nul_character", "Input should hold no NUL character (U+0000)"
    return Reason(field, rule, shown(value), expected)


class _DuplicateKeyError(Exception):
    pass


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _DuplicateKeyError(key)
        seen.add(key)


_KEYS_READER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates)


def _duplicate_key(line: bytes) -> list[Reason]:
    """Which of two values counts is another one for every reader, so neither does."""
    try:
        _KEYS_READER.decode(line.decode())
    except _DuplicateKeyError as duplicate:
        key = _shortened(str(duplicate))
        return [Reason(LINE, "duplicate_key", _shortened(json.dumps(key)), "each key once in its object")]
    return []


def _shortened(value: object) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = text.replace("\0", "␀")  # jsonb cannot hold it
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
