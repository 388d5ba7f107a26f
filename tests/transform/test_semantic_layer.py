"""dbt's metrics against the marts: each is computed as it is declared, and is what `kpi_daily` says.

dbt has parsed them, and refuses what MetricFlow would; here the aggregations run in PostgreSQL.
"""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest
from histories import TENANTS, declare, history, load, register

from analytics_dagster.transform import prepare
from analytics_dagster.transform.manifest import read_manifest
from analytics_dagster.warehouse import WarehouseUrl, connect

Values = dict[tuple[str, date], Decimal | None]
AGGREGATES = {"sum": "sum({})", "count_distinct": "count(distinct {})"}
SMALLEST = Decimal("0.000001")


class Layer:
    """What the manifest declares, asked of a warehouse."""

    def __init__(self, connection: psycopg.Connection, manifest: dict[str, Any]) -> None:
        self.connection = connection
        self.models = list(manifest["semantic_models"].values())
        self.metrics = {metric["name"]: metric for metric in manifest["metrics"].values()}
        self.measures = {measure["name"]: (model, measure) for model in self.models for measure in model["measures"]}

    def values(self, name: str) -> Values:
        """By tenant and day, or month; nothing where nothing was recorded."""
        metric = self.metrics[name]
        parameters = metric["type_params"]
        if metric["type"] == "ratio":
            above, below = (self.values(parameters[part]["name"]) for part in ("numerator", "denominator"))
            return {key: _ratio(above.get(key), value) for key, value in below.items()}
        window = (parameters["cumulative_type_params"] or {}).get("window") or {"count": 1, "granularity": "day"}
        assert window["granularity"] == "day"
        found = self._aggregated(parameters["measure"]["name"], window["count"])
        instead = parameters["measure"]["fill_nulls_with"]
        return {key: instead if value is None else value for key, value in found.items()}

    def _aggregated(self, name: str, days: int) -> Values:
        model, measure = self.measures[name]
        (day,) = (d["expr"] for d in model["dimensions"] if d["name"] == model["defaults"]["agg_time_dimension"])
        aggregate = AGGREGATES[measure["agg"]].format(measure["expr"] or measure["name"])
        rows = self.ask(
            f"""
            select tenant_id, wanted.day, answer.value
            from (select distinct tenant_id, day from marts.kpi_daily union select tenant_id, {day} from {at(model)})
                as wanted
            cross join lateral (
                select {aggregate} as value
                from {at(model)} as model
                where model.tenant_id = wanted.tenant_id and {day} > wanted.day - {days} and {day} <= wanted.day
            ) as answer
            """
        )
        return {(tenant, of): value for tenant, of, value in rows}

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(cast("LiteralString", query)).fetchall()


def at(model: dict[str, Any]) -> str:
    return f"{model['node_relation']['schema_name']}.{model['node_relation']['alias']}"


def _ratio(above: Decimal | None, below: Decimal | None) -> Decimal | None:
    if above is None or not below:
        return None
    return (Decimal(above) / Decimal(below)).quantize(SMALLEST, ROUND_HALF_UP)


@pytest.fixture(scope="module")
def full(owned_warehouse: WarehouseUrl, manifest: Path) -> WarehouseUrl:
    with connect(owned_warehouse) as connection:
        register(connection, TENANTS)
        declare(connection)
        load(connection, [event for tenant in TENANTS for event in history(tenant, seed=2)])
    prepare(owned_warehouse, manifest)
    return owned_warehouse


def test_each_governed_metric_is_what_the_marts_say(full: WarehouseUrl, manifest: Path) -> None:
    with connect(full) as connection:
        layer = Layer(connection, read_manifest(manifest))
        governed = {name for (name,) in layer.ask("select distinct metric from marts.kpi_daily")}
        governed -= {name for (name,) in layer.ask("select name from tenancy.custom_kpis")}
        assert governed <= layer.metrics.keys()
        said: dict[str, Values] = {name: {} for name in governed}
        for tenant, day, name, value in layer.ask("select tenant_id, day, metric, value from marts.kpi_daily"):
            if name in governed:
                said[name][tenant, day] = value
        for name in sorted(governed):
            computed = layer.values(name)
            assert any(said[name].values()), name
            assert {key: computed.get(key) for key in said[name]} == said[name], name
            assert not [key for key, value in computed.items() if value and key not in said[name]], name


def test_recurring_revenue_is_moved_by_what_is_said_to_move_it(full: WarehouseUrl, manifest: Path) -> None:
    with connect(full) as connection:
        layer = Layer(connection, read_manifest(manifest))
        movements = [layer.values(each["name"]) for each in layer.metrics["net_mrr_movement"]["type_params"]["metrics"]]
        words = layer.metrics["net_mrr_movement"]["type_params"]["expr"].split(" + ")
        assert words == [each["name"] for each in layer.metrics["net_mrr_movement"]["type_params"]["metrics"]]
        months = layer.ask("select tenant_id, month, closing_mrr - opening_mrr, closing_mrr from marts.mrr_movements")
        assert months
        for tenant, month, moved, closing in months:
            assert sum(each[tenant, month] or 0 for each in movements) == moved
            assert layer.values("mrr")[tenant, month] == closing


def test_each_expression_is_of_its_table_and_keeps_tenants_apart(full: WarehouseUrl, manifest: Path) -> None:
    with connect(full) as connection:
        layer = Layer(connection, read_manifest(manifest))
        for model in layer.models:
            parts = [*model["entities"], *model["dimensions"], *model["measures"]]
            listed = ", ".join(part["expr"] or part["name"] for part in parts)
            layer.ask(f"select {listed} from {at(model)} limit 0")
            assert all(part["expr"].startswith("tenant_id") for part in model["entities"]), model["name"]
            assert "tenant" in {part["name"] for part in model["entities"]}, model["name"]
            (key,) = (part["expr"] for part in model["entities"] if part["type"] == "primary")
            ((rows, keys),) = layer.ask(f"select count(*), count(distinct {key}) from {at(model)}")
            assert 0 < rows == keys, model["name"]
            assert all(measure["description"] for measure in model["measures"]), model["name"]
        assert all(metric["description"] and metric["label"] for metric in layer.metrics.values())


def test_the_time_spine_has_each_day_once(full: WarehouseUrl, manifest: Path) -> None:
    spines = [node for node in read_manifest(manifest)["nodes"].values() if node.get("time_spine")]
    assert [spine["name"] for spine in spines] == ["stg_days"]
    with connect(full) as connection:
        found = connection.execute("select count(*), count(distinct date_day) from staging.stg_days").fetchone()
    assert found == (36_525, 36_525)
