"""Thresholds of single tenants: read from the registry for the gate, and checked against the suites when registered."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import psycopg

from analytics_dagster.quality.suite_files import Expectation, Suite
from analytics_dagster.schemas.quality import QualityThreshold


def thresholds(
    connection: psycopg.Connection, tenants: Sequence[str] | None = None
) -> dict[str, dict[str, dict[str, Any]]]:
    """What changes, by tenant and `suite.expectation`; tenants without a threshold are left out."""
    rows = connection.execute(
        "select tenant_id, configuration -> 'quality' from tenancy.tenants"
        " where (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s))"
        " and coalesce(configuration -> 'quality', '{}') <> '{}'",
        {"tenants": None if tenants is None else list(tenants)},
    )
    return dict(rows.fetchall())


def faults(quality: Mapping[str, QualityThreshold], suites: Sequence[Suite]) -> Iterator[str]:
    """What is wrong with a tenant's thresholds, each with its field."""
    known = {expectation.key: expectation for suite in suites for expectation in suite.expectations}
    for key, threshold in quality.items():
        expectation = known.get(key)
        if expectation is None:
            close = get_close_matches(key, known, 1, 0.5)
            meant = f"did you mean {close[0]}? " if close else ""
            yield f"quality.{key}: there is no such expectation; {meant}known are {', '.join(sorted(known))}"
        elif fault := _misfit(threshold, expectation):
            yield f"quality.{key}{fault}"


def _misfit(threshold: QualityThreshold, expectation: Expectation) -> str | None:
    changes = threshold.model_dump()
    bounds = [bound for bound in Expectation.BOUNDS if bound in changes]
    if bounds and not expectation.takes_bounds:
        return f".{bounds[0]}: {expectation.type} has no bounds: change severity, or set off: true"
    kwargs = expectation.changed(changes).kwargs
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None and low > high:
        return f".{bounds[0]}: nothing could pass between {low:g} and {high:g}: the suite says {expectation.expected}"
    return None
