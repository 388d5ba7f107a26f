"""The faults that SQL found in a line, in words: the same reasons, in the same order, as `verdict.judge` gives.

SQL says by number which rule a field broke; what the field held is read from the line, once, as `judge` reads it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from analytics_dagster.ingest.contract_sql import EXTRA, MISSING, TENANT, Fault
from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.verdict import Reason, Refusal, field_name, named_tenant, of_tenant, shown
from analytics_dagster.schemas import AnalyticsEvent, AnalyticsMetadata

_KNOWN = {(): AnalyticsEvent.model_fields, ("metadata",): AnalyticsMetadata.model_fields}


def refusal(faults: Iterable[Fault], line: bytes, claimed_tenant: str | None, intake: Intake) -> Refusal:
    content = from_json(line)
    reasons: list[Reason] = []
    for fault in faults:
        if fault.rule == TENANT:
            reasons += of_tenant(content, claimed_tenant, intake)
        elif fault.rule == EXTRA:
            reasons += _extra(fault, content)
        else:
            value = None if fault.rule == MISSING else shown(_at(content, fault.path))
            reasons.append(Reason(field_name(fault.path), fault.rule, value, fault.expected))
    return Refusal(intake.account_of(claimed_tenant, named_tenant(content)), tuple(reasons))


def _extra(fault: Fault, content: Any) -> Iterator[Reason]:
    known = _KNOWN[fault.path]
    for key, value in _at(content, fault.path).items():
        if key not in known:
            yield Reason(field_name((*fault.path, key)), fault.rule, shown(value), fault.expected)


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        content = content[part]
    return content
