"""The trend of the scores of loads, computed from the scores in plain Python. No event of a history has one."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from histories import Event, Rows

COLUMNS = {
    "quality_daily": "tenant_id, day, score, state, judged, failed_critical, failed_warning, score_7d, score_change,"
    " days_held",
}
OF_SCORES = "tenant_id, load_day, score, state, judged, failed_critical, failed_warning"


def rows(served: list[Event]) -> dict[str, Rows]:
    del served  # loads are scored by the gate, and histories come without it
    return {"quality_daily": set()}


def scored(scores: Iterable[tuple[Any, ...]]) -> Rows:
    """`scores`: OF_SCORES of quality.scores."""
    by_tenant = defaultdict(list)
    for score in sorted(scores):
        by_tenant[score[0]].append(score)
    found = set()
    for loads in by_tenant.values():
        means = [_mean([load[2] for load in loads[max(0, number - 6) : number + 1]]) for number in range(len(loads))]
        for number, load in enumerate(loads):
            since = load[1] - timedelta(days=27)
            held = sum(since <= other[1] <= load[1] and other[3] == "held" for other in loads)
            change = means[number] - means[number - 7] if number >= 7 else None
            found.add((*load, means[number], change, held))
    return found


def _mean(scores: list[Decimal]) -> Decimal:
    return (sum(scores, Decimal(0)) / len(scores)).quantize(Decimal("0.01"), ROUND_HALF_UP)
