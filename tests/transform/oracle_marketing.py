"""The marketing marts in plain Python, with exact fractions: every journey shared as its model says."""

import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histories import Event, Rows

COLUMNS = {
    "attribution": "tenant_id, day, model, channel, campaign, conversions, revenue",
    "campaign_performance": "tenant_id, day, campaign, channel, touches, users_reached, cost, conversions, revenue,"
    " cost_per_conversion, return_on_spend",
}
LOOKBACK = timedelta(days=30)
MILLIONTH = Decimal("0.000001")
Month = tuple[str, date]
Place = tuple[str, str]  # channel and campaign
DIRECT = ("direct", "direct")


def rows(served: "list[Event]") -> "dict[str, Rows]":
    journeys = [(event, journey) for event in served if (journey := _journey(event, served)) is not None]
    attribution = _attribution(served, journeys)
    return {"attribution": attribution, "campaign_performance": _campaigns(served, attribution)}


def _journey(conversion: "Event", served: "list[Event]") -> "list[Event] | None":
    """The touches before a conversion, none if it is direct; nothing if the event is no conversion."""
    if conversion.event_name != "payment_succeeded":
        return None
    day, tenant = conversion.wall.date(), conversion.tenant
    before = [
        event
        for event in served
        if event.tenant == tenant and event.at <= conversion.at and day - LOOKBACK <= event.wall.date() <= day
    ]
    same = {conversion.actor} | {e.anonymous_id for e in before if e.user_id and e.user_id == conversion.actor}
    touches = [e for e in before if e.event_name == "campaign_touched" and e.actor and e.actor in same]
    return sorted(touches, key=lambda e: (e.at, e.event_id.encode()))


def _attribution(served: "list[Event]", journeys: "list[tuple[Event, list[Event]]]") -> "Rows":
    credited: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    effects = _removal_effects(served, journeys)
    for conversion, touches in journeys:
        places = [_place(touch) for touch in touches] or [DIRECT]
        ages = [(conversion.at - touch.at) / timedelta(days=7) for touch in touches] or [0.0]
        known = effects.get(_month(conversion), {})
        removal = [known.get(channel, Fraction(1)) for channel, _ in places]
        for model, weights in {**_weights(ages), "markov": removal}.items():
            earned, before = Fraction(0), (Decimal(0), Decimal(0))
            for place, weight in zip(places, weights, strict=True):
                earned += weight / sum(weights)
                now = (_rounded(earned), _rounded(earned * Fraction(conversion.revenue)))
                credit = credited[conversion.tenant.tenant_id, conversion.wall.date(), model, *place]
                credit[0] += now[0] - before[0]
                credit[1] += now[1] - before[1]
                before = now
    return {(*key, *credit) for key, credit in credited.items() if any(credit)}


def _weights(ages: list[float]) -> dict[str, list[Fraction]]:
    count = len(ages)
    one, rest = Fraction(1), [Fraction(0)] * (count - 1)
    ends = [one] if count == 1 else [one, one]
    between = [Fraction(1, 2) / (count - 2)] * (count - 2) if count > 2 else []  # 20 % of all, where an end has 40 %
    return {
        "first": [one, *rest],
        "last": [*rest, one],
        "linear": [one] * count,
        "time_decay": [Fraction(format(2.0**-age, ".12f")) for age in ages],
        "position_based": [*ends[:1], *between, *ends[1:]],
    }


