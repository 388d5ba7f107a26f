"""Tenants that come, change and go, with all that follows at once: role, plan, marts, files that must not disagree."""

import pytest

from analytics_dagster import deployment
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.registration import add_tenant, change_tenant, offboard_tenant, register_files
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.tenancy.files import configured

FIELDS = {"tenant_id": "acme", "name": "Acme", "kind": "music", "tier": "free", "region": "eu"}
FIELDS |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}


NOT_BILLABLE = r"there is no plan|no plan has prices"


def tenant(**changes):
    return configured(FIELDS | changes, where="test")


@pytest.fixture
def acme(connection, tmp_path):
    connection.execute("insert into pipeline.built_models values ('marts', 'kpi_daily', 'x')")
    deployment.record(connection, "now")
    add_tenant(connection, tenant(), tenants_dir=tmp_path, actor="ada")
    return connection


def built_models(connection):
    return connection.execute("select count(*) from pipeline.built_models").fetchone()[0]


def test_a_new_tenant_has_its_role_at_once(acme):
    assert acme.execute("select role_name from tenancy.bi_roles").fetchall() == [("analytics_tenant_acme",)]
    assert built_models(acme) == 1
    assert not deployment.is_due(acme, "now")


@pytest.mark.parametrize("changes", [{"plan": "platinum"}, {"currency": "XAU"}])
def test_what_cannot_be_billed_is_refused_whole(acme, tmp_path, changes):
    with pytest.raises(AnalyticsError, match=NOT_BILLABLE):
        add_tenant(acme, tenant(tenant_id="beta", **changes), tenants_dir=tmp_path, actor="ada")
    with pytest.raises(AnalyticsError, match=NOT_BILLABLE):
        change_tenant(acme, "acme", changes, actor="ada")
    with pytest.raises(AnalyticsError, match=NOT_BILLABLE):
        register_files(acme, [tenant(tenant_id="gamma"), tenant(tenant_id="delta", **changes)])
    assert acme.execute("select tenant_id, plan, currency from tenancy.tenants").fetchall() == [("acme", "free", "EUR")]


def test_a_change_of_the_past_builds_all_marts_anew(acme):
    assert [change.field for change in change_tenant(acme, "acme", {"name": "Other"}, actor="ada")] == ["name"]
    assert built_models(acme) == 1
    change_tenant(acme, "acme", {"time_zone": "Asia/Tokyo"}, actor="ada")
    assert built_models(acme) == 0
    assert deployment.is_due(acme, "now")


def test_files_that_change_the_past_build_all_marts_anew(acme):
    register_files(acme, [tenant(kind="shop"), tenant(tenant_id="beta")])
    assert built_models(acme) == 0
    assert acme.execute("select count(*) from tenancy.bi_roles").fetchone() == (2,)


def test_other_kpis_build_their_mart_anew_and_no_other(acme):
    acme.execute("insert into pipeline.built_models values ('marts', 'fct_sessions', 'x')")
    own = {"name": "own", "expression": "plays / (sessions + 1)", "unit": "ratio", "description": "Ours."}
    change_tenant(acme, "acme", {"custom_kpis": [own]}, actor="ada")
    assert acme.execute("select relation_name from pipeline.built_models").fetchall() == [("fct_sessions",)]
    assert deployment.is_due(acme, "now")
    assert acme.execute("select tenant_id, name, operations, unit from tenancy.custom_kpis").fetchall() == [
        ("acme", "own", ["plays", "sessions", "1", "+", "/"], "ratio")
    ]
    register_files(acme, [tenant()])
    assert acme.execute("select count(*) from tenancy.custom_kpis").fetchone() == (0,)


def test_kpis_of_another_kind_are_refused(acme):
    own = {"name": "own", "expression": "plays", "unit": "count", "description": "Ours."}
    change_tenant(acme, "acme", {"custom_kpis": [own]}, actor="ada")
    with pytest.raises(AnalyticsError, match="plays is no governed metric of a shop tenant; known are active_users"):
        change_tenant(acme, "acme", {"kind": "shop"}, actor="ada")


def test_a_file_and_a_command_do_not_disagree(acme, tmp_path):
    (tmp_path / "acme.yaml").write_text("")
    (tmp_path / "beta.yaml").write_text("")
    with pytest.raises(AnalyticsError, match="declared by a file already") as refused:
        add_tenant(acme, tenant(tenant_id="beta"), tenants_dir=tmp_path, actor="ada")
    assert refused.value.where == str(tmp_path / "beta.yaml")
    with pytest.raises(AnalyticsError, match="still declared by a file"):
        offboard_tenant(acme, "acme", tenants_dir=tmp_path, actor="ada", reason="left")
    (tmp_path / "acme.yaml").unlink()
    offboard_tenant(acme, "acme", tenants_dir=tmp_path, actor="ada", reason="left")
    assert tenants_by_status(acme, Status.OFFBOARDED) == ("acme",)
    with pytest.raises(AnalyticsError, match="was offboarded"):
        add_tenant(acme, tenant(), tenants_dir=tmp_path, actor="ada")
    with pytest.raises(AnalyticsError, match="was offboarded"):
        change_tenant(acme, "acme", {"name": "Back"}, actor="ada")
