"""MLflow on the warehouse's own PostgreSQL: runs, artifacts, versions, and which version is the champion.

Only MlflowClient is used, never MLflow's process-wide state: that would put the warehouse's password into
the environment of every child process. What a model is and how it is judged does not belong here.
"""

import importlib
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy
import pandas as pd
import sklearn
import skops
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from analytics_dagster.ml.features import FEATURES
from analytics_dagster.ml.reports import NoModelError, TrainingReport
from analytics_dagster.ml.splits import Split
from analytics_dagster.warehouse import WarehouseUrl, connect

with warnings.catch_warnings():
    # saving a model imports this lazily, and MLflow then warns of its own type hints
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
    importlib.import_module("mlflow.pyfunc")

SCHEMA = "mlflow"
CHAMPION = "champion"
# skops, unlike pickle, runs no code of the file's choosing when a model is loaded; this type is scikit-learn's
# own and a plain record of a tree
TRUSTED_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


@dataclass(frozen=True)
class Champion:
    version: int
    horizon_days: int
    model: Any


@dataclass(frozen=True)
class Candidate:
    """A fitted model with its exam. `judge` gives the loss on the test rows: lower is better."""

    name: str
    model: Any
    split: Split
    params: dict[str, Any]
    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]
    top_features: dict[str, float]
    judge: Callable[[Any], float]
    tolerance: float  # how much worse than the champion still counts as not worse


def client_of(url: WarehouseUrl) -> MlflowClient:
    with warnings.catch_warnings():
        # SQLAlchemy 2.1 deprecates a loader that MLflow's own mappers use
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        return MlflowClient(url.sqlalchemy(driver="psycopg2", schema=SCHEMA))


def register(url: WarehouseUrl, artifacts_dir: Path, candidate: Candidate) -> TrainingReport:
    """Log and register a model; it becomes the champion if it is not worse on the same test rows."""
    with connect(url) as lock:
        # two trainings at once would each compare with the same champion, and the slower one would win
        lock.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"ml.register.{candidate.name}"])
        client = client_of(url)
        run_id, version = _log(client, artifacts_dir, candidate)
        champion = _better_champion(url, candidate)
        if champion is None:
            client.set_registered_model_alias(candidate.name, CHAMPION, str(version))
        return _report(candidate, run_id, version, champion or version)


def load_champion(url: WarehouseUrl, name: str) -> Champion:
    """The model that scores, or an error that says why there is none."""
    client = client_of(url)
    found = client.search_registered_models(f"name = '{name}'")
    version = found[0].aliases.get(CHAMPION) if found else None
    if version is None:
        raise NoModelError(f"no model {name} has been trained yet", remedy=f"train it: materialize {name}_model")
    details = client.get_model_version(name, version)
    source = client.get_model_version_download_uri(name, version)
    try:
        model = mlflow.sklearn.load_model(source)
    except (MlflowException, OSError) as error:
        raise NoModelError(
            f"version {version} of {name} cannot be loaded: {str(error).splitlines()[0]}",
            where=source,
            remedy="restore its folder, or train again",
        ) from error
    if list(model.feature_names_in_) != FEATURES:
        raise NoModelError(
            f"version {version} of {name} was trained on other features than there are now", remedy="train again"
        )
    return Champion(int(version), int(details.tags["horizon_days"]), model)


def _log(client: MlflowClient, artifacts_dir: Path, candidate: Candidate) -> tuple[str, int]:
    name, plan, frame = candidate.name, candidate.split.plan, candidate.split.train[FEATURES]
    experiment_id = _experiment(client, name, artifacts_dir)
    tags = {
        "as_of": str(plan.as_of),
        "test_cutoff": str(plan.test),
        "train_cutoffs": ", ".join(str(day) for day in plan.train),
        "horizon_days": str(plan.horizon),
    }
    run_id: str = client.create_run(experiment_id, run_name=f"{name} {plan.as_of}").info.run_id
    figures = candidate.metrics | {
        f"{group}/{metric}": value for group, values in candidate.groups.items() for metric, value in values.items()
    }
    now = time.time_ns() // 1_000_000
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now, 0) for key, value in figures.items()],
        params=[Param(key, str(value)) for key, value in candidate.params.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    client.log_dict(run_id, candidate.top_features, "top_features.json")
    logged = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, model_type="sklearn")
    with tempfile.TemporaryDirectory() as folder:
        mlflow.sklearn.save_model(
            candidate.model,
            f"{folder}/model",
            # given, because inferring them takes 5-8 s; the signature holds types, not values
            signature=infer_signature(frame.head(10), candidate.model.predict(frame.head(10))),
            pip_requirements=_requirements(),
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
            skops_trusted_types=TRUSTED_TYPES,
        )
        client.log_model_artifacts(logged.model_id, f"{folder}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name, logged.artifact_location, run_id, tags=tags, model_id=logged.model_id, await_creation_for=0
    )
    client.set_terminated(run_id)
    return run_id, int(version.version)


def _better_champion(url: WarehouseUrl, candidate: Candidate) -> int | None:
    """The version that stays champion, if there is one: it sits the same exam as the candidate."""
    try:
        champion = load_champion(url, candidate.name)
    except NoModelError:
        return None
    if champion.horizon_days != candidate.split.plan.horizon:
        return None  # it answers another question
    worse = candidate.judge(candidate.model) - candidate.judge(champion.model) > candidate.tolerance
    return champion.version if worse else None


def _experiment(client: MlflowClient, name: str, artifacts_dir: Path) -> str:
    artifacts_dir.mkdir(parents=True, exist_ok=True)
    location = (artifacts_dir.absolute() / name).as_uri()
    known = client.get_experiment_by_name(name)
    if known is not None and known.artifact_location == location:
        return str(known.experiment_id)
    if known is not None:
        # MLflow cannot move an experiment, and the project's folder has been moved
        client.rename_experiment(known.experiment_id, f"{name} until {time.strftime('%Y-%m-%d %H:%M:%S')}")
    return str(client.create_experiment(name, artifact_location=location))


def _requirements() -> list[str]:
    packages = {"scikit-learn": sklearn, "skops": skops, "pandas": pd, "numpy": numpy}
    return [f"{package}=={module.__version__}" for package, module in packages.items()]


def _report(candidate: Candidate, run_id: str, version: int, champion: int) -> TrainingReport:
    plan = candidate.split.plan
    return TrainingReport(
        model=candidate.name,
        version=version,
        champion=champion,
        run_id=run_id,
        as_of=plan.as_of,
        train_cutoffs=plan.train,
        test_cutoff=plan.test,
        horizon_days=plan.horizon,
        train_rows=len(candidate.split.train),
        test_rows=len(candidate.split.test),
        metrics=candidate.metrics,
        groups=candidate.groups,
        top_features=candidate.top_features,
    )
