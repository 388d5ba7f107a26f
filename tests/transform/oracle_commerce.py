"""Carts that were filled, and what became of them, computed from served events in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histories import Event, Rows

COLUMNS = {"cart_abandonment": "tenant_id, day, carts, ordered, abandoned, abandonment_rate"}


def rows(served: list[Event]) -> dict[str, Rows]:
    carts: dict[tuple[object, ...], list[bool]] = defaultdict(list)
    for session in _sessions(served):
        filled = [event.at for event in session if event.event_name == "cart_changed"]
        if filled:
            first = session[0]
            is_ordered = any(event.event_name == "order_placed" and event.at >= filled[0] for event in session)
            carts[first.tenant.tenant_id, first.wall.date()].append(is_ordered)
    found: Rows = set()
    for key, ordered in carts.items():
        abandoned = ordered.count(False)
        rate = (Decimal(abandoned) / len(ordered)).quantize(Decimal("0.000001"), ROUND_HALF_UP)
        found.add((*key, len(ordered), ordered.count(True), abandoned, rate))
    return {"cart_abandonment": found}


def _sessions(served: list[Event]) -> Iterator[list[Event]]:
    """Engagement of one actor within one activity day, cut where nothing happened for more than 30 minutes."""

    def whose(event: Event) -> tuple[str, str, str]:
        return event.tenant.tenant_id, str(event.actor), (event.wall - timedelta(hours=4)).date().isoformat()

    engaged = sorted((event for event in served if event.engaged), key=lambda e: (whose(e), e.at, e.event_id.encode()))
    for _, activity in groupby(engaged, whose):
        session: list[Event] = []
        for event in activity:
            if session and event.at - session[-1].at > timedelta(minutes=30):
                yield session
                session = []
            session.append(event)
        yield session
