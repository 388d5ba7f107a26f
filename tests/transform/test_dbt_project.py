"""The dbt project by itself: its unit tests, the rules of the house, what it leaves behind."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import PROJECT_ROOT, Settings, load_settings
from analytics_dagster.transform import build, ensure_manifest, prepare, project_fingerprint
from analytics_dagster.transform.arguments import dbt_arguments
from analytics_dagster.transform.build import dbt_environment
from analytics_dagster.transform.manifest import DbtProjectError, manifest_for, read_manifest
from analytics_dagster.transform.results import read_results
from analytics_dagster.transform.runner import invoke
from analytics_dagster.transform.versions import fingerprints, models_to_make, relation
from analytics_dagster.warehouse import WarehouseUrl, connect

PROJECT = PROJECT_ROOT / "dbt_project"


@pytest.fixture(scope="module")
def content(manifest: Path) -> dict[str, Any]:
    return read_manifest(manifest)


@pytest.fixture
def models(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in content["nodes"].values() if node["resource_type"] == "model")


def test_every_formula_passes_its_unit_test(warehouse: WarehouseUrl, manifest: Path, content: dict[str, Any]) -> None:
    """Together with the life of an empty warehouse, which every other test starts from."""
    made = prepare(warehouse, manifest)
    assert {node.status for node in made.nodes} == {"success"}
    outcome = invoke(
        dbt_arguments("test", project_dir=PROJECT, target_dir=manifest.parent / "run", select=["test_type:unit"]),
        environment=dbt_environment(warehouse),
        manifest=manifest_for(read_manifest(manifest), warehouse.database),
    )
    results = read_results(outcome.result)
    assert [(node.name, node.message) for node in results if not node.passed] == []
    assert {node.unique_id for node in results} == set(content["unit_tests"])

    # nothing is stale any more: only views are made again, and a build of nothing makes nothing
    again = prepare(warehouse, manifest)
    assert {node.name for node in again.nodes} == {"stg_days", "stg_events", "stg_tenants"}
    assert {node.rows_affected for node in again.nodes} == {None}
    result = build(warehouse, manifest, build_id="empty")
    assert {node.rows_affected for node in result.of("model")} == {0}

    # by hand, without an id, it says so instead of restating nothing
    outcome = invoke(
        dbt_arguments("run", project_dir=PROJECT, target_dir=manifest.parent / "run", select=["kpi_daily"]),
        environment=dbt_environment(warehouse),
        manifest=manifest_for(read_manifest(manifest), warehouse.database),
    )
    assert "this build has no id" in read_results(outcome.result)[0].message

    # tables made by other code are made anew
    with connect(warehouse) as connection:
        connection.execute("update pipeline.built_models set fingerprint = 'old' where relation_name = 'kpi_daily'")
        connection.execute("drop table marts.dim_tenants")
    remade = prepare(warehouse, manifest)
    assert {node.name for node in remade.nodes} == {
        *("stg_days", "stg_events", "stg_tenants"),
        *("kpi_daily", "dim_tenants"),
    }


def test_models_keep_the_rules_of_the_house(models: Iterator[dict[str, Any]], content: dict[str, Any]) -> None:
    tested = {test["model"] for test in content["unit_tests"].values()}
    exposed = {name for exposure in content["exposures"].values() for name in exposure["depends_on"]["nodes"]}
    layers = set()
    for model in models:
        layers.add(model["schema"])
        name = model["name"]
        assert model["schema"] == model["fqn"][1], name
        assert model["description"].startswith("One row for each "), name
        assert ("(key: tenant_id" in model["description"]) == (name != "stg_days"), name
        assert all(column["description"] for column in model["columns"].values()), name
        assert name in tested or name in {"stg_days", "stg_tenants"}, name
        if model["schema"] == "marts":
            assert model["unique_id"] in exposed, name
            assert model["config"]["contract"]["enforced"], name
            keys = [c["columns"] for c in model["constraints"] if c["type"] == "primary_key"]
            assert keys, name
            assert keys[0][0] == "tenant_id", name
    assert layers == {"staging", "intermediate", "marts"}


def test_personal_columns_are_marked(content: dict[str, Any]) -> None:
    says_who = {"user_id", "anonymous_id", "actor", "person_id", "properties"}
    for node in content["nodes"].values():
        marked = {column["name"] for column in node["columns"].values() if column["config"]["meta"].get("personal")}
        assert marked == says_who & node["columns"].keys(), node["name"]


def test_sources_are_the_assets_before_dbt(content: dict[str, Any]) -> None:
    keys = {
        f"{source['schema']}.{source['name']}": source["config"]["meta"]["dagster"]["asset_key"]
        for source in content["sources"].values()
        if source["config"]["meta"]
    }
    assert keys == {
        "raw.events": ["raw_events"],
        "tenancy.tenants": ["tenants"],
        "tenancy.custom_kpis": ["tenants"],
        "tenancy.funnels": ["tenants"],
        "tenancy.experiments": ["tenants"],
        "pipeline.fronts": ["quality_gate"],
        "quality.scores": ["quality_gate"],
    }
    # what steers a build is no data, and would be a stranger in the asset graph
    assert not content["child_map"]["source.analytics.pipeline.build_scope"]
    assert not content["child_map"]["source.analytics.pipeline.build_changes"]


def test_a_model_is_stale_when_what_decides_its_rows_changes(content: dict[str, Any]) -> None:
    now = fingerprints(content)
    built = {relation(content, unique_id): fingerprint for unique_id, fingerprint in now.items()}
    views = {"model.analytics.stg_days", "model.analytics.stg_events", "model.analytics.stg_tenants"}
    assert set(models_to_make(content, built)) == views
    assert set(models_to_make(content, {})) == set(now)

    def stale_after(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> set[str]:
        changed = json.loads(json.dumps(content))
        change(changed["nodes"], changed["macros"])
        return {name.rsplit(".", 1)[1] for name in set(models_to_make(changed, built)) - views}

    def edit(resource: str, key: str) -> set[str]:
        def change(nodes: dict[str, Any], macros: dict[str, Any]) -> None:
            (nodes | macros)[resource][key] += " "

        return stale_after(change)

    tables = {name.rsplit(".", 1)[1] for name in set(now) - views}
    assert edit("model.analytics.dim_users", "raw_code") >= {"dim_users"}
    assert "fct_user_days" not in edit("model.analytics.dim_users", "raw_code")
    assert edit("model.analytics.fct_sessions", "raw_code") >= {"fct_sessions", "fct_user_days", "kpi_daily"}
    assert edit("model.analytics.stg_tenants", "raw_code") == tables - {"quality_daily"}
    assert edit("macro.analytics.decimal_property", "macro_sql") == tables - {
        "dim_tenants",
        "int_experiments",
        "int_funnels",
        "quality_daily",
    }
    assert edit("model.analytics.kpi_daily", "description") == set()
    assert edit("macro.analytics.isolation_rules", "macro_sql") == set()


def test_the_manifest_is_made_once_for_a_project(dbt_settings: Settings, manifest: Path, tmp_path: Path) -> None:
    made = manifest.stat().st_mtime_ns
    assert ensure_manifest(dbt_settings) == manifest
    assert manifest.stat().st_mtime_ns == made
    assert not list(manifest.parent.glob("parse-*"))

    home = tmp_path / "a house"
    (home / "dbt_project").mkdir(parents=True)
    elsewhere = load_settings(home=home, state_dir=tmp_path / "state")
    with pytest.raises(DbtProjectError, match="no dbt project"):
        ensure_manifest(elsewhere)
    (home / "dbt_project" / "dbt_project.yml").write_text("name: analytics\nprofile: nothing\n")
    before = project_fingerprint(home / "dbt_project")
    (home / "dbt_project" / "target").mkdir()
    (home / "dbt_project" / "target" / "left.sql").write_text("left")
    assert project_fingerprint(home / "dbt_project") == before
    (home / "dbt_project" / "a.sql").write_text("select 1")
    assert project_fingerprint(home / "dbt_project") != before
    with pytest.raises(DbtProjectError, match="does not parse"):
        ensure_manifest(elsewhere)
    assert {file.name for file in (tmp_path / "state" / "dbt").iterdir()} == {"manifest.lock"}


def test_a_password_is_neither_said_nor_kept(
    server: WarehouseUrl, manifest: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url = WarehouseUrl(user="postgres", database="transform_nowhere", host=server.host, password="hunter2-hunter2")
    before = dict(os.environ)
    heard: list[str] = []
    outcome = invoke(
        dbt_arguments("run", project_dir=PROJECT, target_dir=manifest.parent / "run"),
        environment=dbt_environment(url, "x"),
        manifest=manifest_for(read_manifest(manifest), url.database),
        on_event=lambda event: heard.append(str(event)),
    )
    assert not outcome.success
    assert heard
    assert os.environ == before
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert "hunter2" not in "".join([*heard, str(outcome.exception)])
    written = [file for file in manifest.parent.rglob("*") if file.is_file()]
    assert not [file for file in written if b"hunter2" in file.read_bytes()]


def test_an_unfit_database_is_explained(warehouse: WarehouseUrl, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(AnalyticsError, match="dbt did not start"):
        build(warehouse, manifest, build_id="x", project_dir=tmp_path)


def test_arguments_of_each_call() -> None:
    def words(command: Any, **more: Any) -> list[str]:
        return dbt_arguments(command, project_dir=Path("/p"), target_dir=Path("/t"), **more)

    daily = words("build", select=["a", "b"])
    assert daily[0] == "build"
    assert daily[daily.index("--select") :][:3] == ["--select", "a", "b"]
    assert daily[daily.index("--target-path") + 1] == daily[daily.index("--log-path") + 1] == "/t"
    assert daily[-2:] == ["--exclude-resource-type", "unit_test"]
    assert "--no-send-anonymous-usage-stats" in daily
    assert "--full-refresh" not in daily
    assert "--full-refresh" in words("build", full_refresh=True)
    assert "--exclude-resource-type" not in words("build", unit_tests=True)
    assert "--no-partial-parse" in words("parse")
    with pytest.raises(ValueError, match="refreshes nothing"):
        words("test", full_refresh=True)


def test_the_environment_carries_the_address_and_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1min")
    url = WarehouseUrl.parse(
        "postgresql://u:p%40ss@db:6543/x?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require"
        "&application_name=a&options=-c%20work_mem=1GB"
    )
    environment = dbt_environment(url, "b1")
    assert environment["DBT_ENV_SECRET_WAREHOUSE_PASSWORD"] == "p@ss"
    assert environment["WAREHOUSE_SSLMODE"] == "verify-full"
    assert environment["PGSSLROOTCERT"] == "/ca.pem"
    assert environment["PGCHANNELBINDING"] == "require"
    assert environment["PGOPTIONS"] == (
        "-c statement_timeout=1min -c work_mem=1GB -c timezone=UTC -c client_connection_check_interval=2s"
    )
    assert "PGAPPLICATION_NAME" not in environment
    assert environment["BUILD_ID"] == "b1"
