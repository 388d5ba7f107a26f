"""The tenant: the unit of isolation, of failure, of cost and of proof.

What its configuration says. What a tier means is in `_tiers`, what a tenant used, owes and achieved in
`_tenant_month`: both are imported from here. The registry is `tenancy`, prices are `billing`'s.
"""

from enum import StrEnum
from functools import cache
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from analytics_dagster.schemas._parts import CurrencyCode, refusal, repeated
from analytics_dagster.schemas._tenant_month import (
    BillingLine,
    BillingState,
    TenantAnalytics,
    TenantBilling,
    TenantUsageMetrics,
)
from analytics_dagster.schemas._tiers import (
    NEEDS,
    TIER_FEATURES,
    TIER_LIMITS,
    Features,
    TenantFeature,
    TenantFeatures,
    TenantKind,
    TenantLimits,
    TenantTier,
)
from analytics_dagster.schemas.base import Contract, TenantId
from analytics_dagster.schemas.kpis import CustomKpi
from analytics_dagster.schemas.quality import ExpectationKey, QualityThreshold

__all__ = [
    "TIER_LIMITS",
    "BillingLine",
    "BillingState",
    "ComplianceFramework",
    "DataResidency",
    "TenantAnalytics",
    "TenantBilling",
    "TenantConfiguration",
    "TenantFeature",
    "TenantFeatures",
    "TenantKind",
    "TenantLimits",
    "TenantTier",
    "TenantUsageMetrics",
]

_time_zones = cache(available_timezones)  # reads a folder of 600 files


def _known_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name


class ComplianceFramework(StrEnum):
    GDPR = "gdpr"
    HIPAA = "hipaa"
    SOX = "sox"
    PCI_DSS = "pci_dss"


class DataResidency(StrEnum):
    """Where the data may be kept: the first word of the regions that are allowed."""

    ANYWHERE = "anywhere"
    EU = "eu"
    US = "us"
    CA = "ca"
    SA = "sa"
    AP = "ap"
    ME = "me"
    AF = "af"


class TenantConfiguration(Contract):
    """What `tenants/<tenant_id>.yaml` says.

    Flat on purpose: plain values and lists of words, but for KPIs, which have fields, and quality, which names
    expectations.
    """

    tenant_id: TenantId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
    kind: TenantKind
    tier: TenantTier
    region: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = Field(description="Decides where a day ends.")
    currency: CurrencyCode
    plan: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    compliance_frameworks: tuple[ComplianceFramework, ...] = ()
    retention_days: int = Field(default=730, ge=1)
    residency: DataResidency = Field(
        default=DataResidency.ANYWHERE, description="The region must be in it, such as eu-west in eu."
    )
    events_per_day: int | None = Field(
        default=None, ge=1, description="Limit of events received on a loading day (UTC); none: the tier's."
    )
    event_bytes: int | None = Field(
        default=None, ge=256, le=1 << 20, description="Limit of one event's size in bytes; none: the tier's."
    )
    features_added: Features = Field(default=(), description="Beyond those of the tier.")
    features_removed: Features = Field(default=(), description="Of the tier's, those that this tenant does not have.")
    custom_kpis: tuple[CustomKpi, ...] = Field(
        default=(), max_length=50, description="Beyond the governed metrics of kpi_daily, and made of them."
    )
    quality: dict[ExpectationKey, QualityThreshold] = Field(
        default={},
        max_length=200,
        description="Own thresholds, by suite.expectation, such as raw_events.most_lines_are_new.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.residency is not DataResidency.ANYWHERE and self.region.split("-")[0] != self.residency:
            raise refusal(self, "region", f"be in {self.residency}, by residency")
        if both := sorted({*self.features_added} & {*self.features_removed}):
            raise refusal(self, "features_removed", f"not name what features_added names: {', '.join(both)}")
        enabled = self._enabled()
        for feature, needed in NEEDS.items():
            if feature in enabled and needed not in enabled:
                field = "features_removed" if needed in self.features_removed else "features_added"
                raise refusal(self, field, f"leave {needed} to the tenant: {feature} needs it")
        if again := repeated(kpi.name for kpi in self.custom_kpis):
            raise refusal(self, "custom_kpis", f"name each KPI once, not again: {', '.join(again)}")
        for kpi in self.custom_kpis:
            if fault := kpi.unknown_metric(self.kind):
                raise refusal(self, "custom_kpis", f"be made of governed metrics; {fault}")
        return self

    def _enabled(self) -> frozenset[TenantFeature]:
        return (TIER_FEATURES[self.tier] | {*self.features_added}) - {*self.features_removed}

    @property
    def features(self) -> TenantFeatures:
        enabled = self._enabled()
        return TenantFeatures(
            tenant_id=self.tenant_id, enabled=tuple(feature for feature in TenantFeature if feature in enabled)
        )

    @property
    def limits(self) -> TenantLimits:
        tier = TIER_LIMITS[self.tier]
        return TenantLimits(
            events_per_day=self.events_per_day or tier.events_per_day,
            event_bytes=self.event_bytes or tier.event_bytes,
        )
