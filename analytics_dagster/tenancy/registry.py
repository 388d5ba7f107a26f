"""The registry in the warehouse: tenancy.tenants, filled from configurations and read back.

Registering again is free of effect, and nothing here takes a tenant away: leaving is a process of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import TenantConfiguration

UPSERT = """
insert into tenancy.tenants
    (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)
values
    (%(tenant_id)s, %(name)s, %(kind)s, %(tier)s, %(time_zone)s, %(currency)s, %(plan)s, %(region)s, %(json)s)
on conflict (tenant_id) do update set
    name = excluded.name, kind = excluded.kind, tier = excluded.tier, time_zone = excluded.time_zone,
    currency = excluded.currency, plan = excluded.plan, region = excluded.region,
    configuration = excluded.configuration
"""


@dataclass(frozen=True)
class Change:
    """A field that now says something else; a time zone, a currency or a kind changes what past days mean."""

    tenant_id: str
    field: str
    before: str
    after: str

    @property
    def changes_the_past(self) -> bool:
        return self.field in {"time_zone", "currency", "kind"}


@dataclass(frozen=True)
class Registered:
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    changes: tuple[Change, ...] = ()


def register(connection: psycopg.Connection, tenants: Sequence[TenantConfiguration]) -> Registered:
    """Make the registry say what `tenants` say, all or nothing; tenants that are not named stay as they are."""
    added, changed, unchanged, changes = [], [], [], []
    with connection.transaction():
        connection.execute("lock table tenancy.tenants in share row exclusive mode")
        known = {tenant.tenant_id: tenant for tenant in registered(connection)}
        for tenant in tenants:
            before = known.get(tenant.tenant_id)
            if before == tenant:
                unchanged.append(tenant.tenant_id)
                continue
            _require_time_zone(connection, tenant)
            if before is None:
                added.append(tenant.tenant_id)
            else:
                changed.append(tenant.tenant_id)
                changes += _differences(before, tenant)
            fields = tenant.model_dump(mode="json")
            connection.execute(UPSERT, {**fields, "json": tenant.model_dump_json()})
            known[tenant.tenant_id] = tenant
    return Registered(tuple(added), tuple(changed), tuple(unchanged), tuple(changes))


def registered(connection: psycopg.Connection) -> list[TenantConfiguration]:
    """Every tenant that was ever registered, by tenant_id."""
    rows = connection.execute(
        'select configuration::text from tenancy.tenants order by tenant_id collate "C"'
    ).fetchall()
    return [TenantConfiguration.model_validate_json(text) for (text,) in rows]


def _require_time_zone(connection: psycopg.Connection, tenant: TenantConfiguration) -> None:
    """Python and PostgreSQL bring their own lists; a name that only one knows would stop everybody's build."""
    try:
        with connection.transaction():
            connection.execute("select now() at time zone %s", [tenant.time_zone])
    except psycopg.errors.InvalidParameterValue:
        raise AnalyticsError(
            f"PostgreSQL does not know the time zone {tenant.time_zone!r}",
            where=f"tenant {tenant.tenant_id}",
            remedy="use another name of that zone, or update the server's time zone data",
        ) from None


def _differences(before: TenantConfiguration, after: TenantConfiguration) -> list[Change]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [
        Change(before.tenant_id, field, str(old[field]), str(new[field])) for field in old if old[field] != new[field]
    ]
