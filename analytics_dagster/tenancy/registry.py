"""The registry in the warehouse: tenancy.tenants, filled from configurations and read back.

A tenant that a file declares is changed in its file; one that a command added lives here alone, until a file of its
name takes it over. Registering again is free of effect, and nothing here takes a tenant away: see `moving`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import psycopg
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.expressions import postfix
from analytics_dagster.tenancy.files import configured
from analytics_dagster.tenancy.history import Action, record
from analytics_dagster.tenancy.lifecycle import Status, offboarded

DEPLOYMENT = "deployment"  # who registers the files

UPSERT = """
insert into tenancy.tenants
    (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration, origin)
values
    (%(tenant_id)s, %(name)s, %(kind)s, %(tier)s, %(time_zone)s, %(currency)s, %(plan)s, %(region)s, %(json)s,
    %(origin)s)
on conflict (tenant_id) do update set
    name = excluded.name, kind = excluded.kind, tier = excluded.tier, time_zone = excluded.time_zone,
    currency = excluded.currency, plan = excluded.plan, region = excluded.region,
    configuration = excluded.configuration, origin = excluded.origin
"""


class Origin(StrEnum):
    """Where a tenant's configuration is kept."""

    FILE = "file"
    COMMAND = "command"


@dataclass(frozen=True)
class Change:
    """A field that now says something else; a time zone, a currency or a kind changes what past days mean.

    So do custom KPIs, for kpi_daily alone.
    """

    tenant_id: str
    field: str
    before: str
    after: str

    @property
    def changes_the_past(self) -> bool:
        return self.field in {"time_zone", "currency", "kind"}

    @property
    def changes_kpis(self) -> bool:
        return self.field == "custom_kpis"


@dataclass(frozen=True)
class Registered:
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    taken_over: tuple[str, ...] = ()  # a command had added them, and now there is a file


@dataclass(frozen=True)
class Entry:
    configuration: TenantConfiguration
    origin: Origin
    status: Status
    registered_at: datetime


def register(
    connection: psycopg.Connection, tenants: Sequence[TenantConfiguration], *, actor: str = DEPLOYMENT
) -> Registered:
    """Make the registry say what the files say, all or nothing; tenants that are not named stay as they are."""
    added, changed, unchanged, changes, taken_over = [], [], [], [], []
    with registry_lock(connection):
        for tenant in tenants:
            before = entry(connection, tenant.tenant_id)
            if before is None:
                added.append(tenant.tenant_id)
                _write(connection, tenant, None, Origin.FILE, "added", actor)
                continue
            if before.status is Status.OFFBOARDED:
                raise offboarded(tenant.tenant_id)
            if before.origin is Origin.COMMAND:
                taken_over.append(tenant.tenant_id)
                _write(connection, tenant, before, Origin.FILE, "taken over", actor)
            elif before.configuration != tenant:
                _write(connection, tenant, before, Origin.FILE, "changed", actor)
            else:
                unchanged.append(tenant.tenant_id)
            if before.configuration != tenant:
                changed.append(tenant.tenant_id)
                changes += _differences(before.configuration, tenant)
    return Registered(tuple(added), tuple(changed), tuple(unchanged), tuple(changes), tuple(taken_over))


def add(connection: psycopg.Connection, tenant: TenantConfiguration, *, actor: str) -> Registered:
    """A new tenant that no file declares."""
    with registry_lock(connection):
        known = entry(connection, tenant.tenant_id)
        if known and known.status is Status.OFFBOARDED:
            raise offboarded(tenant.tenant_id)
        if known:
            raise AnalyticsError(
                f"tenant {tenant.tenant_id} is registered already",
                remedy=f"analytics-dagster tenant show {tenant.tenant_id} says what it is",
            )
        _write(connection, tenant, None, Origin.COMMAND, "added", actor)
    return Registered((tenant.tenant_id,), (), ())


