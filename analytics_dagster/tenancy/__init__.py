"""The tenant registry: who the tenants are, from `tenants/*.yaml` into tenancy.tenants.

What a tenant's configuration may say is the contract in `schemas`; roles and rights are the warehouse's.
"""

from analytics_dagster.tenancy.files import TenantFileError, load_tenant_files
from analytics_dagster.tenancy.registry import Change, Registered, register, registered

__all__ = ["Change", "Registered", "TenantFileError", "load_tenant_files", "register", "registered"]
