"""Tenant files and the registry: each fault is named, registering again is free of effect."""

from pathlib import Path

import psycopg
import pytest

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import Change, Registered, TenantFileError, load_tenant_files, register, registered

ACME = """\
tenant_id: acme
name: "Acme <b>'s"
kind: music
tier: free
region: eu
time_zone: Europe/Berlin
currency: EUR
plan: free
"""


def tenant(**changes: str) -> TenantConfiguration:
    fields = {"tenant_id": "acme", "name": "Acme", "kind": "music", "tier": "free", "region": "eu"}
    fields |= {"time_zone": "Europe/Berlin", "currency": "EUR", "plan": "free"}
    return TenantConfiguration.model_validate(fields | changes, strict=False)


def test_the_sample_tenants_load(connection: psycopg.Connection) -> None:
    tenants = load_tenant_files(PROJECT_ROOT / "tenants")
    assert len(tenants) >= 6
    register(connection, tenants)
    assert registered(connection) == tenants


def test_an_empty_folder_has_no_tenants(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a tenant")
    (tmp_path / ".acme.yaml").write_text("not finished")
    assert load_tenant_files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("acme.yml", ACME, "acme.yml: rename it to acme.yaml"),
        ("other.yaml", ACME, "other.yaml: tenant_id: says 'acme': rename the file to acme.yaml, or correct it"),
        ("acme.yaml", ACME.replace("EUR", "euro"), "acme.yaml: currency: string should match pattern"),
        ("acme.yaml", ACME.replace("Europe", "Mars"), "acme.yaml: time_zone: value error, 'Mars/Berlin' is not"),
        ("acme.yaml", ACME.replace("plan: free\n", ""), "acme.yaml: plan: is missing: add it"),
        ("acme.yaml", ACME + "colour: red\n", "acme.yaml: colour: is not a field here: remove it, or use"),
        ("acme.yaml", ACME + "retention_days: 0\n", "acme.yaml: retention_days: input should be greater than"),
        ("acme.yaml", ACME + "retention_days: '9'\n", "acme.yaml: retention_days: input should be a valid integer"),
        ("acme.yaml", ACME + "2: 3\n", "acme.yaml: 2: is not a field here"),
        ("acme.yaml", ACME + "features: {a: 1}\n", "acme.yaml: features: holds nested values"),
        ("acme.yaml", ACME + "a: &a [*a]\n", "acme.yaml: holds an alias (*name): write it out"),
        ("acme.yaml", ACME + "since: 2026-02-30\n", "acme.yaml: is not plain YAML: day is out of range"),
        ("acme.yaml", ACME + "custom_kpis: [a]\n", "acme.yaml: custom_kpis.0: input should be an object"),
        ("acme.yaml", ACME + "custom_kpis: [{name: {a: 1}}]\n", "acme.yaml: custom_kpis: holds nested values"),
        ("acme.yaml", ACME + "custom_kpis: &k [*k]\n", "acme.yaml: holds an alias"),
        ("acme.yaml", ACME + "custom_kpis: [{name: own}]\n", "acme.yaml: custom_kpis.0.expression: is missing: add it"),
        (
            "acme.yaml",
            ACME + "custom_kpis: [{name: own, expression: 'plays +', unit: count, description: Own}]\n",
            r"acme.yaml: custom_kpis.0.expression: input should be arithmetic; in own, position 8: expected a number",
        ),
        ("acme.yaml", ACME + "a: [\n", "acme.yaml: is not plain YAML"),
        ("acme.yaml", "- a list", "acme.yaml: holds no fields"),
        ("acme.yaml", "", "acme.yaml: holds no fields"),
        ("acme.yaml", "name: caf\xe9", "acme.yaml: is not UTF-8: save it as UTF-8"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(TenantFileError) as error:
        load_tenant_files(tmp_path)
    assert fault in error.value.problem
    assert error.value.where == str(tmp_path)
    assert error.value.remedy


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(ACME.replace("EUR", "1").replace("music", "movies"))
    (tmp_path / "zeta.yaml").mkdir()
    with pytest.raises(TenantFileError) as error:
        load_tenant_files(tmp_path)
    for field in ("acme.yaml: currency", "acme.yaml: kind", "zeta.yaml: cannot be read (Is a directory)"):
        assert field in error.value.problem
    with pytest.raises(TenantFileError, match="No such file"):
        load_tenant_files(tmp_path / "nowhere")


def test_tags_are_never_executed(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    with pytest.raises(TenantFileError, match="is not plain YAML"):
        load_tenant_files(tmp_path)
    assert not (tmp_path / "made").exists()


def test_registering_again_changes_nothing(connection: psycopg.Connection) -> None:
    both = [tenant(), tenant(tenant_id="zeta", name="'; drop table tenancy.tenants; --")]
    assert register(connection, both) == Registered(added=("acme", "zeta"), changed=(), unchanged=())
    assert register(connection, both) == Registered(added=(), changed=(), unchanged=("acme", "zeta"))
    assert register(connection, []) == Registered(added=(), changed=(), unchanged=())
    assert registered(connection) == both


def test_a_change_is_reported_and_marked_when_it_changes_the_past(connection: psycopg.Connection) -> None:
    register(connection, [tenant()])
    after = tenant(name="Acme Ltd", currency="GBP", time_zone="Europe/London")
    outcome = register(connection, [after])
    assert outcome.changed == ("acme",)
    assert outcome.changes == (
        Change("acme", "name", "Acme", "Acme Ltd"),
        Change("acme", "time_zone", "Europe/Berlin", "Europe/London"),
        Change("acme", "currency", "EUR", "GBP"),
    )
    assert [change.field for change in outcome.changes if change.changes_the_past] == ["time_zone", "currency"]
    assert registered(connection) == [after]
    row = connection.execute("select name, currency, time_zone, status from tenancy.tenants").fetchone()
    assert row == ("Acme Ltd", "GBP", "Europe/London", "active")
