"""Who is held: what a judgement makes of a load, given what is known of it. Nothing here reads or writes.

A hold is of the stage that made it. One of the loads ends when its load passes. One of the marts stands although the
load passes, because the load did so before, too: it ends when the content of the load changes (its marts are judged
again before they are published), when the marts of that load pass after all, or when a person releases it.
What is not held may only become so by data that changed: a rule or a threshold that changed takes no history out of the
marts, it is told (`flagged`). The marts are what all loads up to one make of it, so they have no content to compare.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from analytics_dagster.quality.verdicts import Severity, State, Verdict

Stage = Literal["loads", "marts"]
WEIGHTS: Mapping[Severity, int] = {"critical": 5, "warning": 2, "info": 1}


@dataclass(frozen=True, slots=True)
class Known:
    """A load before it is judged."""

    content: str | None = None  # as judged last; None: it never was
    state: State | None = None
    held_by: Stage | None = None
    reasons: tuple[str, ...] = ()  # of that hold
    released: bool = False  # by a person, with the very content that is judged now


@dataclass(frozen=True, slots=True)
class Decision:
    load_day: date
    tenant_id: str
    state: State | None  # None: the marts pass, and the load itself was never judged
    held_by: Stage | None = None
    reasons: tuple[str, ...] = ()  # of a hold or a flag
    failing: bool = False  # a critical expectation failed in this judgement


@dataclass(frozen=True, slots=True)
class Score:
    score: Decimal
    judged: int
    failed_critical: int
    failed_warning: int


def decide_load(load_day: date, tenant_id: str, content: str, critical: tuple[str, ...], known: Known) -> Decision:
    """By its own verdicts; `critical` are the reasons of those critical ones that failed."""
    failing = bool(critical)
    changed = known.content != content
    if known.released:
        return Decision(load_day, tenant_id, "released", failing=failing)
    if known.held_by == "marts" and not changed:
        return Decision(load_day, tenant_id, "held", "marts", known.reasons, failing)
    if not failing:
        return Decision(load_day, tenant_id, "passed")
    if changed or known.held_by or known.state == "held":
        return Decision(load_day, tenant_id, "held", "loads", critical, failing=True)
    return Decision(load_day, tenant_id, "flagged", None, critical, failing=True)


def decide_marts(
    load_day: date, tenant_id: str, critical: tuple[str, ...], known: Known, *, spared: bool = False
) -> Decision:
    """By the verdicts over the marts that stand on this load; `spared`: it cannot be what they fail for."""
    failing = bool(critical)
    if known.released:
        return Decision(load_day, tenant_id, "released", failing=failing)
    if known.held_by == "loads":  # it stands already, and new content is judged before it comes here again
        return Decision(load_day, tenant_id, "held", "loads", known.reasons, failing)
    if failing and spared and known.held_by is None:
        return Decision(load_day, tenant_id, known.state, failing=True)
    if failing:
        return Decision(load_day, tenant_id, "held", "marts", critical, failing=True)
    return Decision(load_day, tenant_id, "passed" if known.state == "held" else known.state)


def reasons(verdicts: Iterable[Verdict]) -> dict[tuple[date, str], tuple[str, ...]]:
    """Of each load: the critical expectations that failed, in words a person reads."""
    found: dict[tuple[date, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.severity == "critical" and not verdict.passed:
            found.setdefault((verdict.load_day, verdict.tenant_id), []).append(reason(verdict))
    return {load: tuple(why) for load, why in found.items()}


def reason(verdict: Verdict) -> str:
    observed = "nothing" if verdict.observed is None else f"{verdict.observed:.3g}"
    return f"{verdict.suite}.{verdict.expectation}: expected {verdict.expected}, observed {observed}"


def score(verdicts: Iterable[Verdict]) -> Score:
    """100 when everything passed that there was something to observe for."""
    counted = [verdict for verdict in verdicts if verdict.observed is not None or not verdict.passed]
    failed = [verdict for verdict in counted if not verdict.passed]
    weight, lost = (sum(WEIGHTS[verdict.severity] for verdict in some) for some in (counted, failed))
    points = Decimal(100) - Decimal(100 * lost) / weight if weight else Decimal(100)
    return Score(
        points.quantize(Decimal("0.01"), ROUND_HALF_UP),
        len(counted),
        sum(verdict.severity == "critical" for verdict in failed),
        sum(verdict.severity == "warning" for verdict in failed),
    )
