"""Thresholds of tenants: what a file may say, what fits the suites, and what the gate reads from the registry."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from analytics_dagster.cli.tenant_views import _told, _value
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.suite_files import read_suites
from analytics_dagster.quality.thresholds import faults, thresholds
from analytics_dagster.registration import add_tenant, change_tenant, register_files
from analytics_dagster.schemas.quality import QualityThreshold
from analytics_dagster.schemas.tenant import TenantConfiguration
from analytics_dagster.tenancy import load_tenant_files, moving
from analytics_dagster.tenancy.files import TenantFileError, configured, from_words
from analytics_dagster.tenancy.history import history

ROOT = Path(__file__).parents[2]
SUITES = read_suites(ROOT / "expectations")
FIELDS = {"tenant_id": "acme", "name": "Acme", "kind": "music", "tier": "free", "region": "eu"}
FIELDS |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}
NEW = "raw_events.most_lines_are_new"


def tenant(quality: dict[str, Any], **changes: Any) -> TenantConfiguration:
    return configured(FIELDS | {"quality": quality} | changes, where="test")


@pytest.mark.parametrize(
    ("threshold", "fault"),
    [
        ({}, "off: input should be true, or min_value, max_value or severity be given"),
        ({"off": False}, "off: input should be true"),
        ({"off": True, "max_value": 1}, "off: input should stand alone: max_value of what is not judged"),
        ({"min_value": 2, "max_value": 1}, "min_value: input should not be above max_value"),
        ({"max_value": "0.5"}, "max_value: input should be a valid number"),
        ({"severity": "fatal"}, "severity: input should be 'critical', 'warning' or 'info'"),
        ({"maximum": 1}, "maximum: is not a field here: remove it, or use one of min_value, max_value, severity, off"),
    ],
)
def test_a_threshold_changes_something_that_there_is(tmp_path: Path, threshold: dict[str, Any], fault: str) -> None:
    (tmp_path / "acme.yaml").write_text(json.dumps(FIELDS | {"quality": {NEW: threshold}}))
    with pytest.raises(TenantFileError) as refused:
        load_tenant_files(tmp_path)
    assert f"acme.yaml: quality.{NEW}.{fault}" in refused.value.problem


@pytest.mark.parametrize(
    ("quality", "fault"),
    [
        ("[a]", "quality: input should be an object"),
        ("{no dot: {off: true}}", "quality.no dot.[key]: string should match pattern"),
        ("{a.b: 1}", "quality.a.b: input should be an object"),
        ("{a.b: {max_value: [1]}}", "quality: holds nested values"),
    ],
)
def test_thresholds_are_fields_by_name_in_a_tenants_file(tmp_path: Path, quality: str, fault: str) -> None:
    text = "".join(f"{field}: {value}\n" for field, value in FIELDS.items())
    (tmp_path / "acme.yaml").write_text(f"{text}quality: {quality}\n")
    with pytest.raises(TenantFileError) as refused:
        load_tenant_files(tmp_path)
    assert f"acme.yaml: {fault}" in refused.value.problem


def test_a_threshold_is_written_as_it_was_said() -> None:
    said = {NEW: {"max_value": 0.9, "severity": "info"}, "raw_events.something_was_accepted": {"off": True}}
    written = tenant(said).model_dump(mode="json")
    assert written["quality"] == said
    assert TenantConfiguration.model_validate_json(json.dumps(written)) == tenant(said)
    with pytest.raises(ValidationError, match="frozen"):
        tenant(said).quality[NEW].off = True


@pytest.mark.parametrize(
    ("key", "threshold", "fault"),
    [
        (NEW, {"max_value": 0.9}, None),
        (NEW, {"min_value": 0.1}, None),
        (NEW, {"severity": "critical"}, None),
        ("raw_events.the_newest_event_is_known", {"off": True}, None),
        (
            "raw_events.most_lines_are_knew",
            {"off": True},
            f"there is no such expectation; did you mean {NEW}? known are ",
        ),
        ("users.most_lines_are_new", {"off": True}, f"did you mean {NEW}?"),
        ("x.y", {"off": True}, "there is no such expectation; known are "),
        (
            NEW,
            {"min_value": 0.6},
            ".min_value: nothing could pass between 0.6 and 0.5: the suite says duplicate_share <= ",
        ),
        (
            "staging_payments.amounts_are_of_the_usual_size",
            {"max_value": 0.01},
            ".max_value: nothing could pass between 0.05 and 0.01: the suite says 0.05 <= median_amount_ratio <= 20",
        ),
        (
            "raw_events.the_newest_event_is_known",
            {"max_value": 1},
            ".max_value: expect_column_values_to_not_be_null has no bounds: change severity, or set off: true",
        ),
        (
            "staging_users.somebody_is_logged_in",
            {"min_value": 0},
            "expect_column_values_to_not_be_in_set has no bounds",
        ),
    ],
)
def test_a_threshold_fits_an_expectation(key: str, threshold: dict[str, Any], fault: str | None) -> None:
    found = list(faults({key: QualityThreshold.model_validate_json(json.dumps(threshold))}, SUITES))
    if fault is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(f"quality.{key}")
        assert fault in found[0]


def test_the_sample_shows_how_it_is_done() -> None:
    own = {tenant.tenant_id: tenant.quality for tenant in load_tenant_files(ROOT / "tenants") if tenant.quality}
    assert own
    assert [fault for quality in own.values() for fault in faults(quality, SUITES)] == []


def test_the_registry_refuses_what_does_not_fit_and_hands_the_rest_to_the_gate(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    wrong = {"raw_events.gone": {"off": True}}
    named = "acme.yaml: quality.raw_events.gone: there is no such expectation"
    with pytest.raises(AnalyticsError, match=named):
        add_tenant(connection, tenant(wrong), tenants_dir=tmp_path, actor="ada")
    with pytest.raises(AnalyticsError, match=named):
        register_files(connection, [tenant({}, tenant_id="beta"), tenant(wrong)])
    assert connection.execute("select count(*) from tenancy.tenants").fetchone() == (0,)

    register_files(connection, [tenant({}, tenant_id="beta"), tenant({NEW: {"max_value": 0.9}}, tenant_id="gamma")])
    add_tenant(connection, tenant({}), tenants_dir=tmp_path, actor="ada")
    with pytest.raises(AnalyticsError, match=named):
        change_tenant(connection, "acme", {"quality": wrong}, actor="ada")
    words = from_words({"quality": json.dumps({NEW: {"severity": "critical"}})})
    (change,) = change_tenant(connection, "acme", words, actor="ada")
    assert (change.field, change.changes_the_past) == ("quality", False)
    assert thresholds(connection) == {"acme": {NEW: {"severity": "critical"}}, "gamma": {NEW: {"max_value": 0.9}}}
    assert thresholds(connection, ["gamma", "beta"]) == {"gamma": {NEW: {"max_value": 0.9}}}
    assert thresholds(connection, []) == {}

    told = [_told(entry)[-1] for entry in history(connection, "acme")]
    assert told == [f"quality: – → {NEW}: severity critical", "–"]
    change_tenant(connection, "acme", from_words({"quality": ""}), actor="ada")
    assert thresholds(connection) == {"gamma": {NEW: {"max_value": 0.9}}}


def test_an_expectation_that_is_gone_stops_the_deployment_unless_its_tenant_is_gone_too(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    add_tenant(connection, tenant({}), tenants_dir=tmp_path, actor="ada")
    connection.execute(
        "update tenancy.tenants set configuration = jsonb_set(configuration, '{quality}',"
        ' \'{"raw_events.gone": {"off": true}}\')'
    )
    with pytest.raises(AnalyticsError, match=r"acme.yaml: quality\.raw_events\.gone"):
        register_files(connection, [tenant({}, tenant_id="beta")])
    moving.offboard(connection, "acme", actor="ada", reason="left")
    assert register_files(connection, [tenant({}, tenant_id="beta")]).registered.added == ("beta",)


def test_a_terminal_shows_thresholds_in_words() -> None:
    assert _value({"a.b": {"min_value": 1, "severity": "info"}, "c.d": {"off": True}}) == (
        "a.b: min_value 1, severity info; c.d: off True"
    )
    assert _value({}) == "–"
