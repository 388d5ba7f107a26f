import decimal
import locale
from dataclasses import astuple
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.billing import Plan, load_plans, rate
from analytics_dagster.billing.plans import METRICS, MINOR_UNITS
from analytics_dagster.billing.rating import add
from analytics_dagster.errors import AnalyticsError

PLANS = load_plans()
counts = st.integers(0, 10**12)
usages = st.fixed_dictionaries(dict.fromkeys(METRICS, counts))
prices = st.decimals(0, 10**6, places=6).map(lambda price: f"{price:f}")


@st.composite
def plans(draw):
    """Any plan that the file could hold, in one currency with cents and one without."""

    def price():
        return {"EUR": draw(prices), "JPY": draw(prices)}

    def terms():
        bounds = sorted(draw(st.sets(st.integers(0, 10**9), min_size=1, max_size=5)))
        return {
            "per": draw(st.sampled_from([1, 10, 1000])),
            "included": bounds[0],
            "tiers": [{"up_to": bound, "price": price()} for bound in [*bounds[1:], "unlimited"]],
        }

    return Plan.model_validate({"title": "Any", "fee": price(), "usage": {m: terms() for m in METRICS}})


def charged(plan, currency, usage):
    return add(line.amount for line in rate(plan, currency, usage))


@given(plans(), st.sampled_from(["EUR", "JPY"]), usages)
def test_the_arithmetic_of_every_line_is_exact(plan, currency, usage):
    half = Fraction(1, 2 * 10 ** MINOR_UNITS[currency])
    for line in rate(plan, currency, usage):
        assert Fraction(line.amount) + Fraction(line.residue) == Fraction(line.quantity) * Fraction(line.unit_price)
        assert Fraction(line.unit_price) * line.per == Fraction(line.price)
        assert -half <= Fraction(line.residue) < half
        assert -line.amount.as_tuple().exponent == MINOR_UNITS[currency]


@given(plans(), usages)
def test_quantities_add_up_to_the_usage(plan, usage):
    lines = rate(plan, "EUR", usage)
    for metric in METRICS:
        assert sum(line.quantity for line in lines if line.metric == metric) == usage[metric]


@given(plans(), usages)
def test_it_agrees_with_pricing_each_tier_by_hand(plan, usage):
    expected = Fraction(plan.fee["EUR"])
    for metric in METRICS:
        terms = plan.usage[metric]
        lower = terms.included
        for tier in terms.tiers:
            upper = usage[metric] if tier.up_to is None else tier.up_to
            units = max(0, min(usage[metric], upper) - lower)
            expected += units * Fraction(tier.price["EUR"]) / terms.per
            lower = upper
    lines = rate(plan, "EUR", usage)
    assert sum(Fraction(line.amount) + Fraction(line.residue) for line in lines) == expected
    assert abs(Fraction(charged(plan, "EUR", usage)) - expected) <= len(lines) * Fraction(1, 200)


@given(plans(), usages, st.sampled_from(METRICS), st.integers(1, 10**6))
def test_more_usage_never_costs_less(plan, usage, metric, more):
    assert charged(plan, "EUR", {**usage, metric: usage[metric] + more}) >= charged(plan, "EUR", usage)


@given(plans(), usages)
def test_there_is_no_float_anywhere(plan, usage):
    for line in rate(plan, "EUR", usage):
        assert not any(isinstance(value, float) for value in astuple(line))


@pytest.mark.parametrize("plan", PLANS.plans.values(), ids=list(PLANS.plans))
@pytest.mark.parametrize("currency", PLANS.currencies)
def test_nothing_used_costs_the_fee(plan, currency):
    lines = rate(plan, currency, {"events": 0, "active_users": 0})
    assert add(line.amount for line in lines) == plan.fee[currency]
    assert [line.metric for line in lines] == [None, "events", "active_users"]


@pytest.mark.parametrize(
    ("events", "amounts"),
    [
        (4_999, ["0.00"]),
        (5_000, ["0.00"]),
        (5_001, ["0.00", "0.00"]),
        (5_006, ["0.00", "0.01"]),  # 6 events at 0.90 per 1,000 are 0.0054: the first cent
        (50_000, ["0.00", "40.50"]),
        (50_001, ["0.00", "40.50", "0.00"]),
        (500_000, ["0.00", "40.50", "279.00"]),
        (1_500_000, ["0.00", "40.50", "279.00", "380.00"]),
    ],
)
def test_the_edges_of_the_growth_plan(events, amounts):
    lines = rate(PLANS.plan("growth"), "EUR", {"events": events, "active_users": 0})
    assert [str(line.amount) for line in lines if line.metric == "events"] == amounts


def test_halves_are_rounded_up():
    plan = PLANS.plan("growth")
    line = rate(plan, "EUR", {"events": 0, "active_users": 251})[-1]
    assert (line.quantity, line.amount, line.residue) == (1, Decimal("0.05"), Decimal("-0.005"))  # 0.045
    line = rate(plan, "EUR", {"events": 0, "active_users": 255})[-1]
    assert (line.quantity, line.amount, line.residue) == (5, Decimal("0.23"), Decimal("-0.005"))  # 0.225


def test_yen_have_no_cents():
    plan = Plan.model_validate(
        {"title": "Yen", "fee": {"JPY": "12000.5"}, "usage": {m: {"included": "unlimited"} for m in METRICS}}
    )
    assert str(rate(plan, "JPY", {"events": 7, "active_users": 7})[0].amount) == "12001"


def test_neither_the_context_nor_the_locale_of_the_caller_matters():
    usage = {"events": 1_234_567, "active_users": 4_321}
    expected = rate(PLANS.plan("scale"), "CHF", usage)
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        with decimal.localcontext(prec=3, rounding=decimal.ROUND_CEILING):
            assert rate(PLANS.plan("scale"), "CHF", usage) == expected
    finally:
        locale.setlocale(locale.LC_ALL, before)


def test_a_currency_without_a_price_is_named():
    with pytest.raises(AnalyticsError, match=r"'Growth' has no price in JPY[\s\S]*EUR, USD"):
        rate(PLANS.plan("growth"), "JPY", {"events": 0, "active_users": 0})


def test_negative_usage_is_a_bug():
    with pytest.raises(ValueError, match="negative"):
        rate(PLANS.plan("growth"), "EUR", {"events": -1, "active_users": 0})
