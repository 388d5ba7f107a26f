"""What makes a deployment due: the dbt project, and the tenants' files."""

from pathlib import Path

import pytest

from analytics_dagster import deployment
from analytics_dagster.settings import Settings

TENANTS = Path(__file__).parents[1] / "tenants"


@pytest.fixture
def chosen(tmp_path):
    tenants = tmp_path / "tenants"
    tenants.mkdir()
    (tenants / "acme.yaml").write_text("tenant_id: acme")
    return Settings(tenants_dir=tenants)


def test_a_deployment_is_due_until_it_is_recorded(connection):
    assert deployment.is_due(connection, "one")
    deployment.record(connection, "one")
    assert not deployment.is_due(connection, "one")
    assert deployment.is_due(connection, "two")


def test_a_changed_or_a_new_tenant_is_a_new_deployment(chosen):
    seen = {deployment.fingerprint(chosen)}
    (chosen.tenants_dir / "acme.yaml").write_text("tenant_id: acme # changed")
    seen.add(deployment.fingerprint(chosen))
    (chosen.tenants_dir / "beta.yaml").write_text("tenant_id: beta")
    seen.add(deployment.fingerprint(chosen))
    assert len(seen) == 3
    (chosen.tenants_dir / "notes.txt").write_text("not a tenant")
    assert deployment.fingerprint(chosen) in seen


def test_a_changed_suite_is_a_new_deployment(tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, "project_fingerprint", lambda _: "no dbt project in this folder")
    chosen = Settings(home=tmp_path)
    chosen.expectations_dir.mkdir()
    suite = chosen.expectations_dir / "raw_events.json"
    suite.write_text("{}")
    before = deployment.fingerprint(chosen)
    suite.write_text("[]")
    assert deployment.fingerprint(chosen) != before
