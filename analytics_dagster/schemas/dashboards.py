"""Dashboards: which questions are asked, how the answers are drawn, and what a reader can change.

The questions themselves are `analytics.AnalyticsQuery`; drawing is the renderer's.
"""

from enum import StrEnum
from itertools import combinations
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._parts import Distinct, Line, Record, Slug, Text, refusal, repeated
from analytics_dagster.schemas.analytics import AnalyticsFilter, AnalyticsQuery
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now

COLUMNS = 12


class WidgetType(StrEnum):
    KPI = "kpi"
    CHART = "chart"
    TABLE = "table"
    TEXT = "text"


class ChartType(StrEnum):
    LINE = "line"
    AREA = "area"
    BAR = "bar"
    PIE = "pie"
    SCATTER = "scatter"
    HEATMAP = "heatmap"
    FUNNEL = "funnel"
    HISTOGRAM = "histogram"


# Charts of one dimension, of two, of two measures: a renderer cannot draw them with less.
DIMENSIONS_NEEDED = {
    ChartType.PIE: 1,
    ChartType.BAR: 1,
    ChartType.FUNNEL: 1,
    ChartType.HISTOGRAM: 1,
    ChartType.HEATMAP: 2,
}


class DashboardVisibility(StrEnum):
    OWNER = "owner"
    TENANT = "tenant"


class WidgetPosition(Contract):
    """A rectangle on a grid of 12 columns; rows are counted from the top."""

    column: int = Field(ge=0, lt=COLUMNS)
    row: int = Field(ge=0, le=1000)
    width: int = Field(ge=1, le=COLUMNS, description="In columns.")
    height: int = Field(ge=1, le=50, description="In rows.")

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        if self.column + self.width > COLUMNS:
            raise refusal(self, "width", f"end at column {COLUMNS} or before")
        return self

    def overlaps(self, other: "WidgetPosition") -> bool:
        return (
            self.column < other.column + other.width
            and other.column < self.column + self.width
            and self.row < other.row + other.height
            and other.row < self.row + self.height
        )


class DashboardWidget(Contract):
    """One rectangle: a question and how its answer is drawn, or a text."""

    widget_id: Slug = Field(description="Unique in its dashboard.")
    widget_type: WidgetType
    title: Line
    position: WidgetPosition
    query: AnalyticsQuery | None = Field(default=None, description="The question: for all but texts.")
    chart_type: ChartType | None = Field(default=None, description="Exactly for charts.")
    text: Text | None = Field(default=None, description="Markdown, shown escaped: exactly for texts.")

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        kind = self.widget_type
        for field, wanted in (
            ("query", kind is not WidgetType.TEXT),
            ("chart_type", kind is WidgetType.CHART),
            ("text", kind is WidgetType.TEXT),
        ):
            if (getattr(self, field) is not None) != wanted:
                raise refusal(self, field, f"{'be there' if wanted else 'be empty'} for a widget of type {kind}")
        if self.query is None:
            return self
        if kind is WidgetType.KPI and (len(self.query.aggregations) != 1 or self.query.dimensions):
            raise refusal(self, "query", "have one aggregation and no dimension: a KPI is one figure")
        if self.chart_type is not None:
            axes = len(self.query.dimensions) + (self.query.granularity is not None)
            if axes < DIMENSIONS_NEEDED.get(self.chart_type, 0):
                raise refusal(
                    self, "query", f"have {DIMENSIONS_NEEDED[self.chart_type]} dimensions for {self.chart_type}"
                )
            if self.chart_type in (ChartType.LINE, ChartType.AREA) and self.query.granularity is None:
                raise refusal(self, "query", f"have a granularity: {self.chart_type} needs time")
            if self.chart_type is ChartType.SCATTER and not self.query.aggregations[1:]:
                raise refusal(self, "query", "have two aggregations for scatter")
        return self


class DashboardControl(Contract):
    """A filter that the reader can change, and the widgets that follow it."""

    label: Line
    default: AnalyticsFilter
    widgets: Annotated[tuple[Slug, ...], Distinct] = Field(min_length=1)


class WidgetLink(Contract):
    """A click on a value in one widget filters another by that value."""

    source: Slug
    target: Slug
    dimension: Slug = Field(description="Which the source is broken down by.")


class InteractiveDashboard(Record):
    """A page of widgets of one tenant; what it names is on it, and nothing covers anything."""

    dashboard_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    title: Line
    owner: Identifier
    visibility: DashboardVisibility = DashboardVisibility.OWNER
    updated_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    refresh_seconds: int | None = Field(default=None, ge=5, le=86_400, description="None: only when it is asked to.")
    widgets: tuple[DashboardWidget, ...] = Field(min_length=1, max_length=50)
    controls: tuple[DashboardControl, ...] = Field(default=(), max_length=20)
    links: Annotated[tuple[WidgetLink, ...], Distinct] = ()

    @model_validator(mode="after")
    def _widgets(self) -> Self:
        if again := repeated(widget.widget_id for widget in self.widgets):
            raise refusal(self, "widgets", f"have ids of their own, not again: {', '.join(again)}")
        for one, other in combinations(self.widgets, 2):
            if one.position.overlaps(other.position):
                raise refusal(self, "widgets", f"not cover one another: {one.widget_id} and {other.widget_id}")
        for widget in self.widgets:
            if widget.query is not None and widget.query.tenant_id != self.tenant_id:
                raise refusal(self, "widgets", f"ask about {self.tenant_id} only: {widget.widget_id} does not")
        return self

    @model_validator(mode="after")
    def _interaction(self) -> Self:
        asking = {widget.widget_id: widget.query for widget in self.widgets if widget.query is not None}
        for control in self.controls:
            if unknown := sorted({*control.widgets} - asking.keys()):
                raise refusal(self, "controls", f"name widgets with a query: {', '.join(unknown)}")
        for link in self.links:
            source = asking.get(link.source)
            if source is None or link.target not in asking or link.source == link.target:
                raise refusal(
                    self, "links", f"lead from one widget with a query to another: {link.source}, {link.target}"
                )
            if link.dimension not in source.dimensions:
                raise refusal(self, "links", f"use a dimension of {link.source}, which {link.dimension} is not")
        return self

    def widget(self, widget_id: str) -> DashboardWidget:
        return {widget.widget_id: widget for widget in self.widgets}[widget_id]
