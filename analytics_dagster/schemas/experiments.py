"""What an experiment is to test, and how it is read: sequentially, or once at a planned end.

Files are `experiment_files`'s; what exposures and conversions count as is decided by dbt's models of experiments.
"""

import math
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from analytics_dagster.schemas._tiers import TenantKind
from analytics_dagster.schemas.base import NO_CONTROL_CHARACTER_PATTERN, Contract, EventName, TenantId
from analytics_dagster.schemas.event_contract import Text

LONGEST_NAME = 100  # what the marts read in an exposure's properties
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NO_CONTROL_CHARACTER_PATTERN)]
Share = Annotated[float, Field(gt=0, lt=1)]
LONGEST_WINDOW = 90 * 24  # in hours


class Experiment(Contract):
    """Of all tenants of some kinds, or of some tenants; a tenant's own one goes before that of its kind."""

    experiment: Name = Field(description="As the property `experiment` of experiment_exposed says it.")
    description: Text
    kinds: tuple[TenantKind, ...] = Field(default=(), description="All tenants of these kinds.")
    tenants: tuple[TenantId, ...] = Field(default=(), description="Or these tenants alone.")
    variants: dict[Name, Share] = Field(
        min_length=2, max_length=20, description="The planned share of each; a list of names means equal shares."
    )
    control: Name = Field(description="The variant that the others are compared with.")
    conversion: tuple[EventName, ...] = Field(
        default=("payment_succeeded",), min_length=1, max_length=10, description="Each of these events is one."
    )
    window_hours: int = Field(default=168, ge=1, le=LONGEST_WINDOW, description="From the first exposure.")
    analysis: Literal["sequential", "fixed_horizon"]
    planned_end: date | None = Field(default=None, description="The last day whose exposures a fixed horizon counts.")
    alpha: float = Field(default=0.05, ge=0.0001, le=0.1, description="How often chance alone may decide it.")
    minimum_users: int = Field(default=100, ge=1, le=10**9, description="In each of two variants, to compare them.")

    @field_validator("variants", mode="before")
    @classmethod
    def _equal_shares(cls, value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            return value
        if len(set(value)) < len(value):
            raise ValueError("should name each variant once")
        return dict.fromkeys(value, 1 / max(len(value), 2))  # of one alone, what is too few is said

    @field_validator("variants")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        if not math.isclose(total := sum(value.values()), 1, abs_tol=1e-9):
            raise ValueError(f"shares should sum to 1, not to {total:.9g}; a list of names means equal shares")
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if bool(self.kinds) == bool(self.tenants):
            raise ValueError("should belong either to kinds or to tenants")
        if self.control not in self.variants:
            raise ValueError(f"control should be one of the variants, which are {', '.join(self.variants)}")
        if (self.analysis == "fixed_horizon") != (self.planned_end is not None):
            raise ValueError(
                "planned_end should be said where analysis is fixed_horizon, and only there:"
                " a sequential one can be read on any day"
            )
        return self
