"""Who is about to leave: the chance that a user who was here in the last 14 days is silent for the next 21.

21 days, because hardly anyone who comes back stays away that long (three missed weeks are no holiday), and
because twice 21 days and the history before them fit into 90 days. One model learns from all tenants; it
knows a tenant's kind, never its name. Writing scores does not belong here.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from analytics_dagster.ml.features import FEATURES, KINDS, NUMERIC
from analytics_dagster.ml.numerics import one_thread, top_features
from analytics_dagster.ml.reports import NotEnoughDataError, TrainingReport
from analytics_dagster.ml.splits import Split, load_split
from analytics_dagster.ml.tracking import Candidate, register
from analytics_dagster.warehouse import WarehouseUrl, connect

NAME = "churn"
HORIZON_DAYS = 21
ACTIVE_WITHIN_DAYS = 14
MIN_OF_EACH_CLASS = 20  # in training and in test; with fewer, the metrics below are noise
MIN_OF_EACH_CLASS_PER_TENANT = 5
TOLERANCE = 0.01  # of area under the curve: the sampling error with some thousand test users
PARAMS: dict[str, Any] = {"C": 0.1, "max_iter": 2000}


def train_churn(url: WarehouseUrl, artifacts_dir: Path, as_of: date | None = None) -> TrainingReport:
    """Train, test on a later time, log and register; `as_of` is the last day that anything is read of."""
    with connect(url) as connection:
        split = load_split(connection, as_of, HORIZON_DAYS, seen_within=ACTIVE_WITHIN_DAYS)
    split = Split(split.plan, population(split.train), population(split.test))
    _require_both_classes(split)
    x, y, test_x, truth = split.train[FEATURES], _left(split.train), split.test[FEATURES], _left(split.test)
    with one_thread():
        model = fit(x, y)
        predicted = probabilities(model, test_x)
        naive = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[["recency"]], y)
        naively = probabilities(naive, test_x[["recency"]])
        metrics = {
            **quality(truth, predicted),
            **{f"naive_{name}": value for name, value in quality(truth, naively).items() if name != "base_rate"},
        }
        candidate = Candidate(
            name=NAME,
            model=model,
            split=split,
            params={"estimator": "LogisticRegression", **PARAMS, "active_within_days": ACTIVE_WITHIN_DAYS},
            metrics=metrics,
            groups=_by_tenant(split.test, truth, predicted),
            top_features=top_features(model, test_x, truth, "roc_auc"),
            judge=lambda judged: 1.0 - float(roc_auc_score(truth, probabilities(judged, test_x))),
            tolerance=TOLERANCE,
        )
        return register(url, artifacts_dir, candidate)


def fit(x: pd.DataFrame, y: np.ndarray) -> Pipeline:
    """Logistic regression: its log loss makes calibrated probabilities, and boosting ranked no better."""
    trends = [name for name in NUMERIC if name.endswith("_trend")]
    amounts = [name for name in NUMERIC if name not in trends]
    prepared = make_column_transformer(
        (make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), amounts),
        (StandardScaler(), trends),
        (OneHotEncoder(categories=[KINDS], handle_unknown="ignore", sparse_output=False), ["kind"]),
    )
    return make_pipeline(prepared, LogisticRegression(**PARAMS, random_state=0)).fit(x, y)


def population(users: pd.DataFrame) -> pd.DataFrame:
    """Those the question is about: who is silent already has left."""
    return users[users["recency"] < ACTIVE_WITHIN_DAYS]


def probabilities(model: Any, x: pd.DataFrame) -> np.ndarray:
    return np.asarray(model.predict_proba(x)[:, 1])


def quality(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return {
        "auc": float(roc_auc_score(truth, predicted)),
        "average_precision": float(average_precision_score(truth, predicted)),
        "brier": float(brier_score_loss(truth, predicted)),
        "mean_probability": float(predicted.mean()),
        "base_rate": float(truth.mean()),
    }


def _left(users: pd.DataFrame) -> np.ndarray:
    return np.asarray(users["events_after"] == 0, dtype=int)


def _require_both_classes(split: Split) -> None:
    for part, users in (("training", split.train), ("test", split.test)):
        left = int(_left(users).sum())
        stayed = len(users) - left
        if min(left, stayed) < MIN_OF_EACH_CLASS:
            raise NotEnoughDataError(
                f"the {part} data of {NAME} has {left} users who left and {stayed} who stayed; "
                f"{MIN_OF_EACH_CLASS} of each are needed",
                where=f"up to {split.plan.as_of}",
                remedy="train with more tenants or a longer history",
            )


def _by_tenant(users: pd.DataFrame, truth: np.ndarray, predicted: np.ndarray) -> dict[str, dict[str, float]]:
    """Quality for each tenant that has enough of both; a metric over a handful of users says nothing."""
    groups = {}
    for tenant in sorted(users["tenant_id"].unique()):
        own = (users["tenant_id"] == tenant).to_numpy()
        left = int(truth[own].sum())
        if min(left, own.sum() - left) >= MIN_OF_EACH_CLASS_PER_TENANT:
            groups[tenant] = {"users": float(own.sum()), **quality(truth[own], predicted[own])}
    return groups
