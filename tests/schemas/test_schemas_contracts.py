"""What holds for every contract: it survives the wire, refuses what is wrong where it is wrong, and is exported."""

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schema_examples import GOOD, good, wire
from schema_strategies import examples

from analytics_dagster import schemas
from analytics_dagster.schemas import export
from analytics_dagster.schemas._lifecycle import Lifecycle
from analytics_dagster.schemas.base import Contract

MODELS = sorted(GOOD, key=lambda model: model.__name__)
LIFECYCLES = [
    kind
    for name in schemas.__all__
    if inspect.isclass(kind := getattr(schemas, name)) and issubclass(kind, Lifecycle) and kind is not Lifecycle
]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)

NAMED_BY_THE_ISSUE = {
    "analytics": "AnalyticsEvent AnalyticsMetadata AnalyticsEventType AnalyticsChannelType AnalyticsQuery"
    " AnalyticsResult AnalyticsAggregation AnalyticsReport",
    "ml": "MLModel MLFramework MLModelType MLHyperparameters MLPrediction MLTraining MLExperiment MLDataset",
    "monitoring": "MonitoringAlert SystemMetrics ApplicationMetrics HealthCheck MonitoringThreshold",
    "tenant": "TenantConfiguration TenantUsageMetrics TenantBilling TenantAnalytics TenantFeatures",
    "realtime": "StreamEvent RealtimeMetrics WebSocketEvent EventBatch StreamingChannel",
    "events": "BusinessEvent EventCategory EventSeverity EventState",
    "metrics": "MetricValue AggregatedMetric MetricAggregationType",
    "alerts": "SmartAlert AlertType AlertChannel",
    "dashboards": "InteractiveDashboard DashboardWidget WidgetType ChartType",
    "security": "SecurityEvent AuditLog ComplianceReport ThreatLevel",
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in NAMED_BY_THE_ISSUE.items() for name in names.split()]
)
def test_users_import_it_from_its_module_and_from_the_package(module: str, name: str) -> None:
    found = getattr(__import__(f"analytics_dagster.schemas.{module}", fromlist=[name]), name)
    assert getattr(schemas, name) is found
    assert name in schemas.__all__


def test_every_exported_contract_has_an_example() -> None:
    assert set(export.exported()) == set(GOOD)


@each_model
def test_every_contract_is_strict_closed_frozen_and_documented(model: type[Contract]) -> None:
    assert {"strict": True, "extra": "forbid", "frozen": True}.items() <= model.model_config.items()
    assert model.__dict__.get("__doc__")


@each_model
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_it_survives_the_wire(model: type[Contract], data: st.DataObject) -> None:
    sent = data.draw(examples(model))
    text = sent.model_dump_json()
    received = model.model_validate_json(text)
    assert received == sent
    assert received.model_dump_json() == text
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(export.json_schema(model)).validate(json.loads(text))


@each_model
def test_it_is_not_changed_in_place(model: type[Contract]) -> None:
    field = next(iter(model.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(good(model), field, None)


@each_model
def test_an_unknown_field_is_refused(model: type[Contract]) -> None:
    assert _refused(model, wire(model, surprise=1)) == {("surprise",)}


@each_model
def test_a_field_of_another_type_is_refused_where_it_is(model: type[Contract]) -> None:
    for field in model.model_fields:
        places = _refused(model, wire(model, **{field: [{"?": None}]}))
        assert places, field
        assert {place[0] for place in places} == {field}


@each_model
def test_a_field_that_the_wire_needs_is_missed_by_name(model: type[Contract]) -> None:
    required = export.json_schema(model).get("required", [])
    for field in required:
        fields = wire(model, **{field: ...})
        with pytest.raises(ValidationError) as refused:
            model.model_validate_json(json.dumps(fields))
        faults = [fault for fault in refused.value.errors() if fault["type"] == "missing"]
        assert any(fault["loc"] == (field,) or field in fault["msg"] for fault in faults), field


@each_model
def test_text_is_no_number_and_a_number_is_no_text(model: type[Contract]) -> None:
    for field, value in wire(model).items():
        if isinstance(value, bool) or value is None or isinstance(value, list | dict):
            continue
        other: Any = str(value) if isinstance(value, int | float) else 1
        assert (field,) in _refused(model, wire(model, **{field: other})), field


@each_model
def test_its_json_schema_is_one(model: type[Contract]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = export.json_schema(model)
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wire(model, surprise=1))


@pytest.mark.parametrize("kind", LIFECYCLES, ids=lambda kind: kind.__name__)
def test_a_lifecycle_only_moves_forward(kind: type[Lifecycle]) -> None:
    def later(state: Lifecycle, seen: tuple[Lifecycle, ...] = ()) -> set[Lifecycle]:
        assert state not in seen, f"{kind.__name__} comes back to {state}"
        return {state}.union(*(later(follower, (*seen, state)) for follower in state.may_become))

    first = next(iter(kind))
    assert later(first) == set(kind), "every state can be reached"
    assert {*kind.steps()} <= set(kind)
    assert any(state.is_final for state in kind)


def test_the_exported_files_are_in_step() -> None:
    """Run `make schemas` when this fails."""
    assert export.present() == export.documents()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the export reads of a project."""
    for name in ("events", "dbt_project/models"):
        shutil.copytree(export.PROJECT / name, tmp_path / name)
    return tmp_path


def test_exporting_again_changes_nothing_and_takes_away_what_is_gone(project: Path) -> None:
    assert "docs/schemas/events/track_play.json" in export.write(project)
    assert export.write(project) == []
    (project / "docs/schemas/Gone.json").write_text("{}")
    (project / "docs/schemas/Money.json").write_text("{}")
    assert export.write(project) == ["docs/schemas/Gone.json", "docs/schemas/Money.json"]
    assert export.present(project) == export.documents()


def test_an_event_is_added_without_touching_code(project: Path) -> None:
    export.write(project)
    (project / "events/late.yaml").write_text("{event_name: train_missed, description: It had left.}")
    assert export.write(project) == ["docs/events.md", "docs/schemas/events/train_missed.json"]


def test_a_column_of_the_dbt_source_that_drifts_is_corrected(project: Path) -> None:
    sources = project / export.SOURCES
    before = sources.read_text()
    sources.write_text(before.replace("name: occurred_at", "name: happened_at"))
    assert export.SOURCES in export.write(project)
    assert sources.read_text() == before


def test_the_command_names_what_it_renewed(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    export.main([str(project)])
    assert capsys.readouterr().out.split() == sorted({*export.documents()} - {export.SOURCES})
    monkeypatch.setattr(export, "write", lambda project: [str(project)])  # the project's own is not for a test to renew
    export.main([])
    assert capsys.readouterr().out == f"{export.PROJECT}\n"


def _refused(model: type[Contract], fields: dict[str, Any]) -> set[tuple[int | str, ...]]:
    try:
        model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        return {fault["loc"] for fault in error.errors()}
    return set()
