"""A tenant as files and commands declare it."""

from typing import Any

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.tenancy.files import configured

FIELDS = {
    "tenant_id": "acme",
    "name": "Acme",
    "kind": "music",
    "tier": "free",
    "region": "eu",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "plan": "free",
}


def tenant(**changes: Any) -> TenantConfiguration:
    return configured(FIELDS | changes, where="test")
