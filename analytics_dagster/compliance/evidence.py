"""Reads the record of a tenant's month from the warehouse: counts, dates and names, and no events.

Which columns and tables there are is asked, not assumed: before the first build the marts are missing, and the
record says so.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from analytics_dagster.compliance import record
from analytics_dagster.compliance.counting import count_tables
from analytics_dagster.compliance.inventory import Inventory, columns, load_inventory, undeclared_among
from analytics_dagster.compliance.record import Evidence, RunRecord
from analytics_dagster.documents import check_month, check_tenant_id, last_day
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.tenancy import registered
from analytics_dagster.tenancy.standing import as_of, kept_back

LOADS = """
select
    a.load_day,
    count(*) as files,
    sum(a.received)::bigint as received,
    sum(a.accepted)::bigint as accepted,
    sum(a.duplicate)::bigint as duplicate,
    sum(a.quarantined)::bigint as quarantined,
    (
        select count(*) from raw.events as e where e.load_day = a.load_day and e.tenant_id = %(tenant_id)s
    ) as kept
from raw.accounts as a
where a.tenant_id = %(tenant_id)s and date_trunc('month', a.load_day) = %(month)s::date
group by a.load_day
order by a.load_day
"""

PUBLICATION = """
select as_of, row_counts, foreign_rows, published_at from tenancy.publications where tenant_id = %(tenant_id)s
"""

SCORED_BY = """
select 'churn' as model, model_version, as_of, count(*) as users
from ml.churn_scores where tenant_id = %(tenant_id)s group by model_version, as_of
union all
select 'lifetime value' as model, model_version, as_of, count(*) as users
from ml.lifetime_value_scores where tenant_id = %(tenant_id)s group by model_version, as_of
order by model, model_version, as_of
"""

STATEMENTS = """
select month, plan, currency, total, as_of
from billing.statements where tenant_id = %(tenant_id)s and month <= %(month)s order by month
"""

MIGRATIONS = "select number, name, sha256, applied_at from platform.migrations order by number"

RETENTION = """
select
    min(e.occurred_at),
    count(*) filter (where (e.occurred_at at time zone %(time_zone)s)::date < %(keeps_from)s)
from raw.events as e
where e.tenant_id = %(tenant_id)s
"""

Row = TypeVar("Row")


def evidence(
    connection: psycopg.Connection,
    tenant_id: str,
    month: date,
    runs: Sequence[RunRecord] = (),
    *,
    inventory: Inventory | None = None,
    today: date | None = None,
) -> Evidence:
    """The state of the warehouse now, as far as it concerns the tenant, with the month set apart."""
    tenant = _tenant(connection, tenant_id)
    check_month(month, today=today or datetime.now(ZoneInfo(tenant.time_zone)).date())
    inventory = inventory or load_inventory()
    present = columns(connection)

    def read(kind: type[Row], query: str) -> tuple[Row, ...]:
        with connection.cursor(row_factory=class_row(kind)) as cursor:
            return tuple(cursor.execute(query, {"tenant_id": tenant_id, "month": month}))

    return Evidence(
        tenant=tenant,
        month=month,
        tables=count_tables(
            connection, present, inventory, tenant_id=tenant_id, month=month, time_zone=tenant.time_zone
        ),
        personal_columns=_personal_columns(inventory),
        undeclared_columns=tuple(str(column) for column in undeclared_among(present, inventory)),
        retention=_retention(connection, tenant, month),
        loads=read(record.Load, LOADS),
        held_loads=tuple(
            record.HeldLoad(load.load_day, load.reasons, load.held_at)
            for load in kept_back(connection, tenant_id)
            if load.load_day.replace(day=1) == month
        ),
        stands_on=as_of(connection, tenant_id),
        publication=next(iter(read(record.Publication, PUBLICATION)), None),
        scored_by=read(record.ScoredBy, SCORED_BY),
        statements=read(record.BilledMonth, STATEMENTS),
        migrations=read(record.AppliedMigration, MIGRATIONS),
        runs=tuple(sorted(runs, key=lambda run: (run.started or datetime.max.replace(tzinfo=UTC), run.run_id))),
    )


def _tenant(connection: psycopg.Connection, tenant_id: str) -> TenantConfiguration:
    check_tenant_id(tenant_id)
    known = {tenant.tenant_id: tenant for tenant in registered(connection)}
    if tenant_id not in known:
        raise AnalyticsError(
            f"there is no tenant {tenant_id!r}",
            remedy=f"register it, or use one of: {', '.join(list(known)[:20]) or '(none)'}",
        )
    return known[tenant_id]


def _personal_columns(inventory: Inventory) -> tuple[record.PersonalColumn, ...]:
    return tuple(
        record.PersonalColumn(table, name, declaration.category, declaration.why)
        for table, declared in inventory.tables.items()
        for name, declaration in declared.items()
        if declaration.personal
    )


def _retention(connection: psycopg.Connection, tenant: TenantConfiguration, month: date) -> record.Retention:
    end = last_day(month)
    # longer than the calendar goes back: everything is kept
    keeps_from = end - timedelta(days=min(tenant.retention_days, (end - date.min).days))
    row = connection.execute(
        RETENTION,
        {"tenant_id": tenant.tenant_id, "time_zone": tenant.time_zone, "keeps_from": keeps_from},
    ).fetchone()
    oldest, past = row or (None, 0)
    return record.Retention(tenant.retention_days, keeps_from, oldest, past)