def change(
    connection: psycopg.Connection, tenant_id: str, fields: Mapping[str, object], *, actor: str
) -> tuple[TenantConfiguration, tuple[Change, ...]]:
    """Other values for some fields of a tenant that a command added; those that say nothing new are left out."""
    with registry_lock(connection):
        known = entry(connection, tenant_id)
        if known is None:
            raise unknown(connection, tenant_id)
        if known.status is Status.OFFBOARDED:
            raise offboarded(tenant_id)
        if known.origin is Origin.FILE:
            raise AnalyticsError(
                f"tenant {tenant_id} is declared by the file {tenant_id}.yaml",
                remedy="change the file and apply it: analytics-dagster prepare",
            )
        if fields.get("tenant_id", tenant_id) != tenant_id:
            raise AnalyticsError(f"the id of tenant {tenant_id} is for ever", remedy="add a tenant of the other id")
        after = configured({**known.configuration.model_dump(mode="json"), **fields}, where=f"tenant {tenant_id}")
        changes = tuple(_differences(known.configuration, after))
        if changes:
            _write(connection, after, known, Origin.COMMAND, "changed", actor)
    return after, changes


def entry(connection: psycopg.Connection, tenant_id: str) -> Entry | None:
    row = connection.execute(
        "select configuration::text, origin, status, registered_at from tenancy.tenants where tenant_id = %s",
        [tenant_id],
    ).fetchone()
    if row is None:
        return None
    return Entry(TenantConfiguration.model_validate_json(row[0]), Origin(row[1]), Status(row[2]), row[3])


def registered(connection: psycopg.Connection) -> list[TenantConfiguration]:
    """Every tenant that was ever registered, by tenant_id."""
    rows = connection.execute(
        'select configuration::text from tenancy.tenants order by tenant_id collate "C"'
    ).fetchall()
    return [TenantConfiguration.model_validate_json(text) for (text,) in rows]


def tenants_by_status(connection: psycopg.Connection, *statuses: Status) -> tuple[str, ...]:
    """The tenants of these statuses, in the order of their registration."""
    rows = connection.execute(
        'select tenant_id from tenancy.tenants where status = any(%s) order by registered_at, tenant_id collate "C"',
        [list(statuses)],
    )
    return tuple(tenant for (tenant,) in rows)


def unknown(connection: psycopg.Connection, tenant_id: str) -> AnalyticsError:
    known = tenants_by_status(connection, *Status)
    return AnalyticsError(
        f"there is no tenant {tenant_id!r}",
        remedy=f"registered are {', '.join(sorted(known))}" if known else "add one: analytics-dagster tenant add",
    )


@contextmanager
def registry_lock(connection: psycopg.Connection) -> Iterator[None]:
    """Whoever writes the registry takes turns, and writes all or nothing; readers do not wait."""
    with connection.transaction():
        connection.execute("lock table tenancy.tenants in share row exclusive mode")
        yield


def _write(
    connection: psycopg.Connection,
    tenant: TenantConfiguration,
    before: Entry | None,
    origin: Origin,
    action: Action,
    actor: str,
) -> None:
    _require_time_zone(connection, tenant)
    fields = tenant.model_dump(mode="json")
    connection.execute(UPSERT, {**fields, "json": tenant.model_dump_json(), "origin": origin})
    _write_kpis(connection, tenant)
    said = before.configuration.model_dump(mode="json") if before else None
    record(connection, tenant.tenant_id, action, actor=actor, before=said, after=fields)


def _write_kpis(connection: psycopg.Connection, tenant: TenantConfiguration) -> None:
    connection.execute("delete from tenancy.custom_kpis where tenant_id = %s", [tenant.tenant_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into tenancy.custom_kpis (tenant_id, name, expression, operations, unit, description)"
            " values (%s, %s, %s, %s, %s, %s)",
            [
                (tenant.tenant_id, kpi.name, kpi.expression, Jsonb(postfix(kpi.parsed())), kpi.unit, kpi.description)
                for kpi in tenant.custom_kpis
            ],
        )


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
