"""Declared funnels from their files to the warehouse, and what a change of one has made anew."""

from pathlib import Path

import psycopg
import pytest

from analytics_dagster import deployment
from analytics_dagster.registration import FUNNEL_MODELS, deploy_funnels
from analytics_dagster.settings import PROJECT_ROOT, Settings
from analytics_dagster.transform import forget_models

FUNNEL = """
funnel: {name}
description: Two steps.
kinds: [shop]
window_hours: {hours}
steps: [{{event_name: seen, where: {{b: "1", a: "2"}}}}, {{event_name: bought}}]
"""


def write(folder: Path, name: str, hours: int = 1) -> None:
    (folder / f"{name}.yaml").write_text(FUNNEL.format(name=name, hours=hours))


def built(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select relation_name from pipeline.built_models")}


def declared(connection: psycopg.Connection) -> dict[str, int]:
    query = "select funnel, (declaration ->> 'window_hours')::integer from tenancy.funnels"
    return dict(connection.execute(query).fetchall())


def test_a_change_makes_the_marts_of_funnels_anew_and_no_others(connection: psycopg.Connection, tmp_path: Path) -> None:
    def deploy() -> set[str]:
        connection.execute("delete from pipeline.built_models")
        connection.cursor().executemany(
            "insert into pipeline.built_models values ('marts', %s, 'x')", [(name,) for name in models]
        )
        deploy_funnels(connection, tmp_path)
        return models - built(connection)

    models = {*FUNNEL_MODELS, "kpi_daily"}
    assert deploy() == set()
    write(tmp_path, "one")
    assert deploy() == set(FUNNEL_MODELS)
    assert deploy() == set()
    write(tmp_path, "two")
    assert deploy() == set(FUNNEL_MODELS)
    write(tmp_path, "one", hours=2)
    assert deploy() == set(FUNNEL_MODELS)
    assert declared(connection) == {"one": 2, "two": 1}
    (tmp_path / "two.yaml").unlink()
    assert deploy() == set(FUNNEL_MODELS)
    assert declared(connection) == {"one": 2}
    forget_models(connection)
    assert built(connection) == set()


def test_the_models_that_are_made_anew_are_all_that_read_funnels() -> None:
    folder = PROJECT_ROOT / "dbt_project" / "models"
    reading = {path.stem for path in folder.rglob("*.sql") if "funnel" in path.read_text()}
    assert reading == set(FUNNEL_MODELS)


@pytest.mark.parametrize("name", ["one", "three"])
def test_a_changed_or_a_new_funnel_is_a_new_deployment(tmp_path: Path, name: str) -> None:
    settings = Settings(tenants_dir=tmp_path / "tenants", funnels_dir=tmp_path)
    write(tmp_path, "one")
    before = deployment.fingerprint(settings)
    write(tmp_path, name, hours=5)
    assert deployment.fingerprint(settings) != before
