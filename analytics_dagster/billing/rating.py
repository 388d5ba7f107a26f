"""Usage and a plan in, priced lines out: a pure function, in decimals, rounded once at the line.

Halves are rounded up, away from zero: whoever checks a line with a calculator or a spreadsheet gets the
same cent, and a credit cancels its charge exactly. What that drifts upwards is not lost: each line keeps its
residue, so amount + residue = quantity * unit price to the last digit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from functools import reduce

from analytics_dagster.billing.plans import METRICS, MINOR_UNITS, Metric, Plan, UsagePrice
from analytics_dagster.errors import AnalyticsError

# Not the context of the caller's thread, whose precision and rounding are anybody's guess.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
ROUNDING = Context(prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation])

TITLES: dict[Metric, str] = {"events": "Events", "active_users": "Active users"}


@dataclass(frozen=True)
class Line:
    description: str
    metric: Metric | None  # none for the fixed fee
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    residue: Decimal  # quantity * unit_price - amount
    price: Decimal  # as the plan states it: for `per` units
    per: int


def rate(plan: Plan, currency: str, usage: Mapping[Metric, int]) -> list[Line]:
    """The fixed fee, then for each metric a line for each tier that the usage reaches.

    The quantities of a metric's lines add up to its usage, whatever is included.
    """
    if currency not in plan.fee:
        raise AnalyticsError(
            f"the plan {plan.title!r} has no price in {currency}",
            remedy=f"add {currency} to plans.yaml, or bill in one of: {', '.join(plan.fee)}",
        )
    lines = [_line(f"{plan.title} plan, fixed fee", None, 1, plan.fee[currency], 1, currency)]
    for metric in METRICS:
        for label, quantity, price, per in _tiers(plan.usage[metric], currency, usage[metric]):
            lines.append(_line(f"{TITLES[metric]}, {label}", metric, quantity, price, per, currency))
    return lines


def add(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, amounts, Decimal(0))


def _tiers(terms: UsagePrice, currency: str, usage: int) -> Iterator[tuple[str, int, Decimal, int]]:
    """(label, quantity, price, per) of the included part, then of each tier reached."""
    if usage < 0:
        raise ValueError(f"usage cannot be negative: {usage}")
    if terms.included is None:
        yield "included without limit", usage, Decimal(0), terms.per
        return
    if terms.included or not usage:
        yield f"included: the first {terms.included:,}", min(usage, terms.included), Decimal(0), terms.per
    lower = terms.included
    for tier in terms.tiers:
        upper = usage if tier.up_to is None else min(usage, tier.up_to)
        if upper > lower:
            label = f"above {lower:,}" if tier.up_to is None else f"{lower + 1:,} to {tier.up_to:,}"
            yield label, upper - lower, tier.price[currency], terms.per
            lower = upper


def _line(description: str, metric: Metric | None, quantity: int, price: Decimal, per: int, currency: str) -> Line:
    unit_price = EXACT.divide(price, Decimal(per))
    exact = EXACT.multiply(Decimal(quantity), unit_price)
    amount = exact.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency]), context=ROUNDING)
    return Line(
        description=description,
        metric=metric,
        quantity=Decimal(quantity),
        unit_price=unit_price,
        amount=amount,
        residue=EXACT.subtract(exact, amount),
        price=price,
        per=per,
    )
