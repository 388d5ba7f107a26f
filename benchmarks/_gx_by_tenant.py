"""What is usual: Great Expectations on the events of one tenant after another, 20 expectations, in SQL or pandas."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from time import perf_counter
from typing import Any
from warnings import catch_warnings, simplefilter

import pandas as pd

from analytics_dagster.warehouse import WarehouseUrl

EVENTS = """
select event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test,
    (properties ->> 'amount')::numeric as amount, properties ->> 'currency' as currency
from raw.events where tenant_id = '{tenant}' and load_day = '{day}'
"""


@dataclass(frozen=True)
class ByTenant:
    expectations: int
    tenants: int
    seconds_a_tenant: float


def by_tenant(url: WarehouseUrl, day: date, tenants: list[str], names: tuple[str, ...]) -> dict[str, ByTenant]:
    """For each way, seconds for one tenant; what is made once for all is not counted."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with catch_warnings():
        simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415 - not in the time

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        suite = context.suites.add(gx.ExpectationSuite(name="events", expectations=_expectations(gx, day, names)))
        ways = {"SQL": _by_sql(context, url, day), "pandas": _by_pandas(context, url, day)}
        return {way: _measured(batch_of, suite, tenants) for way, batch_of in ways.items()}


def _measured(batch_of: Callable[[str], Any], suite: Any, tenants: list[str]) -> ByTenant:
    started = perf_counter()
    for tenant in tenants:
        outcome = batch_of(tenant).validate(suite)
        assert not any(one.exception_info.get("raised_exception") for one in outcome.results), outcome
    return ByTenant(len(suite.expectations), len(tenants), (perf_counter() - started) / len(tenants))


def _by_sql(context: Any, url: WarehouseUrl, day: date) -> Callable[[str], Any]:
    source = context.data_sources.add_sql("sql", connection_string=url.sqlalchemy(driver="psycopg2"))

    def batch_of(tenant: str) -> Any:
        asset = source.add_query_asset(tenant, query=EVENTS.format(tenant=tenant, day=day))
        return asset.add_batch_definition_whole_table("all").get_batch()

    return batch_of


def _by_pandas(context: Any, url: WarehouseUrl, day: date) -> Callable[[str], Any]:
    import sqlalchemy  # noqa: PLC0415

    engine = sqlalchemy.create_engine(url.sqlalchemy(driver="psycopg2"))
    source = context.data_sources.add_pandas("pandas")

    def batch_of(tenant: str) -> Any:
        with engine.connect() as connection:
            events = pd.read_sql(sqlalchemy.text(EVENTS.format(tenant=tenant, day=day)), connection)
        asset = source.add_dataframe_asset(tenant)
        return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": events})

    return batch_of


def _expectations(gx: Any, day: date, names: tuple[str, ...]) -> list[Any]:
    e = gx.expectations
    begin, end = f"{day - timedelta(days=3)}T00:00:00+00:00", f"{day + timedelta(days=1)}T00:00:00+00:00"
    return [
        e.ExpectTableRowCountToBeBetween(min_value=1),
        e.ExpectColumnValuesToNotBeNull(column="event_id"),
        e.ExpectColumnValuesToBeUnique(column="event_id"),
        e.ExpectColumnValuesToBeInSet(column="event_type", value_set=["user_action", "page_view", "transaction"]),
        e.ExpectColumnValuesToBeInSet(column="event_name", value_set=list(names), mostly=0.95),
        e.ExpectColumnValuesToMatchRegex(column="event_name", regex="^[a-z_]+$"),
        e.ExpectColumnValuesToBeInSet(column="source", value_set=["web_app", "mobile_app", "desktop_app", "backend"]),
        e.ExpectColumnMostCommonValueToBeInSet(column="source", value_set=["web_app", "mobile_app"]),
        e.ExpectColumnValuesToNotBeNull(column="user_id", mostly=0.5),
        e.ExpectColumnValuesToNotBeNull(column="anonymous_id", mostly=0.1),
        e.ExpectColumnUniqueValueCountToBeBetween(column="user_id", min_value=1),
        e.ExpectColumnProportionOfUniqueValuesToBeBetween(column="user_id", max_value=0.9),
        e.ExpectColumnValuesToBeBetween(column="occurred_at", min_value=begin, max_value=end, mostly=0.95),
        e.ExpectColumnMaxToBeBetween(column="occurred_at", max_value=end),
        e.ExpectColumnMinToBeBetween(column="occurred_at", min_value=begin),
        e.ExpectColumnValuesToBeInSet(column="is_test", value_set=[False], mostly=0.9),
        e.ExpectColumnValuesToBeBetween(column="amount", min_value=0),
        e.ExpectColumnMaxToBeBetween(column="amount", max_value=100_000),
        e.ExpectColumnMedianToBeBetween(column="amount", min_value=1, max_value=1000),
        e.ExpectColumnValuesToBeInSet(column="currency", value_set=["EUR"]),
    ]
