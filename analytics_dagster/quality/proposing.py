"""Bounds learned from history: what the expectations of the suites would ask for if they went by the loads that passed.

Everything here is a pure function over a frame of measures; a person decides what of it is taken on. Where the frame
comes from is in `learning`, how bounds get into files in `suite_text`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Literal

import pandas as pd

from analytics_dagster.quality.suites import Expectation, Suite

Bound = Literal["min_value", "max_value"]
Thresholds = Mapping[str, Mapping[str, Mapping[str, Any]]]  # tenant, suite.expectation, what changes

ENOUGH_LOADS = 21  # of a measure, to learn a bound from; of one tenant, to say that it is different
ENOUGH_TENANTS = 3  # to say that one is different from the others
RARE = 0.005  # the share of good loads beyond what is taken for usual
MARGIN = {"critical": 1.0, "warning": 0.5, "info": 0.5}  # beyond the usual, in distances from the median to its end
SMALLEST_MARGIN = 0.02  # what never happened yet may happen a little
FAR = 6.0  # robust deviations from the other tenants' usual
DIGITS = 2

# of the size of a tenant: no bound fits all, their deviations are judged
SIZES = frozenset({"received", "accepted", "users", "sessions", "payments", "median_amount", "largest_amount"})


@dataclass(frozen=True)
class Proposal:
    """One bound of one expectation."""

    suite: str
    expectation: str
    bound: Bound
    now: float
    proposed: float
    loads: int  # that it was learned from
    fail_now: int
    would_fail: int
    own: Mapping[str, float]  # for tenants that differ strongly

    @property
    def key(self) -> str:
        return f"{self.suite}.{self.expectation}"


def propose(frame: pd.DataFrame, suites: Sequence[Suite], thresholds: Thresholds | None = None) -> list[Proposal]:
    """A proposal for each bound that enough loads tell something about. `frame`: loads that were good."""
    return [
        proposal
        for suite in suites
        for expectation in suite.expectations
        if expectation.column in frame.columns and expectation.column not in SIZES
        for proposal in _of(expectation, frame, thresholds or {})
    ]


def own_thresholds(proposals: Sequence[Proposal]) -> dict[str, dict[str, dict[str, float]]]:
    """What would stand in the files of the tenants that differ, as their field `quality`."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for proposal in proposals:
        for tenant_id, value in proposal.own.items():
            found.setdefault(tenant_id, {}).setdefault(proposal.key, {})[proposal.bound] = value
    return found


def _of(expectation: Expectation, frame: pd.DataFrame, thresholds: Thresholds) -> Iterator[Proposal]:
    # a tenant whose bound is its own already is no pattern for the others
    others = ~frame["tenant_id"].isin([tenant for tenant, own in thresholds.items() if expectation.key in own])
    loads = frame.loc[others, ["tenant_id", expectation.column]].dropna()
    if len(loads) < ENOUGH_LOADS:
        return
    for bound in ("min_value", "max_value"):
        now = expectation.kwargs.get(bound)
        if now is None:
            continue
        # a lower bound is the upper bound of the negated
        sign = 1.0 if bound == "max_value" else -1.0
        values = sign * loads[expectation.column]
        margin = MARGIN[expectation.severity]
        own_ends = _ends_of_others(values, loads["tenant_id"])
        common = values[~loads["tenant_id"].isin(own_ends)]
        proposed = _outward(sign * _end(common, margin), bound)
        if not _sensible(expectation.column, bound, proposed):
            continue
        if expectation.severity == "critical" and sign * proposed > sign * now:
            proposed = float(now)  # what it held is not in the history: that says nothing for a looser one
        own = {
            str(tenant): _outward(sign * _end(values[loads["tenant_id"] == tenant], margin), bound)
            for tenant in own_ends
        }
        own = {
            tenant: value
            for tenant, value in own.items()
            if sign * value > sign * proposed and _sensible(expectation.column, bound, value)
        }
        limits = sign * loads["tenant_id"].map(own).astype("float64").fillna(proposed)
        yield Proposal(
            suite=expectation.suite,
            expectation=expectation.name,
            bound=bound,
            now=float(now),
            proposed=proposed,
            loads=len(loads),
            fail_now=int((values > sign * now).sum()),
            would_fail=int((values > limits).sum()),
            own=own,
        )


def _end(values: pd.Series, margin: float) -> float:
    """Where the usual ends, with a margin: the distance from the median is stretched."""
    usual, middle = float(values.quantile(1 - RARE)), float(values.median())
    return usual + max(margin * (usual - middle), SMALLEST_MARGIN)


def _ends_of_others(values: pd.Series, tenants: pd.Series) -> list[str]:
    """The tenants whose usual is far beyond that of the others."""
    known = tenants.map(tenants.value_counts()) >= ENOUGH_LOADS
    ends = values[known].groupby(tenants[known]).quantile(1 - RARE)
    if len(ends) < ENOUGH_TENANTS:
        return []
    middle = ends.median()
    spread = max(1.4826 * (ends - middle).abs().median(), 0.1 * abs(middle), SMALLEST_MARGIN)
    return [str(tenant) for tenant, end in ends.items() if end > middle + FAR * spread]


def _sensible(measure: str, bound: Bound, value: float) -> bool:
    """Whether a value of this measure can be beyond it at all."""
    if bound == "min_value":
        return value > 0 or measure.endswith("_deviation")
    return value < 1 or not measure.endswith(("_share", "mix_shift"))


def _outward(value: float, bound: Bound) -> float:
    """Rounded to a few digits, away from the loads."""
    exact = Decimal(repr(value))
    last_digit = Decimal(1).scaleb(exact.adjusted() - DIGITS + 1)
    return float(exact.quantize(last_digit, ROUND_CEILING if bound == "max_value" else ROUND_FLOOR))
