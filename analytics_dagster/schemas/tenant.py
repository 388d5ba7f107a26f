"""The tenant: the unit of isolation, of failure, of cost and of proof."""

from enum import StrEnum
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from analytics_dagster.schemas.base import Contract, TenantId


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name


class TenantKind(StrEnum):
    MUSIC = "music"
    SHOP = "shop"
    SAAS = "saas"
    CONTENT = "content"


class TenantTier(StrEnum):
    FREE = "free"
    STANDARD = "standard"
    ENTERPRISE = "enterprise"


class ComplianceFramework(StrEnum):
    GDPR = "gdpr"
    HIPAA = "hipaa"
    SOX = "sox"
    PCI_DSS = "pci_dss"


class TenantConfiguration(Contract):
    """What `tenants/<tenant_id>.yaml` says."""

    tenant_id: TenantId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    kind: TenantKind
    tier: TenantTier
    region: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = Field(description="Decides where a day ends.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    plan: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    compliance_frameworks: tuple[ComplianceFramework, ...] = ()
    retention_days: int = Field(default=730, ge=1)
