"""A tenant with data of every kind, written straight into the warehouse's tables."""

from datetime import UTC, date, datetime

from psycopg.types.json import Jsonb

from analytics_dagster.compliance import RunRecord
from analytics_dagster.schemas import ComplianceFramework, TenantConfiguration, TenantKind, TenantTier
from analytics_dagster.tenancy import register

MAY = date(2025, 5, 1)
RUNS = [
    RunRecord("b" * 8, "daily", "FAILURE", datetime(2025, 5, 2, 3, tzinfo=UTC), datetime(2025, 5, 2, 4, tzinfo=UTC)),
    RunRecord("a" * 8, "daily", "SUCCESS", datetime(2025, 5, 1, 3, tzinfo=UTC), datetime(2025, 5, 1, 4, tzinfo=UTC)),
    RunRecord("c" * 8, "weekly", "STARTED", None, None),
]


def a_tenant(connection, tenant_id="kirana", **changes):
    fields = {
        "name": "Kirana Express",
        "kind": TenantKind.SHOP,
        "tier": TenantTier.STANDARD,
        "region": "ap-south",
        "time_zone": "Asia/Kolkata",
        "currency": "INR",
        "plan": "growth",
        "compliance_frameworks": (ComplianceFramework.PCI_DSS,),
        "retention_days": 30,
    }
    register(connection, [TenantConfiguration(tenant_id=tenant_id, **{**fields, **changes})])
    connection.commit()


def events(connection, *moments, load_day=MAY, tenant_id="kirana"):
    for number, moment in enumerate(moments):
        connection.execute(
            "insert into raw.events values"
            " (%s, %s, 'page_view', 'seen', 'api', %s, 'ada', null, false, '{}', %s, 1, 1)",
            [tenant_id, f"{load_day}{number}", moment, load_day],
        )
    account(connection, load_day, accepted=len(moments), tenant_id=tenant_id)


def account(connection, load_day, *, accepted, duplicate=0, quarantined=0, tenant_id="kirana"):
    connection.execute(
        "with batch as (insert into raw.batches (load_day, path, content_sha256, bytes)"
        " values (%(day)s, 'f', gen_random_uuid(), 1) returning batch_id)"
        " insert into raw.accounts select batch_id, %(tenant)s, %(day)s,"
        " %(accepted)s::int + %(duplicate)s::int + %(quarantined)s::int, %(accepted)s, %(duplicate)s, %(quarantined)s"
        " from batch",
        {
            "day": load_day,
            "tenant": tenant_id,
            "accepted": accepted,
            "duplicate": duplicate,
            "quarantined": quarantined,
        },
    )
    connection.commit()


def build(connection, *load_days, front, tenant_id="kirana"):
    """As a build leaves it: these loads are in the marts, and the tenant stands at its front."""
    for day in load_days:
        connection.execute("insert into pipeline.built_loads (load_day, batch_id) values (%s, 1)", [day])
    connection.execute("insert into pipeline.fronts values (%s, %s)", [tenant_id, front])
    connection.commit()


def everything(connection, tenant_id="kirana"):
    """One row or more in every table that the report reads, and one mart."""
    events(
        connection,
        datetime(2025, 4, 30, 18, 30, tzinfo=UTC),  # May in Kolkata
        datetime(2025, 5, 3, tzinfo=UTC),
        datetime(2025, 3, 1, tzinfo=UTC),
        tenant_id=tenant_id,
    )
    account(connection, date(2025, 5, 2), accepted=0, duplicate=4, quarantined=1, tenant_id=tenant_id)
    account(connection, date(2025, 6, 2), accepted=0, duplicate=1, tenant_id=tenant_id)
    for statement, values in [
        ("insert into quality.holds values ('2025-05-02', %s, %s)", [Jsonb(["duplicates <80 %>"])]),
        ("insert into tenancy.publications values (%s, '2025-05-01', %s, 0)", [Jsonb({"kpi_daily": 7})]),
        ("insert into ml.churn_scores values (%s, 'ada', '2025-05-31', 0.5, 3)", []),
        ("insert into ml.lifetime_value_scores values (%s, 'ada', '2025-05-31', 9.5, 'INR', 90, 4)", []),
        ("insert into billing.statements values (%s, '2025-05-01', 'growth', 'INR', 8900.00, '2025-05-01')", []),
        ("insert into billing.statements values (%s, '2025-06-01', 'growth', 'INR', 8900.00, '2025-05-01')", []),
    ]:
        connection.execute(statement, [tenant_id, *values])
    connection.execute("create table if not exists marts.kpi_daily (tenant_id text, day date, metric text, unit text)")
    connection.execute("insert into marts.kpi_daily values (%s, '2025-05-31', 'm', 'u')", [tenant_id])
    connection.execute("insert into marts.kpi_daily values (%s, '2025-06-01', 'm', 'u')", [tenant_id])
    connection.commit()
