"""The governed metrics by name, and the custom KPIs that a tenant makes of them.

What each metric means is in `dbt_project/DECISIONS.md`; how expressions are read is in `expressions`.
"""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from analytics_dagster.schemas._parts import Line, Unit, refusal
from analytics_dagster.schemas._tiers import TenantKind
from analytics_dagster.schemas.base import Contract
from analytics_dagster.schemas.expressions import LONGEST, Expression, ExpressionError, metrics_of, parsed

# of every tenant; its kind's primary metric comes on top
COMMON_METRICS = (
    "active_users",
    "weekly_active_users",
    "monthly_active_users",
    "stickiness",
    "sessions",
    "converted_sessions",
    "conversion",
    "engagement_seconds",
    "payments",
    "refunds",
    "revenue",
    "arpu",
    "new_subscribers",
    "lost_subscribers",
    "events",
    "app_errors",
    "error_rate",
    "test_events",
)
ALL_METRICS = frozenset({*COMMON_METRICS, *(kind.primary_metric for kind in TenantKind)})


def governed_metrics(kind: TenantKind) -> tuple[str, ...]:
    return (*COMMON_METRICS, kind.primary_metric)


class CustomKpi(Contract):
    """A tenant's own KPI: arithmetic over the governed metrics of a day."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")] = Field(
        description="What kpi_daily calls it."
    )
    expression: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] = Field(
        description="Of names of metrics, decimal numbers, + - * / and parentheses; null where it divides by zero."
    )
    unit: Unit = Field(description="Such as users, ratio, or a currency code.")
    description: Line = Field(description="What it says, for those who read it.")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.name in ALL_METRICS:
            raise refusal(self, "name", f"be a name of its own: {self.name} is a governed metric")
        try:
            self.parsed()
        except ExpressionError as fault:
            raise refusal(self, "expression", f"be arithmetic; in {self.name}, {fault}") from None
        return self

    def parsed(self) -> Expression:
        return parsed(self.expression)

    def unknown_metric(self, kind: TenantKind) -> str | None:
        """What is wrong with the first name that is no metric of this kind, if there is one."""
        known = governed_metrics(kind)
        for metric in metrics_of(self.parsed()):
            if metric.name not in known:
                return (
                    f"in {self.name}, position {metric.position}: {metric.name} is no governed metric of a {kind}"
                    f" tenant; known are {', '.join(known)}"
                )
        return None
