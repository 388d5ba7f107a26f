"""Figures: one measured value, and what many of them come to over a time.

What is asked of the marts and what comes back is in `analytics`; the state of machines is in `monitoring`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._parts import Count, Exact, Line, Marked, QualityMetadata, Slug, TimeRange, Unit, refusal
from analytics_dagster.schemas.base import Contract, TenantId, UtcDatetime, utc_now

AGREES = Decimal("0.000001")  # an average of exact figures need not be exact


class MetricAggregationType(StrEnum):
    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"
    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    LAST = "last"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"


TALLIES = frozenset({MetricAggregationType.COUNT, MetricAggregationType.DISTINCT})
PERCENTILES: Mapping[MetricAggregationType, int] = {
    MetricAggregationType.P50: 50,
    MetricAggregationType.P90: 90,
    MetricAggregationType.P95: 95,
    MetricAggregationType.P99: 99,
}


class MetricValue(Marked):
    """One figure at one moment, such as a row of marts.kpi_daily."""

    tenant_id: TenantId | None = Field(default=None, description="Whose it is; none: the platform's.")
    name: Slug
    value: Exact = Field(description="In `unit`, as decimal text on the wire.")
    unit: Unit = Field(description="Such as users, seconds, bytes, %, requests/s, or a currency code.")
    measured_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    dimensions: dict[Slug, Line] = Field(
        default_factory=dict, max_length=20, description="What it is broken down by: {region: eu-west}."
    )
    quality: QualityMetadata | None = None


class AggregatedMetric(Contract):
    """What the values of one metric in a time range come to."""

    tenant_id: TenantId | None = Field(default=None, description="Whose it is; none: the platform's.")
    name: Slug
    unit: Unit = Field(description="Of the values that were aggregated.")
    window: TimeRange
    aggregation: MetricAggregationType
    value: Exact = Field(description="In `unit`; for count and distinct a number of values.")
    sample_count: Count = Field(description="How many values there were.")
    minimum: Exact | None = Field(description="The least of them, in `unit`; none where there were none.")
    maximum: Exact | None = Field(description="The greatest of them, in `unit`; none where there were none.")
    total: Exact = Field(description="Their sum, in `unit`.")
    dimensions: dict[Slug, Line] = Field(default_factory=dict, max_length=20)
    quality: QualityMetadata | None = None

    @model_validator(mode="after")
    def _extremes(self) -> Self:
        empty = self.sample_count == 0
        for field in ("minimum", "maximum"):
            if (getattr(self, field) is None) != empty:
                raise refusal(self, field, "be there exactly if there are values")
        if self.minimum is None or self.maximum is None:
            if self.total != 0:
                raise refusal(self, "total", "be 0 where there are no values")
            return self
        if self.maximum < self.minimum:
            raise refusal(self, "maximum", "be at least the minimum")
        with localcontext(prec=60):
            low, high = self.minimum * self.sample_count, self.maximum * self.sample_count
        if not low <= self.total <= high:
            raise refusal(self, "total", f"be between {low} and {high}, by count and extremes")
        return self

    @model_validator(mode="after")
    def _value_agrees(self) -> Self:
        kinds = MetricAggregationType
        expected: Decimal | None = {
            kinds.COUNT: Decimal(self.sample_count),
            kinds.SUM: self.total,
            kinds.MINIMUM: self.minimum,
            kinds.MAXIMUM: self.maximum,
            kinds.AVERAGE: self.total / self.sample_count if self.sample_count else None,
        }.get(self.aggregation)
        if expected is not None:
            if abs(self.value - expected) > (AGREES if self.aggregation is kinds.AVERAGE else 0):
                raise refusal(self, "value", f"be {expected}, by the other fields")
        elif self.aggregation is kinds.DISTINCT:
            if not (min(self.sample_count, 1) <= self.value <= self.sample_count and self.value == int(self.value)):
                raise refusal(self, "value", "be a whole number, at most the number of values")
        elif self.minimum is None or self.maximum is None:
            raise refusal(self, "sample_count", f"be at least 1: nothing has no {self.aggregation}")
        elif not self.minimum <= self.value <= self.maximum:
            raise refusal(self, "value", "be between minimum and maximum")
        return self

    @classmethod
    def of(cls, values: Sequence[MetricValue], aggregation: MetricAggregationType, window: TimeRange) -> Self:
        """Aggregate the values of one metric; percentiles are values that occurred (nearest rank)."""
        if len({(value.tenant_id, value.name, value.unit) for value in values}) != 1:
            raise ValueError("values of exactly one tenant, metric and unit can be aggregated")
        if outside := [value for value in values if value.measured_at not in window]:
            raise ValueError(f"{len(outside)} values are outside the window")
        ordered = sorted(value.value for value in values)
        first = values[0]
        with localcontext(prec=60):
            total = sum(ordered, Decimal(0))
            average = round(total / len(ordered), 9)
        kinds = MetricAggregationType
        if aggregation in PERCENTILES:
            value = ordered[-(-PERCENTILES[aggregation] * len(ordered) // 100) - 1]
        else:
            value = {
                kinds.COUNT: Decimal(len(ordered)),
                kinds.DISTINCT: Decimal(len(set(ordered))),
                kinds.SUM: total,
                kinds.AVERAGE: average,
                kinds.MINIMUM: ordered[0],
                kinds.MAXIMUM: ordered[-1],
                kinds.LAST: max(values, key=lambda value: value.measured_at).value,
            }[aggregation]
        return cls(
            tenant_id=first.tenant_id, name=first.name, unit=first.unit, window=window, aggregation=aggregation,
            value=value, sample_count=len(ordered), minimum=ordered[0], maximum=ordered[-1], total=total,
        )  # fmt: skip
