"""What a user will bring: the expected revenue of the next 28 days, four whole weeks.

The model thinks in payments of the tenant's usual size, so that currencies never meet, and is turned back
into money at the end. Expected means the mean: the sum over users is what the tenant can count on.
"""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from analytics_dagster.ml.features import FEATURES, KINDS, NUMERIC
from analytics_dagster.ml.numerics import one_thread, top_features
from analytics_dagster.ml.reports import NotEnoughDataError, TrainingReport
from analytics_dagster.ml.splits import Split, load_split
from analytics_dagster.ml.tracking import Candidate, register
from analytics_dagster.warehouse import WarehouseUrl, connect

NAME = "lifetime_value"
HORIZON_DAYS = 28
SEEN_WITHIN_DAYS = 56
MIN_PAYERS = 20  # in training and in test
TOLERANCE = 0.02  # of the baseline's error
CENT = Decimal("0.01")
PARAMS: dict[str, Any] = {
    "loss": "poisson",  # for a mean that is never negative
    "max_iter": 120,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


def train_lifetime_value(url: WarehouseUrl, artifacts_dir: Path, as_of: date | None = None) -> TrainingReport:
    """Train, test on a later time, log and register; `as_of` is the last day that anything is read of."""
    with connect(url) as connection:
        split = load_split(connection, as_of, HORIZON_DAYS, seen_within=SEEN_WITHIN_DAYS)
    split = Split(split.plan, _of_paying_tenants(split.train), _of_paying_tenants(split.test))
    _require_payers(split)
    x, y, test_x, truth = (
        split.train[FEATURES],
        _payments_after(split.train),
        split.test[FEATURES],
        _payments_after(split.test),
    )
    baseline = split.test["revenue_28"].to_numpy()
    baseline_error = _rmse(truth, baseline)
    with one_thread():
        model = fit(x, y)
        predicted = model.predict(test_x)
        candidate = Candidate(
            name=NAME,
            model=model,
            split=split,
            params={"estimator": "HistGradientBoostingRegressor", **PARAMS, "seen_within_days": SEEN_WITHIN_DAYS},
            metrics=_quality(truth, predicted, baseline),
            groups=_by_currency(split.test, predicted),
            top_features=top_features(model, test_x, truth, "neg_root_mean_squared_error"),
            judge=lambda judged: _rmse(truth, judged.predict(test_x)) / baseline_error,
            tolerance=TOLERANCE,
        )
        return register(url, artifacts_dir, candidate)


def fit(x: pd.DataFrame, y: np.ndarray) -> Pipeline:
    """Boosted trees: when a payment is due is a step, not a slope; a linear model overshot the total by a third."""
    prepared = make_column_transformer(
        (OneHotEncoder(categories=[KINDS], handle_unknown="ignore", sparse_output=False), ["kind"]),
        ("passthrough", NUMERIC),
    )
    return make_pipeline(prepared, HistGradientBoostingRegressor(**PARAMS, random_state=0)).fit(x, y)


def expected_revenue(model: Any, users: pd.DataFrame) -> list[Decimal]:
    """Money, in the tenant's currency; a tenant that was never paid has no scale and expects nothing."""
    if users.empty:
        return []
    with one_thread():
        payments = np.clip(model.predict(users[FEATURES]), 0.0, None)
    money = payments * users["scale"].to_numpy()
    return [Decimal(str(amount)).quantize(CENT, ROUND_HALF_EVEN) for amount in money.tolist()]


def _of_paying_tenants(users: pd.DataFrame) -> pd.DataFrame:
    return users[users["scale"] > 0]


def _payments_after(users: pd.DataFrame) -> np.ndarray:
    # a refund of an older payment is no negative expectation
    return np.asarray((users["revenue_after"] / users["scale"]).clip(lower=0.0))


def _require_payers(split: Split) -> None:
    for part, users in (("training", split.train), ("test", split.test)):
        payers = int((_payments_after(users) > 0).sum())
        if payers < MIN_PAYERS:
            raise NotEnoughDataError(
                f"the {part} data of {NAME} has {payers} users who paid in the {HORIZON_DAYS} days it looks ahead; "
                f"{MIN_PAYERS} are needed",
                where=f"up to {split.plan.as_of}",
                remedy="train with more tenants or a longer history",
            )


def _rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def _quality(truth: np.ndarray, predicted: np.ndarray, baseline: np.ndarray) -> dict[str, float]:
    """In payments of usual size: the errors of the model and of 'the same as in the last 28 days'."""
    return {
        "mae": float(np.abs(truth - predicted).mean()),
        "baseline_mae": float(np.abs(truth - baseline).mean()),
        "rmse": _rmse(truth, predicted),
        "baseline_rmse": _rmse(truth, baseline),
        "total_ratio": float(predicted.sum() / truth.sum()),  # 1: the sum over all users is right
        "baseline_total_ratio": float(baseline.sum() / truth.sum()),
    }


def _by_currency(users: pd.DataFrame, predicted: np.ndarray) -> dict[str, dict[str, float]]:
    """The same in money, for the users of each currency."""
    judged = users.assign(predicted=predicted * users["scale"])
    groups = {}
    for currency, own in judged.groupby("currency"):
        truth = own["revenue_after"].clip(lower=0.0)
        groups[str(currency)] = {
            "users": float(len(own)),
            "mae": float((truth - own["predicted"]).abs().mean()),
            "baseline_mae": float((truth - own["revenue_last_28"].clip(lower=0.0)).abs().mean()),
            "revenue": float(truth.sum()),
            "expected_revenue": float(own["predicted"].sum()),
        }
    return groups
