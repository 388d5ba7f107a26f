"""Scores replace themselves, tenant by tenant, and say which model and which day they stand on."""

from datetime import timedelta
from decimal import Decimal

import ml_population
import pytest

from analytics_dagster.ml.reports import NoModelError, NotEnoughDataError, UnknownTenantError
from analytics_dagster.ml.scoring import score_churn, score_lifetime_value
from analytics_dagster.warehouse import WarehouseUrl, connect

TENANTS = sorted(ml_population.TENANTS)
TABLES = {"ml.churn_scores": score_churn, "ml.lifetime_value_scores": score_lifetime_value}
table_and_score = pytest.mark.parametrize(("table", "score"), TABLES.items())


def content(url: WarehouseUrl, table: str) -> list[tuple[object, ...]]:
    with connect(url) as connection:
        return connection.execute(f"select * from {table} order by tenant_id, user_id").fetchall()


@table_and_score
def test_scoring_twice_is_scoring_once(trained: WarehouseUrl, table: str, score) -> None:  # type: ignore[no-untyped-def]
    report = score(trained)
    first = content(trained, table)
    assert list(report.rows) == TENANTS
    assert len(first) == report.total_rows > 500
    assert min(report.rows.values()) > 10
    assert set(report.as_of.values()) == {ml_population.LAST_DAY}
    assert {row[2] for row in first} == {ml_population.LAST_DAY}
    assert {row[-1] for row in first} == {report.version} == {1}
    assert score(trained) == report
    assert content(trained, table) == first


@table_and_score
def test_one_tenant_leaves_the_others_alone(trained: WarehouseUrl, table: str, score) -> None:  # type: ignore[no-untyped-def]
    score(trained)
    before = content(trained, table)
    day = ml_population.LAST_DAY - timedelta(days=7)
    report = score(trained, ["desk"], day)
    assert list(report.rows) == ["desk"]
    assert report.as_of == {"desk": day}
    after = content(trained, table)
    assert [row for row in after if row[0] != "desk"] == [row for row in before if row[0] != "desk"]
    assert {row[2] for row in after if row[0] == "desk"} == {day}


@table_and_score
def test_scores_are_those_of_scoring_everybody(trained: WarehouseUrl, table: str, score) -> None:  # type: ignore[no-untyped-def]
    score(trained)
    before = content(trained, table)
    for tenant in TENANTS:
        score(trained, [tenant])
    assert content(trained, table) == before


@table_and_score
def test_a_tenant_without_data_has_no_scores(trained: WarehouseUrl, table: str, score) -> None:  # type: ignore[no-untyped-def]
    score(trained)
    with connect(trained) as connection:
        connection.execute("delete from marts.fct_user_days where tenant_id = 'gazette'")
    report = score(trained, ["gazette"])
    assert (report.rows, report.as_of, report.total_rows) == ({"gazette": 0}, {}, 0)
    assert "gazette" not in {row[0] for row in content(trained, table)}
    assert score(trained, []).rows == {}


def test_a_tenant_of_one_user_is_scored_by_the_common_model(trained: WarehouseUrl) -> None:
    with connect(trained) as connection:
        connection.execute("delete from marts.fct_user_days where tenant_id = 'gazette'")
        ml_population.insert(connection, [("gazette", "only one", ml_population.LAST_DAY, 5, 1, 60, 2, 0, "0", 0, 0)])
    assert score_churn(trained, ["gazette"]).rows == {"gazette": 1}
    score_lifetime_value(trained, ["gazette"])
    # a tenant that was never paid has no scale
    [row] = [row for row in content(trained, "ml.lifetime_value_scores") if row[0] == "gazette"]
    assert row[1:] == ("only one", ml_population.LAST_DAY, Decimal("0.00"), "BRL", 28, 1)


def test_a_tenant_is_judged_at_its_own_last_day(trained: WarehouseUrl) -> None:
    held_since = ml_population.LAST_DAY - timedelta(days=15)
    with connect(trained) as connection:
        connection.execute("delete from marts.fct_user_days where tenant_id = 'kiosk' and day > %s", [held_since])
    report = score_churn(trained)
    assert report.as_of == dict.fromkeys(TENANTS, ml_population.LAST_DAY) | {"kiosk": held_since}
    assert report.rows["kiosk"] > 10


def test_who_leaves_has_the_higher_score(trained: WarehouseUrl) -> None:
    day = ml_population.LAST_DAY - timedelta(days=22)
    score_churn(trained, None, day)
    with connect(trained) as connection:
        means = connection.execute(
            "select avg(probability) from ml.churn_scores as s group by exists (select from marts.fct_user_days as d "
            "where d.tenant_id = s.tenant_id and d.user_id = s.user_id and d.day > %s) order by 1",
            [day],
        ).fetchall()
    [[stay], [leave]] = means
    assert leave > 3 * stay


def test_unknown_tenants_are_named(trained: WarehouseUrl) -> None:
    with pytest.raises(UnknownTenantError, match=r"unknown tenants: '; drop, nobody\n.*desk, gazette, kiosk, melody"):
        score_churn(trained, ["desk", "nobody", "'; drop"])
    with pytest.raises(UnknownTenantError, match="unknown tenant: nobody"):
        score_lifetime_value(trained, ["nobody"])


def test_nothing_to_score_with_or_from(populated: WarehouseUrl, trained: WarehouseUrl) -> None:
    with pytest.raises(NoModelError, match="no model churn"):
        score_churn(populated)
    with connect(trained) as connection:
        connection.execute("drop table marts.fct_user_days")
    with pytest.raises(NotEnoughDataError, match="marts are not built"):
        score_churn(trained)
