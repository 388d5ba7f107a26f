"""What is played, viewed and read, computed from served events in plain Python: the catalogue, and its days."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histories import Event, Rows

COLUMNS = {
    "dim_content": "tenant_id, content_type, content_id, first_day, last_day",
    "content_daily": "tenant_id, day, content_type, content_id, events, uses, drops, completed, interrupted,"
    " completion_rate, seconds, users, trend",
    "product_daily": "tenant_id, day, product_id, views, cart_changes, cart_abandons, viewers, users",
}
USES = {"track": "track_play", "product": "product_viewed", "article": "article_read"}
DROPS = {"track": "track_skip", "product": "cart_abandoned", "article": "article_closed"}
LASTS = {"track": "duration_seconds", "article": "read_seconds"}


def rows(served: list[Event]) -> dict[str, Rows]:
    days: dict[tuple[str, str, str, date], list[Event]] = defaultdict(list)
    for event in served:
        for content_type, content_id in _named(event):
            days[event.tenant.tenant_id, content_type, content_id, event.wall.date()].append(event)
    things = defaultdict(dict)
    all_uses: Counter[tuple[str, str, date]] = Counter()
    for (tenant, content_type, content_id, day), events in days.items():
        things[tenant, content_type, content_id][day] = events
        all_uses[tenant, content_type, day] += len(_uses(content_type, events))
    found: dict[str, Rows] = {mart: set() for mart in COLUMNS}
    for (tenant, content_type, content_id), its_days in things.items():
        found["dim_content"].add((tenant, content_type, content_id, min(its_days), max(its_days)))
        for day, of_day in its_days.items():
            week = [day - timedelta(days=back) for back in range(1, 8)]
            trend = _trend(
                len(_uses(content_type, of_day)),
                all_uses[tenant, content_type, day],
                sum(len(_uses(content_type, its_days.get(before, []))) for before in week),
                sum(all_uses[tenant, content_type, before] for before in week),
            )
            found["content_daily"].add((tenant, day, content_type, content_id, *_measures(content_type, of_day), trend))
            if content_type == "product":
                found["product_daily"].add((tenant, day, content_id, *_product(of_day)))
    return found


def _named(event: Event) -> Iterator[tuple[str, str]]:
    for content_type in USES:
        content_id = event.properties.get(f"{content_type}_id")
        if isinstance(content_id, str) and 1 <= len(content_id) <= 100:
            yield content_type, content_id


def _uses(content_type: str, events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.event_name == USES[content_type]]


def _measures(content_type: str, events: list[Event]) -> tuple[Any, ...]:
    uses = _uses(content_type, events)
    completed = interrupted = 0
    if content_type == "track":
        completed = sum(event.properties.get("completed") is True for event in uses)
        interrupted = sum(event.properties.get("completed") is False for event in uses)
    return (
        len(events),
        len(uses),
        sum(event.event_name == DROPS[content_type] for event in events),
        completed,
        interrupted,
        rounded(Fraction(completed, completed + interrupted)) if completed + interrupted else None,
        sum(_whole(event.properties.get(LASTS.get(content_type, "nothing lasts"))) for event in uses),
        actors(uses),
    )


def _product(events: list[Event]) -> tuple[int, ...]:
    names = Counter(event.event_name for event in events)
    return (
        names["product_viewed"],
        names["cart_changed"],
        names["cart_abandoned"],
        actors(_uses("product", events)),
        actors(events),
    )


def _trend(uses: int, all_uses: int, before: int, all_before: int) -> Decimal:
    if not all_uses or not all_before:
        return Decimal(0)
    now, then = Fraction(uses, all_uses), Fraction(before, all_before)
    return rounded((now - then) / (now + then)) if now + then else Decimal(0)


def _whole(value: Any) -> int:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else 0


def actors(events: Iterable[Event]) -> int:
    return len({event.actor for event in events if event.actor is not None})


def rounded(share: Fraction) -> Decimal:
    return (Decimal(share.numerator) / share.denominator).quantize(Decimal("0.000001"), ROUND_HALF_UP)
