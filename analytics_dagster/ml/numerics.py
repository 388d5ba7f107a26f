"""What both models need of scikit-learn and its threads; nothing here knows what is predicted."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own; ships no types

TOP = 8
SAMPLE = 2_000  # test rows that a shuffle is judged on: enough for a ranking, and a bound on the time


def one_thread() -> AbstractContextManager[Any]:
    """Threads of a busy machine wait for one another: without this, boosting stalls half a second a call."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def top_features(model: Any, x: pd.DataFrame, truth: np.ndarray, scoring: str) -> dict[str, float]:
    """How much the test metric suffers when a feature is shuffled; the most important first."""
    found = permutation_importance(
        model, x, truth, scoring=scoring, n_repeats=3, random_state=0, max_samples=min(len(x), SAMPLE)
    )
    ranked = sorted(zip(x.columns, found.importances_mean, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {str(name): round(float(loss), 6) for name, loss in ranked[:TOP]}
