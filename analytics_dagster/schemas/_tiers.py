"""What a kind and a tier mean: limits and features, and what a tenant has of them.

Private as a module: all of it is imported from `analytics_dagster.schemas.tenant`. Prices are `billing`'s.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._parts import Distinct, refusal
from analytics_dagster.schemas.base import Contract, TenantId


class TenantKind(StrEnum):
    MUSIC = "music"
    SHOP = "shop"
    SAAS = "saas"
    CONTENT = "content"

    @property
    def primary_metric(self) -> str:
        """What its people come for, as kpi_daily calls it."""
        return {"music": "plays", "shop": "orders", "saas": "feature_uses", "content": "reads"}[self]


class TenantTier(StrEnum):
    FREE = "free"
    STANDARD = "standard"
    ENTERPRISE = "enterprise"


class TenantFeature(StrEnum):
    BI_ACCESS = "bi_access"
    CHURN_SCORES = "churn_scores"
    LIFETIME_VALUE = "lifetime_value"
    EXPERIMENTS = "experiments"
    REALTIME = "realtime"
    REALTIME_ALERTS = "realtime_alerts"
    DATA_EXPORT = "data_export"
    OWN_MODELS = "own_models"


class TenantLimits(Contract):
    """Over a limit is marked and alerted, never dropped."""

    events_per_day: int = Field(ge=1, description="Events received on one loading day (UTC).")
    event_bytes: int = Field(ge=256, le=1 << 20, description="Size of one event as JSON, in bytes.")


# Features build on one another; a tier has all of the tier below it.
NEEDS: Mapping[TenantFeature, TenantFeature] = {
    TenantFeature.REALTIME_ALERTS: TenantFeature.REALTIME,
    TenantFeature.OWN_MODELS: TenantFeature.CHURN_SCORES,
}
_FREE = frozenset({TenantFeature.BI_ACCESS, TenantFeature.DATA_EXPORT})
_STANDARD = _FREE | {TenantFeature.CHURN_SCORES, TenantFeature.LIFETIME_VALUE, TenantFeature.EXPERIMENTS}
TIER_FEATURES: Mapping[TenantTier, frozenset[TenantFeature]] = {
    TenantTier.FREE: _FREE,
    TenantTier.STANDARD: _STANDARD,
    TenantTier.ENTERPRISE: frozenset(TenantFeature),
}
TIER_LIMITS: Mapping[TenantTier, TenantLimits] = {
    TenantTier.FREE: TenantLimits(events_per_day=100_000, event_bytes=16 << 10),
    TenantTier.STANDARD: TenantLimits(events_per_day=5_000_000, event_bytes=64 << 10),
    TenantTier.ENTERPRISE: TenantLimits(events_per_day=200_000_000, event_bytes=1 << 20),
}

Features = Annotated[tuple[TenantFeature, ...], Distinct]


class TenantFeatures(Contract):
    """What a tenant may use, all told: its tier, and what was added or taken away."""

    tenant_id: TenantId
    enabled: Features = Field(description="In the order of TenantFeature.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if list(self.enabled) != [feature for feature in TenantFeature if feature in self.enabled]:
            raise refusal(self, "enabled", "be in the order of TenantFeature")
        for feature, needed in NEEDS.items():
            if feature in self.enabled and needed not in self.enabled:
                raise refusal(self, "enabled", f"have {needed} too, which {feature} needs")
        return self

    def allows(self, feature: TenantFeature) -> bool:
        return feature in self.enabled
