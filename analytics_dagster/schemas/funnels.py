"""What a funnel is: ordered steps that a user takes within a window. Files are `funnel_files`'s; what the steps count
as is decided by dbt's model `funnel_steps`.
"""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from analytics_dagster.schemas._tiers import TenantKind
from analytics_dagster.schemas.base import Contract, EventName, TenantId
from analytics_dagster.schemas.event_contract import PropertyName, Text

FunnelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
MOST_STEPS = 6  # funnel_steps of dbt has a part for each
LONGEST_WINDOW = 7 * 24  # in hours: a day's build restates the funnels of so many days before it


class FunnelStep(Contract):
    """An event by its name, if its properties have these values."""

    event_name: EventName
    where: dict[PropertyName, Text | int | bool] = Field(default_factory=dict, description="Each has to be equal.")


class Funnel(Contract):
    """Of all tenants of some kinds, or of some tenants."""

    funnel: FunnelName
    description: Text
    kinds: tuple[TenantKind, ...] = Field(default=(), description="All tenants of these kinds.")
    tenants: tuple[TenantId, ...] = Field(default=(), description="Or these tenants alone.")
    window_hours: int = Field(ge=1, le=LONGEST_WINDOW, description="From the first step to the last.")
    breakdown: PropertyName | None = Field(default=None, description="A property of the first step, to count by.")
    steps: tuple[FunnelStep, ...] = Field(min_length=2, max_length=MOST_STEPS)

    @model_validator(mode="after")
    def _belongs_to_somebody(self) -> Self:
        if bool(self.kinds) == bool(self.tenants):
            raise ValueError("should belong either to kinds or to tenants")
        return self
