"""The results of experiments in plain Python: the same tests, with the standard library's error function."""

import math
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histories import Event, Rows

COLUMNS = {
    "experiment_results": "tenant_id, experiment, variant, is_control, first_day, last_day, users, converted,"
    " conversions, revenue, conversion_rate, revenue_per_user, lift, lift_low, lift_high, relative_lift, p_value,"
    " anytime_p_value, sample_ratio_p_value, verdict"
}
HORIZON = timedelta(hours=168)
SPREAD = 0.02**2
MILLIONTH = Decimal("0.000001")
Exposed = tuple[date, int, Decimal]  # the day, and the conversions and revenue of one actor


def rows(served: "list[Event]") -> "dict[str, Rows]":
    found = set()
    for (tenant_id, experiment), variants in _exposed(served).items():
        control = "control" if "control" in variants else min(variants, key=str.encode)
        split = _split([len(exposed) for exposed in variants.values()])
        for variant, exposed in variants.items():
            base = (tenant_id, experiment, variant, variant == control)
            days = [day for day, _, _ in exposed]
            revenue = sum((paid for _, _, paid in exposed), Decimal(0))
            users, converted = _size(exposed)
            totals = (min(days), max(days), users, converted, sum(n for _, n, _ in exposed), revenue)
            means = (_rounded(converted / users), (revenue / users).quantize(MILLIONTH, ROUND_HALF_UP))
            if variant == control:
                compared: tuple[Any, ...] = (None,) * 6 + (_rounded(split), "control")
            else:
                compared = _compared((users, converted), _size(variants[control]), split)
            found.add((*base, *totals, *means, *compared))
    return {"experiment_results": found}


def _exposed(served: "list[Event]") -> dict[tuple[str, str], dict[str, list[Exposed]]]:
    paid, first = defaultdict(list), {}
    for event in sorted(served, key=lambda e: (e.at, e.event_id.encode())):
        experiment, variant = (_text(event.properties.get(name)) for name in ("experiment", "variant"))
        key = (event.tenant.tenant_id, event.actor)
        if event.event_name == "payment_succeeded":
            paid[key].append(event)
        elif event.event_name == "experiment_exposed" and event.actor and experiment and variant:
            first.setdefault((*key, experiment), (variant, event))
    found: dict[tuple[str, str], dict[str, list[Exposed]]] = defaultdict(lambda: defaultdict(list))
    for (tenant_id, actor, experiment), (variant, event) in first.items():
        own = [p for p in paid[tenant_id, actor] if timedelta(0) <= p.at - event.at < HORIZON]
        revenue = sum((payment.revenue for payment in own), Decimal(0))
        found[tenant_id, experiment][variant].append((event.wall.date(), len(own), revenue))
    return found


def _compared(size: tuple[int, int], control: tuple[int, int], split: float | None) -> tuple[Any, ...]:
    (n, k), (m, c) = size, control
    rate, base, pooled = k / n, c / m, (k + c) / (n + m)
    lift, error = rate - base, math.sqrt(k / n * (1 - k / n) / n + c / m * (1 - c / m) / m)
    margin = NormalDist().inv_cdf(0.975) * error
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    p = math.erfc(abs(lift) / math.sqrt(2 * variance)) if variance else 1.0
    anytime = 1.0
    if variance:
        whole = variance + SPREAD
        anytime = min(1.0, math.sqrt(whole / variance) * math.exp(-(lift**2) * SPREAD / (2 * variance * whole)))
    verdict = "undecided" if p >= 0.05 else "better" if lift > 0 else "worse"
    if split is not None and split < 0.001:
        verdict = "sample_ratio_mismatch"
    relative = lift / base if base else None
    numbers = (lift, lift - margin, lift + margin, relative, p, anytime, split)
    return (*(_rounded(number) for number in numbers), verdict)


def _split(sizes: list[int]) -> float | None:
    """The chi-square test of equal shares, by the series of the lower incomplete gamma function."""
    if len(sizes) == 1:
        return None
    mean = sum(sizes) / len(sizes)
    a, x = (len(sizes) - 1) / 2, sum((size - mean) ** 2 / mean for size in sizes) / 2
    term = total = math.exp(a * math.log(x) - x - math.lgamma(a + 1)) if x else 0.0
    for n in range(1, 500):
        term *= x / (a + n)
        total += term
    return 1 - total


def _size(exposed: list[Exposed]) -> tuple[int, int]:
    return len(exposed), sum(conversions > 0 for _, conversions, _ in exposed)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= 100 else None


def _rounded(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(MILLIONTH, ROUND_HALF_UP) + 0
