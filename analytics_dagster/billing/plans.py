"""The plans as `plans.yaml` states them: read strictly, and complete in every currency or refused."""

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.base import Contract
from analytics_dagster.schemas.yaml_files import parsed

PLANS_FILE = Path(__file__).with_name("plans.yaml")

# ISO 4217. More than two decimals would not fit billing.statements, which keeps numeric(18, 2).
MINOR_UNITS = {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "INR": 2, "JPY": 0,
    "KRW": 0, "MXN": 2, "NOK": 2, "NZD": 2, "PLN": 2, "SEK": 2, "SGD": 2, "USD": 2, "ZAR": 2,
}  # fmt: skip

Metric = Literal["events", "active_users"]
METRICS: tuple[Metric, ...] = get_args(Metric)
UNLIMITED = "unlimited"


def _price(text: Any) -> Decimal:
    if not isinstance(text, str):
        raise ValueError(f"write {text!r} as text in quotes")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise ValueError(f'{text!r} is no price, such as "12.50"')
    return Decimal(text)


def _units(value: Any) -> Any:
    if value is None:  # an empty place in YAML is an oversight, not a decision
        raise ValueError(f"write a number, or {UNLIMITED}")
    return None if value == UNLIMITED else value


def _known_currency(code: str) -> str:
    if code not in MINOR_UNITS:
        raise ValueError(f"{code!r} is not among {', '.join(sorted(MINOR_UNITS))}")
    return code


def _power_of_ten(per: int) -> int:
    # a price for 3 units would have no exact price for one
    if not re.fullmatch("10*", str(per)):
        raise ValueError("must be 1, 10, 100, 1000 ...")
    return per


Price = Annotated[Decimal, BeforeValidator(_price)]
Currency = Annotated[str, AfterValidator(_known_currency)]
Prices = dict[Currency, Price]
Units = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_units)]  # None: unlimited


class Tier(Contract):
    up_to: Units
    price: Prices


class UsagePrice(Contract):
    per: Annotated[int, AfterValidator(_power_of_ten)] = 1
    included: Units
    tiers: list[Tier] = Field(default_factory=list)

    @model_validator(mode="after")
    def _tiers_ascend_to_no_end(self) -> Self:
        if self.included is None:
            if self.tiers:
                raise ValueError("everything is included, so no tier can be reached")
            return self
        *closed, last = [self.included, *(tier.up_to for tier in self.tiers)]
        if last is not None:
            raise ValueError(f"the last tier must be open: `up_to: {UNLIMITED}`")
        bounds = [bound for bound in closed if bound is not None]
        if len(bounds) < len(closed):
            raise ValueError("only the last tier can be open")
        if any(upper <= lower for lower, upper in pairwise(bounds)):
            raise ValueError(f"tiers must ascend from what is included: {bounds}")
        return self


class Plan(Contract):
    title: Annotated[str, Field(min_length=1)]
    fee: Prices
    usage: dict[Metric, UsagePrice]

    @model_validator(mode="after")
    def _every_metric(self) -> Self:
        if missing := [metric for metric in METRICS if metric not in self.usage]:
            raise ValueError(f"usage lacks {', '.join(missing)}")
        return self

    def price_tables(self) -> Iterator[tuple[str, Prices]]:
        yield "fee", self.fee
        for metric, usage in self.usage.items():
            for number, tier in enumerate(usage.tiers):
                yield f"usage.{metric}.tiers.{number}.price", tier.price


class Plans(Contract):
    currencies: Annotated[list[Currency], Field(min_length=1)]
    plans: Annotated[dict[str, Plan], Field(min_length=1)]

    @model_validator(mode="after")
    def _every_currency_everywhere(self) -> Self:
        wanted = set(self.currencies)
        for name, plan in self.plans.items():
            for place, prices in plan.price_tables():
                if missing := sorted(wanted - set(prices)):
                    raise ValueError(f"plans.{name}.{place} lacks {', '.join(missing)}")
                if surplus := sorted(set(prices) - wanted):
                    raise ValueError(f"plans.{name}.{place} has {', '.join(surplus)}, not in `currencies`")
        return self

    def plan(self, name: str) -> Plan:
        try:
            return self.plans[name]
        except KeyError:
            raise AnalyticsError(
                f"there is no plan {name!r}",
                remedy=f"add it to {PLANS_FILE.name}, or give the tenant one of: {', '.join(self.plans)}",
            ) from None

    def require(self, plan: str, currency: str, *, tenant_id: str) -> None:
        """Refuse a tenant that could not be billed while somebody is looking, and not at the end of its month."""
        try:
            self.plan(plan)
        except AnalyticsError as error:
            raise AnalyticsError(error.problem, where=f"tenant {tenant_id}", remedy=error.remedy) from None
        if currency not in self.currencies:
            raise AnalyticsError(
                f"no plan has prices in {currency}",
                where=f"tenant {tenant_id}",
                remedy=f"add them to {PLANS_FILE.name}, or bill the tenant in one of: {', '.join(self.currencies)}",
            )


def load_plans(path: Path = PLANS_FILE) -> Plans:
    try:
        return Plans.model_validate(parsed(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'].removeprefix('Value error, ')}".lstrip(": ")
            for e in error.errors()
        )
        raise AnalyticsError(f"plans that cannot work: {wrong}", where=str(path), remedy="correct the file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AnalyticsError(
            f"plans cannot be read: {error}", where=str(path), remedy="restore the file, or correct its YAML"
        ) from None
