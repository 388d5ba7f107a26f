"""Which version scores: the alias moves on merit, and what MLflow keeps holds no person and no password."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from psycopg import sql

from analytics_dagster.ml import churn
from analytics_dagster.ml.features import FEATURES
from analytics_dagster.ml.reports import NoModelError, TrainingReport
from analytics_dagster.ml.splits import Split, load_split
from analytics_dagster.ml.tracking import CHAMPION, Candidate, client_of, load_champion, register
from analytics_dagster.warehouse import WarehouseUrl, connect

Trained = tuple[WarehouseUrl, Path, TrainingReport, TrainingReport]


def candidate(url: WarehouseUrl, *, shuffled: bool, tolerance: float = churn.TOLERANCE) -> Candidate:
    """A challenger that has to sit the same kind of exam as train_churn's."""
    with connect(url) as connection:
        split = load_split(connection, None, churn.HORIZON_DAYS, seen_within=churn.ACTIVE_WITHIN_DAYS)
    train, test = churn.population(split.train), churn.population(split.test)
    labels, truth = (np.asarray(part["events_after"] == 0, dtype=int) for part in (train, test))
    if shuffled:
        labels = np.random.default_rng(1).permutation(labels)

    def judge(model: object) -> float:
        return 1 - churn.quality(truth, churn.probabilities(model, test[FEATURES]))["auc"]

    model = churn.fit(train[FEATURES], labels)
    return Candidate(
        "churn", model, Split(split.plan, train, test), {}, {"auc": 1 - judge(model)}, {}, {}, judge, tolerance
    )


def test_a_first_and_a_second_training(trained: WarehouseUrl, trained_template: Trained) -> None:
    _, artifacts, first, _ = trained_template
    assert (first.version, first.champion, first.promoted) == (1, 1, True)
    second = churn.train_churn(trained, artifacts)
    assert (second.version, second.champion, second.promoted) == (2, 2, True)
    assert load_champion(trained, "churn").version == 2
    assert load_champion(trained, "lifetime_value").version == 1


def test_a_worse_model_is_registered_and_not_promoted(trained: WarehouseUrl, tmp_path: Path) -> None:
    report = register(trained, tmp_path, candidate(trained, shuffled=True))
    assert (report.version, report.champion, report.promoted) == (2, 1, False)
    assert load_champion(trained, "churn").version == 1
    tolerant = register(trained, tmp_path, candidate(trained, shuffled=True, tolerance=1.0))
    assert tolerant.promoted
    better = register(trained, tmp_path, candidate(trained, shuffled=False))
    assert better.promoted


def test_a_champion_for_another_horizon_cannot_stay(trained: WarehouseUrl, tmp_path: Path) -> None:
    challenger = candidate(trained, shuffled=True)
    split = challenger.split
    other = replace(challenger, split=replace(split, plan=replace(split.plan, horizon=14)))
    assert register(trained, tmp_path, other).promoted
    assert load_champion(trained, "churn").horizon_days == 14


def test_no_model_yet(populated: WarehouseUrl) -> None:
    with pytest.raises(NoModelError, match=r"no model churn has been trained yet\n.*train it"):
        load_champion(populated, "churn")


def test_lost_files_are_named_and_the_next_training_heals(populated: WarehouseUrl, tmp_path: Path) -> None:
    register(populated, tmp_path / "old place", candidate(populated, shuffled=False))
    shutil.rmtree(tmp_path / "old place")
    with pytest.raises(NoModelError, match="version 1 of churn cannot be loaded"):
        load_champion(populated, "churn")
    # also: the folder has moved, and the experiment with it
    healed = register(populated, tmp_path / "new place", candidate(populated, shuffled=True))
    assert (healed.version, healed.promoted) == (2, True)
    assert load_champion(populated, "churn").version == 2
    assert any((tmp_path / "new place" / "churn" / "models").iterdir())
    assert not (tmp_path / "old place").exists()


