"""The report of a month in a real run: a held tenant has none, and the others do not wait for it."""

from datetime import date

import dagster as dg
import pytest

from analytics_dagster.defs.partitions import TENANTS
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import registry
from analytics_dagster.tenancy.files import configured
from analytics_dagster.warehouse import connect

MONTH = date(2026, 2, 1)
HELD, OTHER = "2026-02-01|acme", "2026-02-01|beta"


@pytest.fixture
def tenants(instance, warehouse):
    fields = {"name": "T", "kind": "shop", "tier": "free", "region": "eu"}
    fields |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}
    with connect(warehouse) as connection:
        for tenant in ("acme", "beta"):
            registry.add(connection, configured({"tenant_id": tenant, **fields}, where="test"), actor="test")
        connection.execute("insert into quality.holds values ('2026-02-28', 'acme', '[\"no actor\"]')")
    instance.add_dynamic_partitions(TENANTS, ["acme", "beta"])


@pytest.mark.usefixtures("tenants")
def test_a_held_month_is_skipped_with_its_reason(instance, warehouse):
    from analytics_dagster.defs.billing import billing_report
    from analytics_dagster.defs.resources import Warehouse

    told = {}
    for key in (HELD, OTHER):
        result = dg.materialize(
            [billing_report], partition_key=key, instance=instance, resources={"warehouse": Warehouse()}
        )
        (made,) = result.asset_materializations_for_node("billing_report")
        told[key] = {name: value.value for name, value in made.metadata.items()}
    assert "February 2026 cannot be stated: the load of 2026-02-28 is kept back (no actor)" in told[HELD].values()
    assert "total" in told[OTHER]
    with connect(warehouse) as connection:
        assert connection.execute("select tenant_id, month from billing.statements").fetchall() == [("beta", MONTH)]
    assert not list((settings().reports_dir / "billing").rglob("acme*"))
