"""Expressions of custom KPIs: what they are worth, and what a person is told about those that are none."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics_dagster.schemas import TenantConfiguration, TenantKind
from analytics_dagster.schemas.expressions import DEEPEST, ExpressionError, parsed, postfix, value_of
from analytics_dagster.schemas.kpis import CustomKpi, governed_metrics

NAMES = ["revenue", "sessions", "orders", "arpu"]
numbers = st.decimals(0, 10**9, places=3).map("{:f}".format)
expressions = st.recursive(
    st.sampled_from(NAMES) | numbers,
    lambda parts: (
        st.tuples(parts, st.sampled_from([" + ", "-", "*", " / "]), parts).map("".join)
        | parts.map("({})".format)
        | parts.map("-({})".format)
    ),
    max_leaves=12,
)
values = st.fixed_dictionaries(dict.fromkeys(NAMES, st.none() | st.decimals(-(10**12), 10**12, places=6)))


def python_says(text: str, metrics: dict[str, Decimal | None]) -> Fraction | None:
    """Python reads the same grammar, with the same precedence."""
    words = text.replace("(", " ( ").replace(")", " ) ")
    for sign in "+-*/":
        words = words.replace(sign, f" {sign} ")
    program = " ".join(f"Fraction('{word}')" if word[0].isdigit() else word for word in words.split())
    names = {name: value if value is None else Fraction(value) for name, value in metrics.items()}
    try:
        return eval(program, {"Fraction": Fraction, **names})  # noqa: S307 - of our own making
    except (TypeError, ZeroDivisionError):
        return None


@given(expressions, values)
def test_an_expression_is_worth_what_python_says(text: str, metrics: dict[str, Decimal | None]) -> None:
    exact, found = python_says(text, metrics), value_of(parsed(text), metrics)
    if exact is None or abs(exact) >= 10**31:
        assert found is None or abs(found) >= 10**31
    else:
        assert found is not None
        assert abs(Fraction(found) - exact) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("1/3", "0.333333"),
        ("2/3", "0.666667"),
        ("0.0000005", "0.000001"),
        ("-0.0000005", "-0.000001"),
        ("0.00000049999", "0"),
        ("1/3*3", "1"),
        ("2 - 3 - 4", "-5"),
        ("24 / 4 / 2", "3"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2 * -3", "6"),
        ("revenue / (sessions - 7)", None),
        ("0 * (1 / (sessions - 7))", None),
        ("unknown", None),
        ("99999999999999999999999999999999", "99999999999999999999999999999999"),
        ("100000000000000000000000000000000", None),
    ],
)
def test_worth(text: str, worth: str | None) -> None:
    found = value_of(parsed(text), {"revenue": Decimal("9.99"), "sessions": Decimal(7)})
    assert found == (None if worth is None else Decimal(worth))


def test_operations_come_after_what_they_work_on() -> None:
    assert postfix(parsed("payments / (sessions + 1.50)")) == ["payments", "sessions", "1.50", "+", "/"]
    assert postfix(parsed("-revenue")) == ["0", "revenue", "-"]
    assert postfix(parsed("revenue -- x")) == ["revenue", "0", "x", "-", "-"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"position 1: expected a number, a metric or \(, found the end"),
        ("   ", r"position 4: expected a number, a metric or \(, found the end"),
        ("revenue /", r"position 10: expected a number, a metric or \(, found the end"),
        ("revenue sessions", "position 9: expected an operation, found sessions"),
        ("revenue)", r"position 8: expected an operation, found \)"),
        ("(revenue", r"position 9: expected an operation or \), found the end"),
        ("revenue ** 2", r"position 10: expected a number, a metric or \(, found \*"),
        ("Revenue", "position 1: 'R' belongs to no number"),
        ("revenue; drop table", "position 8: ';' belongs to no number"),
        ("revenue / '1'", 'position 11: "\'" belongs to no number'),
        ("1e5", "position 1: '1' belongs to no number"),
        ("1.", "position 1: '1' belongs to no number"),
        (".5", "position 1: '.' belongs to no number"),
        ("1.2.3", "position 1: '1' belongs to no number"),
        ("revenue\n/ 2", r"position 8: '\\n' belongs to no number"),
        ("٣", "position 1: '٣' belongs to no number"),
        ("(" * 500, f"position {DEEPEST + 1}: at most {DEEPEST} parentheses"),
        ("-" * 500, f"position {DEEPEST + 1}: at most {DEEPEST} parentheses"),
    ],
)
def test_what_is_no_expression_is_told_where(text: str, fault: str) -> None:
    with pytest.raises(ExpressionError, match=fault):
        parsed(text)


@given(st.text(max_size=80) | st.text("revnu 12.()+-*/", max_size=80))
def test_any_text_is_an_expression_or_is_told_why_not(text: str) -> None:
    try:
        words = postfix(parsed(text))
    except ExpressionError as fault:
        words, told = [], str(fault)
    assert words or told.startswith("position ")


def kpi(**changes: str) -> dict[str, str]:
    return {"name": "own", "expression": "revenue", "unit": "ratio", "description": "Mine."} | changes


def tenant(*kpis: dict[str, str]) -> TenantConfiguration:
    fields = {"tenant_id": "acme", "name": "Acme", "kind": "music", "tier": "free", "region": "eu"}
    fields |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}
    return TenantConfiguration.model_validate({**fields, "custom_kpis": kpis}, strict=False)


@pytest.mark.parametrize(
    ("kpis", "fault"),
    [
        ([kpi(expression="plays /")], "arithmetic; in own, position 8: expected"),
        (
            [kpi(expression="orders / 2")],
            "in own, position 1: orders is no governed metric of a music tenant",
        ),
        ([kpi(name="other"), kpi(expression="2 * (plays - own)")], "in own, position 14: own is no governed metric"),
        ([kpi(), kpi()], "name each KPI once, not again: own"),
        ([kpi(name="plays")], "plays is a governed metric"),
        ([kpi(name="orders")], "orders is a governed metric"),
        ([kpi(name="Own")], "should match pattern"),
        ([kpi(expression="1" * 501)], "at most 500 characters"),
        ([kpi(name=f"own_{number}") for number in range(51)], "at most 50 items"),
    ],
)
def test_a_tenant_is_refused_with_what_is_wrong(kpis: list[dict[str, str]], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        tenant(*kpis)


def test_each_governed_metric_can_be_used() -> None:
    for kind in TenantKind:
        text = " + ".join(governed_metrics(kind))
        assert CustomKpi.model_validate(kpi(expression=text)).unknown_metric(kind) is None
