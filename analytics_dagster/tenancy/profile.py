"""All that is known about a tenant, for whoever operates the platform. Reads tables, and changes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.tenancy.history import HistoryEntry, history
from analytics_dagster.tenancy.limits import Breach, breaches
from analytics_dagster.tenancy.registry import entry, unknown
from analytics_dagster.warehouse.roles import logins_of, tenant_role

LAST_DAYS = """
select load_day, sum(received)::bigint as received, sum(accepted)::bigint as accepted,
    sum(duplicate)::bigint as duplicate, sum(quarantined)::bigint as quarantined, sum(oversized)::bigint as oversized
from raw.accounts where tenant_id = %s group by load_day order by load_day desc limit %s
"""
KEYS = """
select count(*) filter (where revoked_at is null), count(*) filter (where revoked_at is not null)
from tenancy.write_keys where tenant_id = %s
"""
ROLE = """
select exists (select from pg_roles where rolname = %(role)s),
    exists (select from tenancy.bi_roles where role_name = %(role)s and withdrawn_at is null)
"""
LIST = """
select t.tenant_id, t.name, t.kind, t.tier, t.status, t.plan, t.region, t.origin, p.as_of as served_as_of
from tenancy.tenants as t
left join tenancy.publications as p on p.tenant_id = t.tenant_id
where (%(status)s::text is null or t.status = %(status)s) and (%(tier)s::text is null or t.tier = %(tier)s)
    and (%(kind)s::text is null or t.kind = %(kind)s)
order by t.tenant_id collate "C"
"""


@dataclass(frozen=True)
class Limit:
    name: str
    value: int
    source: str  # "tier" or "own"


@dataclass(frozen=True)
class LoadingDay:
    load_day: date
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    oversized: int


@dataclass(frozen=True)
class Publication:
    as_of: date | None
    published_at: datetime
    row_counts: Mapping[str, int]


@dataclass(frozen=True)
class Access:
    keys_in_use: int
    keys_revoked: int
    role: str
    role_exists: bool
    role_reads: bool  # this database knows whose it is, and has not withdrawn it
    logins: list[str]


@dataclass(frozen=True)
class Profile:
    tenant_id: str
    status: str
    origin: str
    registered_at: datetime
    configuration: Mapping[str, Any]
    limits: list[Limit]
    features: list[str]
    last_days: list[LoadingDay]
    breaches: list[Breach]
    publication: Publication | None
    access: Access
    history: list[HistoryEntry]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Listed:
    tenant_id: str
    name: str
    kind: str
    tier: str
    status: str
    plan: str
    region: str
    origin: str
    served_as_of: date | None


def profile(connection: psycopg.Connection, tenant_id: str, *, days: int = 14) -> Profile:
    known = entry(connection, tenant_id)
    if known is None:
        raise unknown(connection, tenant_id)
    with connection.cursor(row_factory=class_row(LoadingDay)) as cursor:
        last_days = cursor.execute(LAST_DAYS, [tenant_id, days]).fetchall()
    with connection.cursor(row_factory=class_row(Publication)) as cursor:
        publication = cursor.execute(
            "select as_of, published_at, row_counts from tenancy.publications where tenant_id = %s", [tenant_id]
        ).fetchone()
    return Profile(
        tenant_id=tenant_id,
        status=known.status,
        origin=known.origin,
        registered_at=known.registered_at,
        configuration=known.configuration.model_dump(mode="json"),
        limits=limits_of(known.configuration),
        features=[feature.value for feature in known.configuration.features.enabled],
        last_days=last_days,
        breaches=breaches(connection, tenant_id=tenant_id)[:days],
        publication=publication,
        access=access(connection, tenant_id),
        history=history(connection, tenant_id),
    )


def limits_of(tenant: TenantConfiguration) -> list[Limit]:
    return [
        Limit(name, value, "tier" if getattr(tenant, name) is None else "own")
        for name, value in tenant.limits.model_dump().items()
    ]


def access(connection: psycopg.Connection, tenant_id: str) -> Access:
    """Who can send for the tenant, and who can read."""
    role = tenant_role(tenant_id)
    in_use, revoked = connection.execute(KEYS, [tenant_id]).fetchone() or (0, 0)
    exists, reads = connection.execute(ROLE, {"role": role}).fetchone() or (False, False)
    return Access(in_use, revoked, role, exists, reads, logins_of(connection, tenant_id))


def listed(
    connection: psycopg.Connection, *, status: str | None = None, tier: str | None = None, kind: str | None = None
) -> list[Listed]:
    with connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(LIST, {"status": status, "tier": tier, "kind": kind}).fetchall()
