"""Expected revenue is money of the right currency, never negative, and better than 'the same as last month'."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import ml_population
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_dagster.ml import lifetime_value
from analytics_dagster.ml.features import features
from analytics_dagster.ml.reports import NotEnoughDataError, TrainingReport
from analytics_dagster.ml.tracking import load_champion
from analytics_dagster.warehouse import WarehouseUrl, connect

Trained = tuple[WarehouseUrl, Path, TrainingReport, TrainingReport]


def test_it_beats_last_month_on_a_later_time(trained_template: Trained) -> None:
    report = trained_template[3]
    metrics = report.metrics
    assert metrics["mae"] < 0.9 * metrics["baseline_mae"]
    assert metrics["rmse"] < 0.9 * metrics["baseline_rmse"]
    assert metrics["total_ratio"] == pytest.approx(1, abs=0.15)
    assert max(report.train_cutoffs) < report.test_cutoff < report.as_of


def test_errors_are_told_in_each_currency(trained_template: Trained) -> None:
    groups = trained_template[3].groups
    assert set(groups) == {"EUR", "INR", "USD", "BRL"}
    assert groups["INR"]["mae"] > 100 * groups["EUR"]["mae"]
    assert groups["EUR"]["mae"] < groups["EUR"]["baseline_mae"]


@pytest.fixture(scope="module")
def model_and_users(trained_template: Trained) -> tuple[Any, pd.DataFrame]:
    url = trained_template[0]
    with connect(url) as connection:
        users = features(connection, [("gazette", ml_population.LAST_DAY)])
    return load_champion(url, lifetime_value.NAME).model, users


@settings(max_examples=20)
@given(scale=st.floats(0, 1e9), revenue=st.floats(0, 1e6), recency=st.integers(0, 90))
def test_money_is_never_negative_and_has_two_places(
    model_and_users: tuple[Any, pd.DataFrame], scale: float, revenue: float, recency: int
) -> None:
    model, users = model_and_users
    users = users.assign(scale=scale, revenue_28=revenue, recency=recency)
    money = lifetime_value.expected_revenue(model, users)
    assert len(money) == len(users)
    assert all(isinstance(amount, Decimal) and amount >= 0 for amount in money)
    assert {amount.as_tuple().exponent for amount in money} == {-2}
    assert scale > 0 or set(money) == {Decimal("0.00")}


def test_without_payments_there_is_nothing_to_learn(populated: WarehouseUrl, tmp_path: Path) -> None:
    with connect(populated) as connection:
        connection.execute("update marts.fct_user_days set revenue = 0, payments = 0")
    with pytest.raises(NotEnoughDataError, match=r"has 0 users who paid in the 28 days it looks ahead; 20 are"):
        lifetime_value.train_lifetime_value(populated, tmp_path)
