"""The churn model finds what the simulation put there, and says so when there is nothing to find."""

from pathlib import Path

import ml_population
import numpy as np
import psycopg
import pytest
from sklearn.metrics import roc_auc_score

from analytics_dagster.ml import churn
from analytics_dagster.ml.features import FEATURES
from analytics_dagster.ml.reports import NotEnoughDataError, TrainingReport
from analytics_dagster.ml.splits import load_split
from analytics_dagster.warehouse import WarehouseUrl, connect

AUC_BOUND = 0.85
Trained = tuple[WarehouseUrl, Path, TrainingReport, TrainingReport]


def test_it_beats_the_naive_baseline_on_a_later_time(trained_template: Trained) -> None:
    report = trained_template[2]
    metrics = report.metrics
    assert metrics["auc"] > AUC_BOUND
    assert metrics["auc"] > metrics["naive_auc"] + 0.02
    assert metrics["average_precision"] > metrics["naive_average_precision"] + 0.05
    assert metrics["brier"] < metrics["naive_brier"]
    assert max(report.train_cutoffs) < report.test_cutoff < report.as_of
    assert report.train_rows > 1_000
    assert report.test_rows > 500


def test_probabilities_are_calibrated(trained_template: Trained) -> None:
    metrics = trained_template[2].metrics
    assert metrics["mean_probability"] == pytest.approx(metrics["base_rate"], abs=0.03)
    # always saying the base rate has this Brier score
    assert metrics["brier"] < metrics["base_rate"] * (1 - metrics["base_rate"]) * 0.75


def test_metrics_of_each_tenant_and_what_drives_the_model(trained_template: Trained) -> None:
    report = trained_template[2]
    assert set(report.groups) <= set(ml_population.TENANTS)
    assert report.groups["melody"]["auc"] > 0.8
    assert sum(group["users"] for group in report.groups.values()) <= report.test_rows
    assert set(report.top_features) <= set(FEATURES)
    losses = list(report.top_features.values())
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.01


def test_the_bound_fails_on_shuffled_labels(populated: WarehouseUrl) -> None:
    with connect(populated) as connection:
        split = load_split(connection, None, churn.HORIZON_DAYS, seen_within=churn.ACTIVE_WITHIN_DAYS)
    train, test = churn.population(split.train), churn.population(split.test)
    labels = (train["events_after"] == 0).to_numpy(dtype=int)
    truth = (test["events_after"] == 0).to_numpy(dtype=int)
    shuffled = np.random.default_rng(3).permutation(labels)
    honest, wrong = (
        roc_auc_score(truth, churn.probabilities(churn.fit(train[FEATURES], y), test[FEATURES]))
        for y in (labels, shuffled)
    )
    assert wrong < AUC_BOUND - 0.05 < honest


def test_training_twice_gives_the_same_model(
    trained_template: Trained, populated: WarehouseUrl, tmp_path: Path
) -> None:
    again = churn.train_churn(populated, tmp_path, trained_template[2].as_of)
    assert again.metrics == trained_template[2].metrics
    assert again.groups == trained_template[2].groups
    assert again.top_features == trained_template[2].top_features


def test_an_empty_warehouse_says_what_is_missing(warehouse: WarehouseUrl, tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="marts are not built"):
        churn.train_churn(warehouse, tmp_path)
    with connect(warehouse) as connection:
        ml_population.create_marts(connection)
    with pytest.raises(NotEnoughDataError, match="no user has done anything yet"):
        churn.train_churn(warehouse, tmp_path)


def test_a_short_history_says_how_much_is_missing(
    connection: psycopg.Connection, warehouse: WarehouseUrl, tmp_path: Path
) -> None:
    ml_population.create_marts(connection)
    ml_population.insert(connection, ml_population.simulate(50, days=30))
    connection.commit()
    with pytest.raises(NotEnoughDataError, match="29 days of history, 63 are needed"):
        churn.train_churn(warehouse, tmp_path)


def test_one_class_is_no_crash(connection: psycopg.Connection, warehouse: WarehouseUrl, tmp_path: Path) -> None:
    ml_population.create_marts(connection)
    ml_population.insert(connection, ml_population.simulate(100))
    # everybody who ever came keeps coming
    connection.execute(
        "insert into marts.fct_user_days select tenant_id, user_id, day::date, 1, 1, 0, 0, 0, 0, 0, 0 "
        "from (select distinct tenant_id, user_id from marts.fct_user_days) as users, "
        "generate_series(date '2026-01-01', date '2026-03-31', interval '5 days') as day on conflict do nothing"
    )
    connection.commit()
    with pytest.raises(NotEnoughDataError, match=r"has 0 users who left and \d+ who stayed; 20 of each"):
        churn.train_churn(warehouse, tmp_path)
