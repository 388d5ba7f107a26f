"""The contracts: what an event and a tenant are. Everything else derives from them."""

from analytics_dagster.schemas.analytics import (
    AnalyticsChannelType,
    AnalyticsEvent,
    AnalyticsEventType,
    AnalyticsMetadata,
)
from analytics_dagster.schemas.tenant import (
    ComplianceFramework,
    TenantConfiguration,
    TenantKind,
    TenantTier,
)

__all__ = [
    "AnalyticsChannelType",
    "AnalyticsEvent",
    "AnalyticsEventType",
    "AnalyticsMetadata",
    "ComplianceFramework",
    "TenantConfiguration",
    "TenantKind",
    "TenantTier",
]