def test_a_model_of_other_features_is_refused(populated: WarehouseUrl, tmp_path: Path) -> None:
    challenger = candidate(populated, shuffled=False)
    with_fewer = challenger.model.fit(
        challenger.split.train[[*FEATURES[::-1]]], np.asarray(challenger.split.train["events_after"] == 0, dtype=int)
    )
    register(populated, tmp_path, replace(challenger, model=with_fewer))
    with pytest.raises(NoModelError, match="other features"):
        load_champion(populated, "churn")


def test_what_a_person_finds_in_mlflow(trained_template: Trained) -> None:
    url, artifacts, report, _ = trained_template
    client = client_of(url)
    run = client.get_run(report.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["auc"] == report.metrics["auc"]
    assert run.data.metrics["melody/auc"] == report.groups["melody"]["auc"]
    assert run.data.params["estimator"] == "LogisticRegression"
    assert run.data.tags["as_of"] == str(report.as_of)
    assert not [tag for tag in run.data.tags if "git" in tag or "source" in tag or "user" in tag]
    version = client.get_model_version_by_alias("churn", CHAMPION)
    assert version.run_id == report.run_id
    assert version.tags["horizon_days"] == "21"
    source = client.get_model_version_download_uri("churn", version.version)
    mlmodel = Path(unquote(urlsplit(source).path)) / "MLmodel"
    assert mlmodel.is_relative_to(artifacts)
    text = mlmodel.read_text(encoding="utf-8")
    assert "skops" in text
    assert all(f'"{name}"' in text for name in FEATURES)  # the signature
    assert "scikit-learn==" in mlmodel.with_name("requirements.txt").read_text(encoding="utf-8")


def test_everything_is_in_its_own_schema(trained: WarehouseUrl) -> None:
    with connect(trained) as connection:
        [found] = connection.execute(
            "select array_agg(distinct schemaname) from pg_tables where tablename in "
            "('alembic_version', 'experiment_tags', 'runs', 'registered_models', 'model_versions', 'logged_models')"
        ).fetchone() or [None]
    assert found == ["mlflow"]


def test_no_person_and_no_password_is_kept(trained_template: Trained) -> None:
    url, artifacts, _, _ = trained_template
    secrets = [b"-person-", b"Not@40for", b"Not%40for", b"Not%2540for", *(name.encode() for name in names())]
    contents = {path: path.read_bytes() for path in artifacts.rglob("*") if path.is_file()}
    assert len(contents) >= 10
    for path in list(contents):
        if path.suffix == ".skops":
            with zipfile.ZipFile(path) as archive:
                contents |= {path / name: archive.read(name) for name in archive.namelist()}
    with connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'mlflow'").fetchall()
        for (table,) in tables:
            query = sql.SQL("select coalesce(string_agg(t::text, ' '), '') from {} as t")
            [text] = connection.execute(query.format(sql.Identifier("mlflow", table))).fetchone() or [""]
            contents[Path(table)] = text.encode()
    assert [(path, secret) for path, text in contents.items() for secret in secrets if secret in text] == []
    assert not [name for name, value in os.environ.items() if "Not%40for" in value or "Not%2540for" in value]


def names() -> list[str]:
    return ["drop schema marts", "Söhne", "桌"]


def test_no_connection_outlives_training(trained: WarehouseUrl) -> None:
    load_champion(trained, "churn")
    with connect(trained) as connection:
        [others] = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone() or [-1]
    assert others == 0


def test_importing_the_package_is_cheap_and_switches_telemetry_off() -> None:
    code = (
        "import sys, os; import analytics_dagster.ml, analytics_dagster.ml.reports\n"
        "assert not {'mlflow', 'sklearn', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert os.environ['MLFLOW_DISABLE_TELEMETRY'] == 'true'\n"
        "import analytics_dagster.ml.scoring\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "assert get_telemetry_client() is None\n"
    )
    # as on a person's machine: no variable of a test runner, which would switch it off anyway
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)
