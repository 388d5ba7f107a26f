"""One line, exactly: the event it holds, or every reason why it is refused.

The contract (`AnalyticsEvent`) decides; around it stand the few rules that are about lines and not about
events. Slow by comparison: `checking` asks here only for lines that its fast check does not vouch for.
"""

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from analytics_dagster.schemas import AnalyticsEvent

LONGEST_LINE = 1 << 20
SHOWN = 80
LINE = "line"  # the field of a reason that is about the line as a whole


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


def judge(
    line: bytes,
    claimed_tenant: str | None,
    registered: AbstractSet[str],
    offboarded: AbstractSet[str] = frozenset(),
) -> tuple[str, AnalyticsEvent] | Refusal:
    """An accepted event and its tenant, or the refusal; the lines of offboarded tenants are theirs, and refused."""
    unreadable = _unreadable(line)
    if unreadable:
        return Refusal(account_of(claimed_tenant, None, registered, offboarded), (unreadable,))
    try:
        event = AnalyticsEvent.model_validate_json(line)
    except ValidationError as error:
        reasons = tuple(_reason(fault) for fault in error.errors(include_url=False))
        return Refusal(account_of(claimed_tenant, _named_tenant(line), registered, offboarded), reasons)
    tenant_id = event.metadata.tenant_id
    reasons = tuple(
        reason
        for reason in (
            _duplicate_key(line),
            _mismatch(tenant_id, claimed_tenant),
            _unknown(tenant_id, registered, offboarded),
        )
        if reason
    )
    if reasons:
        return Refusal(account_of(claimed_tenant, tenant_id, registered, offboarded), reasons)
    return tenant_id, event


def account_of(
    claimed_tenant: str | None, named_tenant: str | None, registered: AbstractSet[str], offboarded: AbstractSet[str]
) -> str | None:
    """Whose fault a refused line is. A folder speaks for its tenant alone: nobody can have another one held."""
    tenant = named_tenant if claimed_tenant is None else claimed_tenant
    return tenant if tenant in registered or tenant in offboarded else None


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


def _reason(fault: ErrorDetails) -> Reason:
    field = ".".join(_shortened(str(part)) for part in fault["loc"]) or LINE
    rule, value, expected = fault["type"], fault["input"], fault["msg"]
    if rule == "missing":
        fields = fault.get("ctx", {}).get("fields")
        return Reason(f"{field}.{fields}" if fields else field, rule, None, "Field required")
    if rule == "json_invalid":
        return Reason(field, rule, _shortened(value), expected)
    if isinstance(value, str) and "\0" in value:
        rule, expected = "nul_character", "Input should hold no NUL character (U+0000)"
    return Reason(field, rule, _shortened(json.dumps(value, ensure_ascii=False, default=str)), expected)


def _named_tenant(line: bytes) -> str | None:
    try:
        metadata = from_json(line)["metadata"]
        tenant_id = metadata["tenant_id"]
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return tenant_id if isinstance(tenant_id, str) else None


class _DuplicateKeyError(Exception):
    pass


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _DuplicateKeyError(key)
        seen.add(key)


def _duplicate_key(line: bytes) -> Reason | None:
    """Which of two values counts is another one for every reader, so neither does."""
    try:
        json.loads(line, object_pairs_hook=_refuse_duplicates)
    except _DuplicateKeyError as duplicate:
        key = _shortened(str(duplicate))
        return Reason(LINE, "duplicate_key", _shortened(json.dumps(key)), "each key once in its object")
    return None


def _mismatch(tenant_id: str, claimed_tenant: str | None) -> Reason | None:
    if claimed_tenant is None or tenant_id == claimed_tenant:
        return None
    return Reason(
        "metadata.tenant_id",
        "tenant_mismatch",
        json.dumps(tenant_id),
        f"the tenant of its folder, {_shortened(claimed_tenant)}",
    )


def _unknown(tenant_id: str, registered: AbstractSet[str], offboarded: AbstractSet[str]) -> Reason | None:
    if tenant_id in registered:
        return None
    if tenant_id in offboarded:
        return Reason("metadata.tenant_id", "offboarded_tenant", json.dumps(tenant_id), "a tenant that still sends")
    return Reason("metadata.tenant_id", "unknown_tenant", json.dumps(tenant_id), "a registered tenant")


def conflicting(event_id: str) -> Reason:
    """Asked of the warehouse, not of the line: another event has this id."""
    expected = "the content that came first under this id, or an id of its own"
    return Reason("metadata.event_id", "conflicting_duplicate", _shortened(json.dumps(event_id)), expected)


def _shortened(value: object) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = text.replace("\0", "␀")  # jsonb cannot hold it
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
