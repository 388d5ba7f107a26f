"""The tenant registry: who the tenants are, from `tenants/*.yaml` and the command line into tenancy.tenants.

What a tenant's configuration may say is the contract in `schemas`; roles and rights are the warehouse's.
"""

from analytics_dagster.tenancy.files import TenantFileError, load_tenant_files
from analytics_dagster.tenancy.lifecycle import Status
from analytics_dagster.tenancy.registry import Change, Registered, register, registered, tenants_by_status

__all__ = [
    "Change",
    "Registered",
    "Status",
    "TenantFileError",
    "load_tenant_files",
    "register",
    "registered",
    "tenants_by_status",
]