def _removal_effects(
    served: "list[Event]", journeys: "list[tuple[Event, list[Event]]]"
) -> dict[Month, dict[str, Fraction]]:
    """Of each channel of a tenant's month: the conversions that its Markov chain would lose without it."""
    paths: dict[Month, list[tuple[list[Event], str]]] = defaultdict(list)
    used: dict[Month, set[str]] = defaultdict(set)
    for conversion, touches in journeys:
        if touches:
            paths[_month(conversion)].append((touches, "converted"))
            used[_month(conversion)] |= {touch.event_id for touch in touches}
    lost: dict[tuple[Month, str], list[Event]] = defaultdict(list)
    for event in served:
        month = _month(event)
        if event.event_name == "campaign_touched" and event.actor and event.event_id not in used[month]:
            lost[month, event.actor].append(event)
    for (month, _), touches in lost.items():
        paths[month].append((sorted(touches, key=lambda e: (e.at, e.event_id.encode())), "lost"))
    found: dict[Month, dict[str, Fraction]] = {}
    for month, ends in paths.items():
        if any(end == "converted" for _, end in ends):
            steps = [(["start", *(_place(touch)[0] for touch in touches)], end) for touches, end in ends]
            channels = {channel for names, _ in steps for channel in names[1:]}
            assert len(channels) <= 8  # more would share a state
            whole = _chance(steps, None)
            found[month] = {c: round(1 - _chance(steps, c) / whole, 9) for c in channels}
    return found


def _chance(paths: list[tuple[list[str], str]], removed: str | None) -> Fraction:
    """That a journey converts: the equations chance(state) = sum of p * chance(next), by elimination."""
    moves: dict[str, Counter[str]] = defaultdict(Counter)
    for names, end in paths:
        for origin, target in zip(names, [*names[1:], end], strict=True):
            moves[origin]["lost" if target == removed else target] += 1
    states = [state for state in moves if state != removed]
    rows = []
    for state in states:
        total = sum(moves[state].values())
        row = [Fraction(int(state == other)) - Fraction(moves[state][other], total) for other in states]
        rows.append([*row, Fraction(moves[state]["converted"], total)])
    for n in range(len(states)):
        rows[n] = [value / rows[n][n] for value in rows[n]]
        for other in range(len(states)):
            if other != n:
                rows[other] = [a - rows[other][n] * b for a, b in zip(rows[other], rows[n], strict=True)]
    return rows[states.index("start")][-1]


def _campaigns(served: "list[Event]", attribution: "Rows") -> "Rows":
    touched: dict[tuple[str, date, str, str], list[Event]] = defaultdict(list)
    brought: dict[tuple[str, date, str, str], tuple[Decimal, Decimal]] = {}
    for event in served:
        if event.event_name == "campaign_touched":
            channel, campaign = _place(event)
            touched[event.tenant.tenant_id, event.wall.date(), campaign, channel].append(event)
    for tenant_id, day, model, channel, campaign, conversions, revenue in attribution:
        if model == "last":
            brought[tenant_id, day, campaign, channel] = (conversions, revenue)
    found = set()
    for key in touched.keys() | brought.keys():
        cost = sum((_cost(event) for event in touched[key]), Decimal(0))
        conversions, revenue = brought.get(key, (Decimal(0), Decimal(0)))
        found.add(
            (
                *key,
                len(touched[key]),
                len({event.actor for event in touched[key]} - {None}),
                cost,
                int(conversions),
                revenue,
                _rounded(Fraction(cost) / Fraction(conversions)) if conversions else None,
                _rounded(Fraction(revenue) / Fraction(cost)) if cost else None,
            )
        )
    return found


def _month(event: "Event") -> Month:
    return event.tenant.tenant_id, event.wall.date().replace(day=1)


def _place(touch: "Event") -> Place:
    return _text(touch.properties.get("channel")), _text(touch.properties.get("campaign"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) and 1 <= len(value) <= 100 else "unknown"


def _cost(touch: "Event") -> Decimal:
    value = touch.properties.get("cost")
    text = str(value) if isinstance(value, str | int | float) and value is not True else ""
    return Decimal(text).quantize(MILLIONTH) if re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,20})?", text) else Decimal(0)


def _rounded(value: Fraction) -> Decimal:
    """To six decimals, halves away from zero."""
    millionths = abs(value) * 1_000_000 + Fraction(1, 2)
    return Decimal(millionths.numerator // millionths.denominator).scaleb(-6).quantize(MILLIONTH, ROUND_HALF_UP) * (
        -1 if value < 0 else 1
    )
