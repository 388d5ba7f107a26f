"""Custom KPIs in the warehouse: SQL computes what Python does, and other definitions restate history on a deploy."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from histories import Tenant, history, load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from analytics_dagster.registration import register_files
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.expressions import parsed, postfix, value_of
from analytics_dagster.schemas.kpis import CustomKpi
from analytics_dagster.transform import build, prepare, write_scope
from analytics_dagster.warehouse import WarehouseUrl, connect

NAMES = ["revenue", "sessions", "stickiness", "unknown"]
values = st.none() | st.decimals(-(10**32) + 1, 10**32 - 1, places=6) | st.integers(-3, 3).map(Decimal)
metrics_of_a_day = st.fixed_dictionaries(dict.fromkeys(NAMES[:3], values))
expressions = st.recursive(
    st.sampled_from(NAMES) | st.decimals(0, 100, places=2).map("{:f}".format) | st.sampled_from(["0", "1", "2", "3"]),
    lambda parts: (
        st.tuples(parts, st.sampled_from("+-*/"), parts).map("".join)
        | parts.map("({})".format)
        | parts.map("-{}".format)
    ),
    max_leaves=15,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expressions, metrics_of_a_day)
def test_sql_computes_what_python_does(
    connection: psycopg.Connection, text: str, metrics: dict[str, Decimal | None]
) -> None:
    expression = parsed(text)
    told = connection.execute(
        "select pipeline.custom_kpi(%s, (select jsonb_object_agg(name, value)"
        " from unnest(%s::text[], %s::numeric(38, 6)[]) as m (name, value)))::numeric(38, 6)",
        [Jsonb(postfix(expression)), list(metrics), list(metrics.values())],
    ).fetchone()
    assert told == (value_of(expression, metrics),)


def test_a_long_expression_is_computed_at_once(connection: psycopg.Connection) -> None:
    connection.execute("set statement_timeout = '5s'")
    for text in ("/".join(["arpu"] * 100), "+".join(["1/arpu"] * 70), "*".join(["arpu"] * 100)):
        expression = parsed(text)
        for worth in (Decimal("0.000001"), Decimal("99999999999999999999999999999999.999999"), Decimal(0)):
            told = connection.execute(
                "select pipeline.custom_kpi(%s, jsonb_build_object('arpu', %s::numeric))",
                [Jsonb(postfix(expression)), worth],
            ).fetchone()
            assert told == (value_of(expression, {"arpu": worth}),)


def kpi(name: str, expression: str) -> CustomKpi:
    return CustomKpi(name=name, expression=expression, unit="points", description="Own.")


def configured(tenant: Tenant, *kpis: CustomKpi) -> TenantConfiguration:
    fields = {"tenant_id": tenant.tenant_id, "name": tenant.name, "kind": tenant.kind, "tier": "free", "plan": "free"}
    fields |= {"region": "eu-west", "time_zone": tenant.time_zone, "currency": tenant.currency}
    return TenantConfiguration.model_validate({**fields, "custom_kpis": kpis}, strict=False)


MUSIC = Tenant("berlin", "Berlin", "music", "Europe/Berlin", "EUR", date(2024, 3, 31))
SHOP = Tenant("london", "London", "shop", "Europe/London", "GBP", date(2024, 3, 31))


@pytest.fixture
def built(warehouse: WarehouseUrl, manifest: Path) -> WarehouseUrl:
    with connect(warehouse) as connection:
        register_files(connection, [configured(MUSIC, kpi("each", "plays / active_users")), configured(SHOP)])
        load(connection, [event for tenant in (MUSIC, SHOP) for event in history(tenant, seed=1)])
    prepare(warehouse, manifest)
    return warehouse


def own_kpis(connection: psycopg.Connection) -> dict[str, tuple[int, Decimal | None]]:
    rows = connection.execute(
        "select tenant_id || ' ' || metric, count(*), sum(value) from marts.kpi_daily where unit = 'points' group by 1"
    )
    return {name: (count, total) for name, count, total in rows}


def test_other_definitions_restate_history_on_the_next_deploy(built: WarehouseUrl, manifest: Path) -> None:
    with connect(built) as connection:
        days = connection.execute("select count(*) from marts.kpi_daily_wide where tenant_id = 'berlin'").fetchone()
        plays = connection.execute("select sum(plays) from marts.kpi_daily_wide").fetchone()
        assert days
        assert own_kpis(connection).keys() == {"berlin each"}
        assert own_kpis(connection)["berlin each"][0] == days[0] > 5
        other = [configured(MUSIC, kpi("each", "plays * 2")), configured(SHOP, kpi("own", "orders"))]
        register_files(connection, other)
    remade = prepare(built, manifest)
    assert {node.name for node in remade.nodes} == {"stg_days", "stg_events", "stg_tenants", "kpi_daily"}
    with connect(built) as connection:
        found = own_kpis(connection)
        assert found.keys() == {"berlin each", "london own"}
        assert plays
        assert found["berlin each"] == (days[0], plays[0] * 2)
        register_files(connection, [configured(MUSIC), configured(SHOP)])
    prepare(built, manifest)
    with connect(built) as connection:
        assert own_kpis(connection) == {}


def test_a_late_day_restates_the_windows_that_it_reaches_and_nothing_else(built: WarehouseUrl, manifest: Path) -> None:
    """Told by the versions of the rows: those of other days are not written, and neither are unchanged ones."""
    written = "select day, xmin::text from {} where tenant_id = 'berlin'"
    tables = ["intermediate.int_daily_measures", "intermediate.int_active_windows", "marts.kpi_daily_wide"]
    day = MUSIC.around - timedelta(days=20)
    event = history(MUSIC, seed=1)[0]
    late = {**vars(event), "event_id": "late", "event_type": "page_view", "event_name": "page_viewed"}
    late |= {"user_id": "a new one", "is_test": False, "load_day": date(2024, 6, 1)}
    late["at"] = event.at + (day - event.wall.date())
    with connect(built) as connection:
        before = {table: dict(connection.execute(written.format(table)).fetchall()) for table in tables}
        load(connection, [type(event)(**late)])
        write_scope(connection, "late", [date(2024, 6, 1)])
    build(built, manifest, build_id="late")
    with connect(built) as connection:
        after = {table: dict(connection.execute(written.format(table)).fetchall()) for table in tables}
    changed = {table: {d for d, version in after[table].items() if before[table].get(d) != version} for table in tables}
    reached = {d for d in after[tables[1]] if day <= d <= day + timedelta(days=29)}
    assert len(reached) > 3
    assert changed[tables[0]] <= {day + timedelta(days=around) for around in (-1, 0, 1)}
    assert changed[tables[1]] == reached
    assert changed[tables[2]] == reached
