"""The revenue marts in plain Python, from their definitions: MRR is asked for at the end of every single day."""

import re
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histories import Event, Rows

MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
COLUMNS = {
    "fct_payments": "tenant_id, event_id, user_id, day, occurred_at, kind, amount, revenue, plan, order_id, method,"
    " currency",
    "mrr_movements": "tenant_id, month, last_day, opening_mrr, new_mrr, expansion_mrr, contraction_mrr, churn_mrr,"
    " reactivation_mrr, closing_mrr, opening_subscribers, new_subscribers, expansion_subscribers,"
    " contraction_subscribers, churn_subscribers, reactivation_subscribers, closing_subscribers",
    "customer_rfm": "tenant_id, user_id, as_of, last_paid_on, recency_days, frequency, monetary, recency_score,"
    " frequency_score, monetary_score, segment",
}
KINDS = {"payment_succeeded": "succeeded", "payment_refunded": "refunded", "payment_failed": "failed"}
SIGNS = {"payment_succeeded": 1, "payment_refunded": -1}
DAY = timedelta(days=1)


LONGEST = 100  # of a text that counts


def rows(served: "list[Event]") -> "dict[str, Rows]":
    by_tenant = defaultdict(list)
    for event in served:
        by_tenant[event.tenant.tenant_id].append(event)
    months, customers = set(), set()
    for tenant_id, events in by_tenant.items():
        months |= {(tenant_id, *month) for month in _months(events)}
        customers |= {(tenant_id, *customer) for customer in _customers(events)}
    payments = {_payment(event) for event in served if event.event_name in KINDS}
    return {"fct_payments": payments, "mrr_movements": months, "customer_rfm": customers}


def mrr(events: "list[Event]", day: date) -> Decimal:
    """Of one subscriber's events, what the last one that says a price says; a payment says it for 35 days."""
    saying = [
        (event.wall.date(), event.at, price)
        for event in events
        if (price := _price(event)) is not None and event.wall.date() <= day
    ]
    if not saying:
        return Decimal(0)
    said_on, _, price = max(saying)
    return price if day - said_on < timedelta(days=35) else Decimal(0)


def _price(event: "Event") -> Decimal | None:
    if event.event_name == "subscription_cancelled":
        return Decimal(0)
    amount = _amount(event)
    names_a_plan = event.event_name == "payment_succeeded" and _text(event, "plan") is not None
    return amount if names_a_plan and amount is not None and amount >= 0 else None


def _months(events: "list[Event]") -> list[tuple[Any, ...]]:
    last_day = max(event.wall.date() for event in events)
    moves = _moves(events, last_day)
    if not moves:
        return []
    opening, subscribers, found = Decimal(0), 0, []
    month = min(day for day, _, _ in moves).replace(day=1)
    while month <= last_day:
        after = (month + timedelta(days=31)).replace(day=1)
        own = [(movement, change) for day, movement, change in moves if month <= day < after]
        sums = [sum((change for name, change in own if name == movement), Decimal(0)) for movement in MOVEMENTS]
        counts = [sum(name == movement for name, _ in own) for movement in MOVEMENTS]
        closing = opening + sum(sums)
        came, left = counts[0] + counts[4], counts[3]
        end = min(after - DAY, last_day)
        found.append((month, end, opening, *sums, closing, subscribers, *counts, subscribers + came - left))
        opening, subscribers, month = closing, subscribers + came - left, after
    return found


def _moves(events: "list[Event]", last_day: date) -> list[tuple[date, str, Decimal]]:
    by_actor = defaultdict(list)
    for event in events:
        if event.actor and _price(event) is not None:
            by_actor[event.actor].append(event)
    moves = []
    for own in by_actor.values():
        first, before, ever = min(event.wall.date() for event in own), Decimal(0), False
        for day in takewhile(lambda day: day <= last_day, (first + number * DAY for number in count())):
            after = mrr(own, day)
            if after != before:
                moves.append((day, _movement(before, after, ever=ever), after - before))
            ever = ever or after > 0
            before = after
    return moves


def _movement(before: Decimal, after: Decimal, *, ever: bool) -> str:
    if before and after:
        return "expansion" if after > before else "contraction"
    if before:
        return "churn"
    return "reactivation" if ever else "new"


def _customers(events: "list[Event]") -> list[tuple[Any, ...]]:
    as_of = max(event.wall.date() for event in events)
    paid, worth = defaultdict(list), defaultdict(list)
    for event in events:
        day = event.wall.date()
        if event.actor and as_of - day < timedelta(days=365):
            worth[event.actor].append(event.revenue)
            if event.event_name == "payment_succeeded":
                paid[event.actor].append(day)
    facts = {actor: (max(days), len(days), sum(worth[actor], Decimal(0))) for actor, days in paid.items()}
    found = []
    for actor, (last, frequency, monetary) in facts.items():
        r, f, m = (
            1 + 5 * sum(other[part] < facts[actor][part] for other in facts.values()) // len(facts) for part in range(3)
        )
        found.append((actor, as_of, last, (as_of - last).days, frequency, monetary, r, f, m, _segment(r, f)))
    return found


def _segment(recency: int, frequency: int) -> str:
    rows_of_recency = {  # by frequency 1..5
        5: ("promising", "promising", "loyal", "champions", "champions"),
        4: ("promising", "promising", "loyal", "champions", "champions"),
        3: ("needs_attention", "needs_attention", "loyal", "loyal", "loyal"),
        2: ("hibernating", "hibernating", "at_risk", "at_risk", "at_risk"),
        1: ("hibernating", "hibernating", "at_risk", "at_risk", "at_risk"),
    }
    return rows_of_recency[recency][frequency - 1]


def _payment(event: "Event") -> tuple[Any, ...]:
    amount, sign = _amount(event), SIGNS.get(event.event_name)
    return (
        event.tenant.tenant_id,
        event.event_id,
        event.actor,
        event.wall.date(),
        event.at,
        KINDS[event.event_name],
        amount,
        None if amount is None or sign is None else sign * amount,
        *(_text(event, name) for name in ("plan", "order_id", "method", "currency")),
    )


def _amount(event: "Event") -> Decimal | None:
    amount = event.properties.get("amount")
    text = str(amount) if isinstance(amount, str | int | float) and amount is not True else ""
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,20})?", text, re.ASCII):
        return None
    return Decimal(text).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _text(event: "Event", name: str) -> str | None:
    said = event.properties.get(name)
    return said if isinstance(said, str) and 1 <= len(said) <= LONGEST else None
