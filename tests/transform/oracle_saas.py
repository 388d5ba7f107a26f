"""What is metered, and what people ask help for, computed from served events in plain Python."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histories import Event, Rows

COLUMNS = {
    "usage_daily": "tenant_id, day, events, active_users, feature_uses, features, api_calls, reports_exported,"
    " support_tickets, errors",
    "support_daily": "tenant_id, day, topic, tickets, users",
}


def rows(served: list[Event]) -> dict[str, Rows]:
    days: dict[tuple[object, ...], list[Event]] = defaultdict(list)
    topics: dict[tuple[object, ...], list[Event]] = defaultdict(list)
    for event in served:
        key = (event.tenant.tenant_id, event.wall.date())
        days[key].append(event)
        if event.event_name == "support_ticket_opened":
            topics[*key, _name(event.properties.get("topic")) or "unknown"].append(event)
    return {
        "usage_daily": {(*key, *_usage(events)) for key, events in days.items()},
        "support_daily": {
            (*key, len(tickets), len({ticket.actor for ticket in tickets if ticket.actor}))
            for key, tickets in topics.items()
        },
    }


def _usage(events: list[Event]) -> tuple[int, ...]:
    def named(name: str) -> list[Event]:
        return [event for event in events if event.event_name == name]

    features = {_name(event.properties.get("feature")) for event in named("feature_used")}
    return (
        len(events),
        len({event.actor for event in events if event.engaged}),
        len(named("feature_used")),
        len(features - {None}),
        sum(_calls(event.properties.get("quantity")) for event in named("api_called")),
        len(named("report_exported")),
        len(named("support_ticket_opened")),
        len(named("app_error")),
    )


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= 100 else None


def _calls(value: Any) -> int:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else 0
