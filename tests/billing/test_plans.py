import copy
from decimal import Decimal

import pytest
import yaml

from analytics_dagster.billing import PLANS_FILE, load_plans
from analytics_dagster.errors import AnalyticsError

TEXT = PLANS_FILE.read_text(encoding="utf-8")


def changed(path, value):
    """The real plans with one place changed; None takes it away."""
    plans = copy.deepcopy(yaml.safe_load(TEXT))
    *way, last = path
    place = plans
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return plans


def test_the_real_plans_are_complete():
    plans = load_plans()
    assert set(plans.plans) == {"free", "growth", "scale"}
    assert set(plans.currencies) == {"EUR", "USD", "GBP", "INR", "CHF", "AUD", "BRL"}
    for plan in plans.plans.values():
        for _, prices in plan.price_tables():
            assert set(prices) == set(plans.currencies)
            assert all(type(price) is Decimal for price in prices.values())


GROWTH = ("plans", "growth")
EVENTS = (*GROWTH, "usage", "events")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*GROWTH, "fee", "CHF"), None, r"plans\.growth\.fee lacks CHF"),
        ((*GROWTH, "fee", "JPY"), "1", r"plans\.growth\.fee has JPY"),
        ((*EVENTS, "tiers", 1, "price", "INR"), None, r"plans\.growth\.usage\.events\.tiers\.1\.price lacks INR"),
        ((*GROWTH, "fee", "EUR"), 99.0, r"plans\.growth\.fee\.EUR: write 99\.0 as text in quotes"),
        ((*GROWTH, "fee", "EUR"), "-1", r"plans\.growth\.fee\.EUR: '-1' is no price"),
        ((*GROWTH, "fee", "EUR"), "NaN", r"plans\.growth\.fee\.EUR: 'NaN' is no price"),
        ((*GROWTH, "fee", "EUR"), "1e3", r"'1e3' is no price"),
        ((*GROWTH, "fee", "EUR"), "1,50", r"'1,50' is no price"),
        ((*GROWTH, "fee", "EUR"), "٣", r"is no price"),
        ((*GROWTH, "usage", "active_users"), None, r"plans\.growth: usage lacks active_users"),
        ((*GROWTH, "usage", "storage"), {"included": 1}, r"plans\.growth\.usage\.storage"),
        ((*GROWTH, "colour"), "red", r"plans\.growth\.colour: Extra inputs"),
        ((*EVENTS, "per"), 3, r"plans\.growth\.usage\.events\.per: must be 1, 10, 100"),
        ((*EVENTS, "per"), 0, r"plans\.growth\.usage\.events\.per: must be 1, 10, 100"),
        ((*EVENTS, "included"), -1, r"plans\.growth\.usage\.events\.included"),
        ((*EVENTS, "included"), True, r"plans\.growth\.usage\.events\.included"),
        ((*EVENTS, "included"), "unlimited", "no tier can be reached"),
        ((*EVENTS, "included"), 50_000, r"plans\.growth\.usage\.events: tiers must ascend"),
        ((*EVENTS, "tiers", 1, "up_to"), 50_000, r"tiers must ascend.*\[5000, 50000, 50000\]"),
        ((*EVENTS, "tiers", 1, "up_to"), "unlimited", "only the last tier can be open"),
        ((*EVENTS, "tiers", 2, "up_to"), 600_000, "the last tier must be open"),
        ((*EVENTS, "tiers"), [], "the last tier must be open"),
        (("currencies",), ["EUR", "XXX"], r"currencies\.1: 'XXX' is not among"),
        (("plans",), {}, "plans: Dictionary should have at least 1 item"),
    ],
)
def test_a_wrong_plan_is_named_by_file_and_field(tmp_path, path, value, message):
    file = tmp_path / "plans.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)), encoding="utf-8")
    with pytest.raises(AnalyticsError, match=message) as raised:
        load_plans(file)
    assert raised.value.where == str(file)
    assert raised.value.remedy


def test_an_empty_place_is_not_unlimited(tmp_path):
    file = tmp_path / "plans.yaml"
    file.write_text(TEXT.replace("included: 5000", "included:"), encoding="utf-8")
    with pytest.raises(AnalyticsError, match="write a number, or unlimited"):
        load_plans(file)


@pytest.mark.parametrize("content", [b"plans: [", b"\xff\xfe\xff", b"", None])
def test_a_file_that_is_no_yaml_is_named(tmp_path, content):
    file = tmp_path / "plans.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AnalyticsError, match="plans") as raised:
        load_plans(file)
    assert raised.value.where == str(file)


def test_an_unknown_plan_names_the_known_ones():
    with pytest.raises(AnalyticsError, match=r"no plan 'platinum'[\s\S]*free, growth, scale"):
        load_plans().plan("platinum")


@pytest.mark.parametrize(
    ("plan", "currency", "problem"),
    [("platinum", "EUR", r"no plan 'platinum' \(tenant acme\)"), ("growth", "XAU", r"prices in XAU \(tenant acme\)")],
)
def test_a_tenant_that_could_not_be_billed_is_refused(plan: str, currency: str, problem: str) -> None:
    load_plans().require("growth", "EUR", tenant_id="acme")
    with pytest.raises(AnalyticsError, match=problem):
        load_plans().require(plan, currency, tenant_id="acme")
