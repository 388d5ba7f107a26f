"""dbt's models as assets: the views on deploy, the tables for each loading day, in one dbt call each."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtProject,
    dbt_assets,
    get_asset_key_for_model,
)
from pydantic import Field

from analytics_dagster import deployment
from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import day_of, loading_days
from analytics_dagster.defs.previews import plot
from analytics_dagster.defs.quality import quality_gate
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.settings import settings
from analytics_dagster.transform import (
    BuildFailedError,
    BuildResult,
    build,
    clear_scope,
    ensure_manifest,
    mark_built,
    newest_changes,
    prepare,
    settle_fronts,
    write_scope,
)

MANIFEST = ensure_manifest(settings())
VIEWS = "config.materialized:view"
PLOTTED_TENANTS = 8
DbtEvent = dg.MaterializeResult | dg.AssetCheckResult


class Translator(DagsterDbtTranslator):
    """Where dbt's nodes stand in the asset graph; the folder below models/ is the group."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - one team owns all
        return OWNERS

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """A run of a day has no views in it, so its tables say themselves that they come after the gate."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if manifest["nodes"].get(unique_id, {}).get("config", {}).get("materialized") == "incremental":
            return spec.merge_attributes(deps=[quality_gate])
        return spec


# one asset registers tenants, their KPIs, funnels and experiments: several sources of dbt
TRANSLATOR = Translator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))


@dbt_assets(manifest=MANIFEST, select=VIEWS, dagster_dbt_translator=TRANSLATOR, name="dbt_views")
def dbt_views(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[DbtEvent]:
    """Views change with the code, not with the data: they are made on deploy, and so are tables that are missing."""
    yield from _events(context, prepare(warehouse.url, MANIFEST))
    with warehouse.connect() as connection:
        deployment.record(connection, deployment.fingerprint(warehouse.settings))


class Narrowing(dg.Config):
    """A run for some tenants: the days stay due for the others."""

    tenants: list[str] = Field(default=[], description="Whose marts are restated; empty: all tenants'.")


@dbt_assets(
    manifest=MANIFEST,
    exclude=VIEWS,
    dagster_dbt_translator=TRANSLATOR,
    name="dbt_tables",
    partitions_def=loading_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def dbt_tables(context: dg.AssetExecutionContext, config: Narrowing, warehouse: Warehouse) -> Iterator[DbtEvent]:
    """Restates the (tenant, day)s that the loads of these partitions touched, in one dbt call for all tenants."""
    load_days = [day_of(key) for key in context.partition_keys]
    with warehouse.connect() as connection:
        newest = newest_changes(connection, load_days)
        touched = write_scope(connection, context.run.run_id, load_days, config.tenants or None)
    context.log.info("restating %s days of tenants", touched)
    try:
        result = build(warehouse.url, MANIFEST, build_id=context.run.run_id)
    except BuildFailedError as error:
        yield from _events(context, error.result)
        raise
    with warehouse.connect() as connection:
        if not config.tenants:
            mark_built(connection, newest)
        settle_fronts(connection, context.run.run_id)
        clear_scope(connection, context.run.run_id)
        context.add_asset_metadata({"active users": _active_users(connection)}, asset_key=KPI_DAILY)
    yield from _events(context, result)


def marts_keys() -> list[dg.AssetKey]:
    """The marts, as what comes after them depends on."""
    return sorted(key for key in dbt_tables.keys if key.path[0] == "marts")


KPI_DAILY = get_asset_key_for_model([dbt_tables], "kpi_daily")


def _events(context: dg.AssetExecutionContext, result: BuildResult) -> Iterator[DbtEvent]:
    """dbt's results as Dagster's events, for the models and tests that this asset declares."""
    checks = {spec.name: spec for spec in context.assets_def.check_specs}
    keys = {key.path[-1]: key for key in context.selected_asset_keys}
    for node in result.nodes:
        if node.resource_type == "test" and node.name in checks:
            yield dg.AssetCheckResult(
                asset_key=checks[node.name].asset_key,
                check_name=node.name,
                passed=node.passed,
                severity=dg.AssetCheckSeverity.WARN if node.status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata={"rows that fail": node.failures or 0},
            )
        elif node.name in keys and node.passed:
            rows = {} if node.rows_affected is None else {"rows written": node.rows_affected}
            yield dg.MaterializeResult(asset_key=keys[node.name], metadata={"seconds": round(node.seconds, 2), **rows})


def _active_users(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    """A line for each of the largest tenants over the last 90 days."""
    rows = connection.execute(
        """
        select tenant_id, day, value::float8 from marts.kpi_daily
        where metric = 'active_users' and day > (select max(day) - 90 from marts.kpi_daily)
            and day < (select max(day) from marts.kpi_daily)  -- a day that has just begun would look like a fall
        """
    ).fetchall()
    frame = pd.DataFrame(rows, columns=["tenant_id", "day", "value"])
    lines = frame.pivot_table(index="day", columns="tenant_id", values="value")
    largest = lines.sum().nlargest(PLOTTED_TENANTS).index
    return plot(lines[largest], title="Daily active users")
