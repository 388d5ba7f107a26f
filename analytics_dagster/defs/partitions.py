"""What is a partition: a loading day, a tenant, and a month of a tenant."""

from datetime import UTC, date, datetime

import dagster as dg

from analytics_dagster.first_day import first_day
from analytics_dagster.settings import settings

# today is a partition too, because today's files are loaded as they land
loading_days = dg.DailyPartitionsDefinition(first_day(settings()).isoformat(), end_offset=1)
TENANTS = "tenants"
tenants = dg.DynamicPartitionsDefinition(name=TENANTS)
months = dg.MonthlyPartitionsDefinition(first_day(settings()).replace(day=1).isoformat())
tenant_months = dg.MultiPartitionsDefinition({"month": months, "tenant": tenants})

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run out of all partitions from first to last; keys of tenants go by registration."""
    return {RANGE_START: first, RANGE_END: last}


def day_of(key: str) -> date:
    return datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=UTC).date()


def tenant_month_of(key: str) -> tuple[str, date]:
    month, tenant = key.split("|", 1)
    return tenant, day_of(month)


def tenant_month_key(tenant_id: str, month: date) -> str:
    return dg.MultiPartitionKey({"month": month.isoformat(), "tenant": tenant_id})
