"""Questions to the marts of one tenant, their answers, and reports made of these.

Private as a module: all of it is imported from `analytics_dagster.schemas.analytics`. Nothing here is SQL:
names are plain words, which whoever runs a query looks up in what the tenant may read.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._parts import (
    Distinct,
    Line,
    Number,
    QualityMetadata,
    Record,
    Slug,
    Text,
    TimeRange,
    refusal,
    repeated,
)
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now
from analytics_dagster.schemas.metrics import MetricAggregationType

MOST_ROWS = 10_000
Scalar = None | bool | int | Number | Annotated[str, Field(max_length=4000)]


class AnalyticsGranularity(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def shortest(self) -> timedelta:
        days = {"hour": 1 / 24, "day": 23 / 24, "week": 7 - 1 / 24, "month": 28 - 1 / 24}
        return timedelta(days=days[self])


class FilterOperator(StrEnum):
    EQUALS = "equals"
    DIFFERS = "differs"
    IN = "in"
    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    IS_EMPTY = "is_empty"


class AnalyticsAggregation(Contract):
    """One figure of an answer."""

    function: MetricAggregationType
    field: Slug | None = Field(default=None, description="What is aggregated; none only for count: rows.")
    alias: Slug = Field(description="The name of its column in the answer.")

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.field is None and self.function is not MetricAggregationType.COUNT:
            raise refusal(self, "field", f"say what the {self.function} is of")
        return self


class AnalyticsFilter(Contract):
    """Rows that count: all filters of a query hold at once."""

    field: Slug
    operator: FilterOperator
    values: tuple[bool | int | Number | Line, ...] = Field(max_length=1000)

    @model_validator(mode="after")
    def _as_many_as_it_takes(self) -> Self:
        count = len(self.values)
        match self.operator:
            case FilterOperator.IN:
                wrong, expected = count == 0, "have at least one value"
            case FilterOperator.IS_EMPTY:
                wrong, expected = count != 0, "be empty"
            case _:
                wrong, expected = count != 1, "have one value"
        if wrong:
            raise refusal(self, "values", f"{expected} for {self.operator}")
        return self


class AnalyticsQuery(Record):
    """A question about one tenant. The answer has the bucket of time, the dimensions, then the aggregations."""

    query_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    dataset: Slug = Field(description="The mart that is asked, such as fct_sessions.")
    window: TimeRange
    granularity: AnalyticsGranularity | None = Field(
        default=None, description="Buckets in the tenant's time zone; none: the window as a whole."
    )
    dimensions: Annotated[tuple[Slug, ...], Distinct] = Field(default=(), max_length=8)
    aggregations: tuple[AnalyticsAggregation, ...] = Field(min_length=1, max_length=20)
    filters: tuple[AnalyticsFilter, ...] = Field(default=(), max_length=20)
    order_by: Annotated[tuple[Slug, ...], Distinct] = Field(default=(), description="Columns of the answer.")
    descending: bool = False
    limit: int = Field(default=1000, ge=1, le=MOST_ROWS, description="Rows at most.")
    include_test: bool = Field(default=False, description="Whether test traffic counts too.")

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if again := repeated(self.columns):
            raise refusal(self, "aggregations", f"have names that nothing else has: {', '.join(again)}")
        if unknown := [name for name in self.order_by if name not in self.columns]:
            raise refusal(self, "order_by", f"name columns of the answer: {', '.join(unknown)}")
        if self.granularity and self.window.duration / self.granularity.shortest > MOST_ROWS:
            raise refusal(self, "granularity", f"make at most {MOST_ROWS:,} buckets of the window")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the answer, in order."""
        bucket = (str(self.granularity),) if self.granularity else ()
        return bucket + self.dimensions + tuple(item.alias for item in self.aggregations)


class AnalyticsResult(Record):
    """The answer to a query, which comes with it."""

    query: AnalyticsQuery
    columns: tuple[Slug, ...] = Field(description="Those of the query, in its order.")
    rows: tuple[tuple[Scalar, ...], ...] = Field(
        max_length=MOST_ROWS, description="Decimals and times as text, as JSON has neither."
    )
    truncated: bool = Field(description="Whether there are more rows than the limit let through.")
    executed_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    duration_ms: float = Field(ge=0, allow_inf_nan=False, description="Milliseconds.")
    quality: QualityMetadata = Field(description="Of the data that was asked, when it was asked.")

    @model_validator(mode="after")
    def _answers_the_query(self) -> Self:
        if self.columns != self.query.columns:
            raise refusal(self, "columns", f"be {', '.join(self.query.columns)}, as the query has it")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise refusal(self, "rows", f"have {len(self.columns)} values each")
        if len(self.rows) > self.query.limit:
            raise refusal(self, "rows", f"be at most {self.query.limit}, the query's limit")
        if self.truncated and len(self.rows) < self.query.limit:
            raise refusal(self, "truncated", "be false while there is room below the limit")
        return self

    def records(self) -> list[dict[str, Scalar]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class ReportSection(Contract):
    """An answer under a heading, and what a person says to it."""

    heading: Line
    commentary: Text | None = Field(default=None, description="Plain text: shown escaped.")
    result: AnalyticsResult


class AnalyticsReport(Record):
    """Answers about one tenant and one period, put together for people; every figure keeps its query."""

    report_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    title: Line
    period: TimeRange
    sections: tuple[ReportSection, ...] = Field(min_length=1, max_length=50)
    generated_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC; after the period.")
    generated_by: Identifier = Field(description="The Dagster run that made it.")
    is_preliminary: bool = Field(default=False, description="The period is not over: figures will change.")

    @model_validator(mode="after")
    def _of_one_tenant(self) -> Self:
        for section in self.sections:
            query = section.result.query
            if query.tenant_id != self.tenant_id:
                raise refusal(self, "sections", f"be about {self.tenant_id} only: {section.heading!r} is not")
            if query.window.start < self.period.start or query.window.end > self.period.end:
                raise refusal(self, "sections", f"be within the period: {section.heading!r} is not")
        if again := repeated(section.heading for section in self.sections):
            raise refusal(self, "sections", f"have headings of their own, not again: {', '.join(again)}")
        if self.is_preliminary != (self.generated_at < self.period.end):
            raise refusal(self, "is_preliminary", "be true exactly before the period ends")
        return self
