"""Declared experiments from their files to the warehouse, and what a change of one has made anew."""

from pathlib import Path

import psycopg
import pytest
import yaml

from analytics_dagster import deployment
from analytics_dagster.registration import EXPERIMENT_MODELS, deploy_experiments
from analytics_dagster.settings import PROJECT_ROOT, Settings

EXPERIMENT = """
experiment: checkout
description: One page, or three?
tenants: [{name}]
variants: [A, B, C]
control: A
analysis: sequential
alpha: {alpha}
"""


def write(folder: Path, name: str, alpha: float = 0.05) -> None:
    (folder / f"{name}.yaml").write_text(EXPERIMENT.format(name=name, alpha=alpha))


def test_a_change_makes_the_marts_of_experiments_anew_and_no_others(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    def deploy() -> set[str]:
        connection.execute("delete from pipeline.built_models")
        connection.cursor().executemany(
            "insert into pipeline.built_models values ('marts', %s, 'x')", [(name,) for name in models]
        )
        deploy_experiments(connection, tmp_path)
        rows = connection.execute("select relation_name from pipeline.built_models")
        return models - {name for (name,) in rows}

    def declared() -> dict[str, float]:
        query = "select file, (declaration ->> 'alpha')::double precision from tenancy.experiments"
        return dict(connection.execute(query).fetchall())

    models = {*EXPERIMENT_MODELS, "int_exposures", "kpi_daily"}
    assert deploy() == set()
    write(tmp_path, "one")
    assert deploy() == set(EXPERIMENT_MODELS)
    assert deploy() == set()
    write(tmp_path, "two")
    assert deploy() == set(EXPERIMENT_MODELS)
    write(tmp_path, "one", alpha=0.001)
    assert deploy() == set(EXPERIMENT_MODELS)
    assert declared() == {"one": 0.001, "two": 0.05}
    (tmp_path / "two.yaml").unlink()
    assert deploy() == set(EXPERIMENT_MODELS)
    assert declared() == {"one": 0.001}


def test_the_models_that_are_made_anew_are_all_that_a_declaration_reaches() -> None:
    folder = PROJECT_ROOT / "dbt_project" / "models"
    sources = {path.stem: path.read_text() for path in folder.rglob("*.sql")}
    reached = {"int_experiments"}
    while (
        more := {name for name, text in sources.items() if any(f"ref('{model}')" in text for model in reached)}
        - reached
    ):
        reached |= more
    assert reached == set(EXPERIMENT_MODELS)
    assert [name for name, text in sources.items() if "source('tenancy', 'experiments')" in text] == ["int_experiments"]


@pytest.mark.parametrize("name", ["one", "three"])
def test_a_changed_or_a_new_experiment_is_a_new_deployment(tmp_path: Path, name: str) -> None:
    settings = Settings(
        tenants_dir=tmp_path / "tenants", funnels_dir=tmp_path / "funnels", experiments_dir=tmp_path / "experiments"
    )
    (tmp_path / "experiments").mkdir()
    write(tmp_path / "experiments", "one")
    before = deployment.fingerprint(settings)
    write(tmp_path / "experiments", name, alpha=0.01)
    assert deployment.fingerprint(settings) != before


def test_the_example_of_the_docs_can_be_used(connection: psycopg.Connection, tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "docs" / "experiments.md").read_text()
    examples = text.split("```yaml\n")[1:]
    for number, example in enumerate(examples):
        content = example.split("```")[0]
        assert yaml.safe_load(content)["experiment"]
        (tmp_path / f"{number}.yaml").write_text(content)
    assert deploy_experiments(connection, tmp_path) == len(examples) == 1
