"""The rules between fields: each broken rule is refused, and at the field that a person would correct."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from schema_examples import HOUR, NOON, SPAN, SUM, good, metric, stream_event, trained, wire

from analytics_dagster import schemas as s
from analytics_dagster.schemas.base import Contract

LATER = NOON + HOUR
OTHER_SUM = "sha256:" + "cd" * 32
Kind = s.WebSocketEventKind
MISFIT = good(s.AnalyticsAggregation, alias="region")
COUNT = good(s.AnalyticsAggregation, function=s.MetricAggregationType.COUNT, field=None, alias="rows")
KPI = {"widget_type": s.WidgetType.KPI, "chart_type": None}
QUERY = good(s.AnalyticsQuery)
NO_TIME = good(s.AnalyticsQuery, granularity=None)
A, B = good(s.MLExperiment).variants


def _section(**query: Any) -> tuple[s.ReportSection, ...]:
    asked = good(s.AnalyticsQuery, **query)
    return (good(s.ReportSection, result=good(s.AnalyticsResult, query=asked)),)


def _widgets(**changes: Any) -> tuple[s.DashboardWidget, ...]:
    _first, *others = good(s.InteractiveDashboard).widgets
    return (good(s.DashboardWidget, **changes), *others)


def _link(**changes: Any) -> dict[str, Any]:
    return {"links": (good(s.WidgetLink, **changes),)}


REFUSED: list[tuple[type[Contract], dict[str, Any], str]] = [
    # the shared parts
    (s.TimeRange, {"end": NOON}, "end"),
    (s.TimeRange, {"end": NOON - HOUR}, "end"),
    (s.TimeRange, {"start": datetime(2026, 3, 10, 11)}, "start"),  # noqa: DTZ001 - a naive time is the point
    (s.GeoLocation, {"latitude": 90.1}, "latitude"),
    (s.GeoLocation, {"latitude": -90.1}, "latitude"),
    (s.GeoLocation, {"longitude": 180.1}, "longitude"),
    (s.GeoLocation, {"longitude": float("nan")}, "longitude"),
    (s.GeoLocation, {"country": "de"}, "country"),
    (s.TraceContext, {"trace_id": "0" * 32}, "trace_id"),
    (s.TraceContext, {"trace_id": "A" * 32}, "trace_id"),
    (s.TraceContext, {"span_id": "0" * 16}, "span_id"),
    (s.TraceContext, {"span_id": None}, "span_id"),
    (s.TraceContext, {"trace_id": None}, "span_id"),
    (s.TraceContext, {"parent_span_id": SPAN}, "parent_span_id"),
    (s.TraceContext, {"trace_id": None, "span_id": None, "parent_span_id": SPAN}, "parent_span_id"),
    (s.TraceContext, {"correlation_id": "a b"}, "correlation_id"),
    (s.Money, {"amount": 9.99}, "amount"),
    (s.Money, {"amount": Decimal("0.0000000001")}, "amount"),
    (s.Money, {"amount": Decimal(10) ** 18}, "amount"),
    (s.Money, {"amount": Decimal("NaN")}, "amount"),
    (s.Money, {"currency": "eur"}, "currency"),
    (s.QualityMetadata, {"completeness": 1.01}, "completeness"),
    (s.QualityMetadata, {"confidence": -0.01}, "confidence"),
    (s.QualityMetadata, {"freshness_seconds": -1.0}, "freshness_seconds"),
    (s.QualityMetadata, {"checksum": "ab" * 32}, "checksum"),
    # questions and answers
    (s.AnalyticsAggregation, {"field": None}, "field"),
    (s.AnalyticsFilter, {"values": ()}, "values"),
    (s.AnalyticsFilter, {"operator": s.FilterOperator.IN, "values": ()}, "values"),
    (s.AnalyticsFilter, {"operator": s.FilterOperator.IS_EMPTY}, "values"),
    (s.AnalyticsQuery, {"aggregations": (MISFIT,)}, "aggregations"),
    (s.AnalyticsQuery, {"dimensions": ("region", "region")}, "dimensions"),
    (s.AnalyticsQuery, {"order_by": ("plays",)}, "order_by"),
    (s.AnalyticsQuery, {"limit": 10_001}, "limit"),
    (s.AnalyticsQuery, {"window": s.TimeRange(start=NOON, end=NOON + 20_000 * 24 * HOUR)}, "granularity"),
    (s.AnalyticsResult, {"columns": ("region", "day", "revenue")}, "columns"),
    (s.AnalyticsResult, {"rows": (("2026-03-10", "eu"),)}, "rows"),
    (s.AnalyticsResult, {"rows": (("2026-03-10", "eu", 1),) * 3}, "rows"),
    (s.AnalyticsResult, {"rows": (), "truncated": True}, "truncated"),
    (s.AnalyticsReport, {"sections": _section(tenant_id="other")}, "sections"),
    (s.AnalyticsReport, {"sections": _section(window=s.TimeRange(start=NOON - HOUR, end=LATER))}, "sections"),
    (s.AnalyticsReport, {"sections": _section() * 2}, "sections"),
    (s.AnalyticsReport, {"generated_at": NOON}, "is_preliminary"),
    (s.AnalyticsReport, {"is_preliminary": True}, "is_preliminary"),
    # figures
    (s.MetricValue, {"unit": "no unit"}, "unit"),
    (s.AggregatedMetric, {"minimum": None}, "minimum"),
    (s.AggregatedMetric, {"sample_count": 0}, "minimum"),
    (s.AggregatedMetric, {"maximum": Decimal(0)}, "maximum"),
    (s.AggregatedMetric, {"total": Decimal(10)}, "total"),
    (s.AggregatedMetric, {"sample_count": 0, "minimum": None, "maximum": None}, "total"),
    (s.AggregatedMetric, {"value": Decimal("2.1")}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.COUNT}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.SUM}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.MAXIMUM}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.P95, "value": Decimal(4)}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.DISTINCT, "value": Decimal(4)}, "value"),
    (s.AggregatedMetric, {"aggregation": s.MetricAggregationType.DISTINCT, "value": Decimal("1.5")}, "value"),
    (
        s.AggregatedMetric,
        {"aggregation": s.MetricAggregationType.P95, "sample_count": 0, "minimum": None, "maximum": None}
        | {"total": Decimal(0)},
        "sample_count",
    ),
    # business events
    (s.BusinessEvent, {"state": s.EventState.FAILED}, "failure"),
    (s.BusinessEvent, {"failure": "why"}, "failure"),
    (s.BusinessEvent, {"value": good(s.Money, amount=Decimal(-1))}, "value"),
    (s.BusinessEvent, {"occurred_at": LATER}, "state_since"),
    (s.BusinessEvent, {"properties": {"text": "\0"}}, "properties"),
    # alerts
    *((s.AlertRoute, {"channel": channel, "recipient": "not one of these"}, "recipient") for channel in s.AlertChannel),
    (s.AnomalyEvidence, {"observed": 2.0}, "observed"),
    (s.AnomalyEvidence, {"expected_high": 0.0}, "expected_high"),
    (s.SmartAlert, {"alert_type": s.AlertType.ANOMALY}, "evidence"),
    (s.SmartAlert, {"evidence": good(s.AnomalyEvidence)}, "evidence"),
    (s.SmartAlert, {"severity": s.EventSeverity.INFO}, "severity"),
    (s.SmartAlert, {"routes": ()}, "routes"),
    (s.SmartAlert, {"routes": (good(s.AlertRoute),) * 2}, "routes"),
    (s.SmartAlert, {"routes": (good(s.AlertRoute, after_seconds=9), good(s.AlertRoute))}, "routes"),
    (s.SmartAlert, {"last_seen_at": NOON - HOUR, "occurrences": 2}, "last_seen_at"),
    (s.SmartAlert, {"last_seen_at": LATER}, "last_seen_at"),
    (s.SmartAlert, {"occurrences": 2}, "last_seen_at"),
    (s.SmartAlert, {"silenced_until": NOON}, "silenced_until"),
    (s.SmartAlert, {"state": s.AlertState.ACKNOWLEDGED}, "acknowledged_by"),
    (s.SmartAlert, {"acknowledged_by": "ada"}, "acknowledged_by"),
    (s.SmartAlert, {"state": s.AlertState.RESOLVED}, "resolution"),
    (s.SmartAlert, {"resolution": "mended"}, "resolution"),
    (s.SmartAlert, {"runbook": "http://example.org"}, "runbook"),
    # monitoring
    (s.MonitoringThreshold, {"critical": 9.0}, "critical"),
    (s.MonitoringThreshold, {"operator": s.ThresholdOperator.AT_MOST}, "critical"),
    (s.MonitoringAlert, {"observed": 10.0}, "observed"),
    (s.MonitoringAlert, {"severity": s.EventSeverity.CRITICAL}, "severity"),
    (s.MonitoringAlert, {"state": s.AlertState.ACKNOWLEDGED}, "acknowledged_by"),
    (s.SystemMetrics, {"memory_used_bytes": 101}, "memory_used_bytes"),
    (s.SystemMetrics, {"disk_free_bytes": 61}, "disk_free_bytes"),
    (s.SystemMetrics, {"cpu_percent": 100.1}, "cpu_percent"),
    (s.ApplicationMetrics, {"requests": 11}, "requests"),
    (s.ApplicationMetrics, {"latency_p95_ms": 0.5}, "latency_p95_ms"),
    (s.ApplicationMetrics, {"latency_max_ms": 2.5}, "latency_max_ms"),
    (s.HealthCheck, {"dependencies": (good(s.DependencyHealth),) * 2}, "dependencies"),
    (s.HealthCheck, {"dependencies": (good(s.DependencyHealth, status=s.HealthStatus.UNHEALTHY),)}, "status"),
    (s.HealthCheck, {"status": s.HealthStatus.DEGRADED}, "problem"),
    (s.HealthCheck, {"problem": "none"}, "problem"),
    # tenants
    (s.TenantFeatures, {"enabled": (s.TenantFeature.DATA_EXPORT, s.TenantFeature.BI_ACCESS)}, "enabled"),
    (s.TenantFeatures, {"enabled": (s.TenantFeature.REALTIME_ALERTS,)}, "enabled"),
    (s.TenantConfiguration, {"time_zone": "Europe/Atlantis"}, "time_zone"),
    (s.TenantConfiguration, {"residency": s.DataResidency.US}, "region"),
    (s.TenantConfiguration, {"event_bytes": 255}, "event_bytes"),
    (s.TenantConfiguration, {"events_per_day": 0}, "events_per_day"),
    (s.TenantConfiguration, {"features_added": (s.TenantFeature.REALTIME_ALERTS,)}, "features_added"),
    (s.TenantConfiguration, {"features_added": (s.TenantFeature.REALTIME,) * 2}, "features_added"),
    (
        s.TenantConfiguration,
        {"features_added": (s.TenantFeature.REALTIME,), "features_removed": (s.TenantFeature.REALTIME,)},
        "features_removed",
    ),
    (
        s.TenantConfiguration,
        {"tier": s.TenantTier.ENTERPRISE, "features_removed": (s.TenantFeature.REALTIME,)},
        "features_removed",
    ),
    (s.TenantUsageMetrics, {"events": 6}, "events"),
    (s.TenantUsageMetrics, {"active_users": 4}, "active_users"),
    (s.TenantUsageMetrics, {"month": date(2026, 3, 2)}, "month"),
    (s.TenantUsageMetrics, {"as_of": date(2026, 2, 28)}, "as_of"),
    (s.BillingLine, {"residue": Decimal("0.004")}, "residue"),
    (s.BillingLine, {"amount": Decimal("-0.67"), "residue": Decimal("1.003")}, "residue"),
    (s.BillingLine, {"amount": Decimal("0.333"), "residue": Decimal(0)}, "amount"),
    (s.TenantBilling, {"total": Decimal("0.67")}, "total"),
    (s.TenantBilling, {"month": date(2026, 2, 1)}, "lines"),
    (s.TenantBilling, {"issued_on": date(2026, 4, 1)}, "issued_on"),
    (s.TenantBilling, {"state": s.BillingState.ISSUED}, "issued_on"),
    (
        s.TenantBilling,
        {"state": s.BillingState.ISSUED, "issued_on": date(2026, 3, 1), "due_on": date(2026, 4, 1)},
        "issued_on",
    ),
    (s.TenantBilling, {"state": s.BillingState.ISSUED, "issued_on": date(2026, 4, 1)}, "due_on"),
    (
        s.TenantBilling,
        {"state": s.BillingState.PAID, "issued_on": date(2026, 4, 2), "due_on": date(2026, 4, 1)},
        "due_on",
    ),
    (s.TenantAnalytics, {"active_users": 0}, "sessions"),
    (s.TenantAnalytics, {"sessions": 0}, "engagement_seconds"),
    # streams
    (s.StreamEvent, {"tenant_id": "other"}, "tenant_id"),
    (s.EventBatch, {"events": ()}, "events"),
    (s.EventBatch, {"events": (stream_event(1), stream_event(3, partition=1))}, "events"),
    (s.EventBatch, {"events": (stream_event(3), stream_event(3))}, "events"),
    (s.EventBatch, {"event_count": 1}, "event_count"),
    (s.EventBatch, {"events": (stream_event(1), stream_event(4))}, "checksum"),
    (s.RealtimeMetrics, {"received": 9}, "received"),
    (s.RealtimeMetrics, {"active_users": 8}, "active_users"),
    (s.RealtimeMetrics, {"lag_p99_seconds": 0.5}, "lag_p99_seconds"),
    (s.RealtimeMetrics, {"lag_max_seconds": 1.5}, "lag_max_seconds"),
    (s.WebSocketEvent, {"payload": None}, "payload"),
    (s.WebSocketEvent, {"kind": Kind.HEARTBEAT}, "topic"),
    (s.WebSocketEvent, {"kind": Kind.ERROR, "topic": None, "payload": None}, "reason"),
    *(
        (
            s.WebSocketEvent,
            {"kind": Kind.CLOSE, "topic": None, "payload": None, "reason": "bye", "close_code": code},
            "close_code",
        )
        for code in (None, 999, 1005, 1006, 1015, 2000, 5000)
    ),
    # models
    (s.MLHyperparameters, {"learning_rate": 0.0}, "learning_rate"),
    (s.MLHyperparameters, {"dropout": 1.0}, "dropout"),
    (s.MLHyperparameters, {"early_stopping_epochs": 100}, "early_stopping_epochs"),
    (s.MLHyperparameters, {"epochs": None, "early_stopping_epochs": 1}, "early_stopping_epochs"),
    (s.MLHyperparameters, {"additional": {"epochs": 3}}, "additional"),
    (s.MLDataset, {"features": ("sessions", "left")}, "features"),
    (s.MLDataset, {"label_window": s.TimeRange(start=LATER - HOUR / 60, end=LATER + HOUR)}, "label_window"),
    (s.MLDataset, {"rows": 9}, "rows"),
    (s.MLTraining, {"started_at": NOON}, "started_at"),
    (s.MLTraining, {"state": s.TrainingState.RUNNING}, "started_at"),
    (s.MLTraining, {"state": s.TrainingState.FAILED, "failure": "full disk"}, "ended_at"),
    (s.MLTraining, {"state": s.TrainingState.FAILED, "ended_at": NOON}, "failure"),
    (s.MLTraining, {"test_metrics": {"auc": 0.8}}, "test_metrics"),
    (s.MLTraining, {"baseline_metrics": {"auc": 0.8}}, "baseline_metrics"),
    (
        s.MLTraining,
        {"state": s.TrainingState.FAILED, "started_at": LATER, "ended_at": NOON, "failure": "full disk"},
        "ended_at",
    ),
    (s.MLModel, {"state": s.ModelState.TRAINED}, "training"),
    (s.MLModel, {"state": s.ModelState.TRAINED, "training": good(s.MLTraining)}, "training"),
    (s.MLModel, {"training": trained(model_name="other")}, "training"),
    (s.MLModel, {"training": trained(framework=s.MLFramework.XGBOOST)}, "training"),
    (s.MLModel, {"state": s.ModelState.PRODUCTION, "training": trained()}, "approved_by"),
    (s.MLPrediction, {"high": 1.1}, "high"),
    (s.MLPrediction, {"low": 0.55}, "low"),
    (s.MLPrediction, {"high": 0.45}, "high"),
    (s.MLPrediction, {"model_type": s.MLModelType.LIFETIME_VALUE}, "expected_value"),
    (s.MLPrediction, {"expected_value": good(s.Money)}, "expected_value"),
    (s.MLPrediction, {"contributions": (good(s.FeatureContribution),) * 2}, "contributions"),
    (s.MLPrediction, {"as_of": date(2026, 3, 12)}, "as_of"),
    (s.ExperimentVariant, {"share": Decimal(0)}, "share"),
    (s.ExperimentVariant, {"share": Decimal("1.1")}, "share"),
    (s.MLExperiment, {"variants": (A, good(s.ExperimentVariant))}, "variants"),
    (s.MLExperiment, {"variants": (A, good(s.ExperimentVariant, name="b", share=Decimal("0.4")))}, "variants"),
    (s.MLExperiment, {"variants": (good(s.ExperimentVariant), B)}, "variants"),
    (s.MLExperiment, {"users": {"c": 1}}, "users"),
    (s.MLExperiment, {"winner": "a"}, "winner"),
    (s.MLExperiment, {"state": s.ExperimentState.CONCLUDED}, "winner"),
    (s.MLExperiment, {"state": s.ExperimentState.CONCLUDED, "winner": "c"}, "winner"),
    (s.MLExperiment, {"state": s.ExperimentState.CONCLUDED, "winner": "a", "users": {"a": 10, "b": 9}}, "users"),
    # dashboards
    (s.WidgetPosition, {"column": 7}, "width"),
    (s.DashboardWidget, {"query": None}, "query"),
    (s.DashboardWidget, {"chart_type": None}, "chart_type"),
    (s.DashboardWidget, {"text": "note"}, "text"),
    (s.DashboardWidget, KPI, "query"),
    (s.DashboardWidget, {"query": NO_TIME}, "query"),
    (s.DashboardWidget, {"query": NO_TIME, "chart_type": s.ChartType.HEATMAP}, "query"),
    (s.DashboardWidget, {"chart_type": s.ChartType.SCATTER}, "query"),
    (s.DashboardControl, {"widgets": ()}, "widgets"),
    (s.InteractiveDashboard, {"widgets": _widgets(widget_id="table")}, "widgets"),
    (s.InteractiveDashboard, {"widgets": _widgets(position=good(s.WidgetPosition, width=7))}, "widgets"),
    (s.InteractiveDashboard, {"widgets": _widgets(query=good(s.AnalyticsQuery, tenant_id="other"))}, "widgets"),
    (s.InteractiveDashboard, {"controls": (good(s.DashboardControl, widgets=("note",)),)}, "controls"),
    (s.InteractiveDashboard, _link(source="note"), "links"),
    (s.InteractiveDashboard, _link(target="nowhere"), "links"),
    (s.InteractiveDashboard, _link(target="revenue"), "links"),
    (s.InteractiveDashboard, _link(dimension="country"), "links"),
    # security
    (s.SecurityEvent, {"detected_at": NOON - HOUR}, "detected_at"),
    (s.SecurityEvent, {"conclusion": "nothing"}, "conclusion"),
    (s.SecurityEvent, {"state": s.SecurityState.CLOSED}, "conclusion"),
    (s.SecurityEvent, {"blocked": False, "threat_level": s.ThreatLevel.NONE}, "threat_level"),
    (s.SecurityEvent, {"blocked": False, "event_type": s.SecurityEventType.FOREIGN_TENANT_READ}, "threat_level"),
    (s.AuditLog, {"reason": None}, "reason"),
    (s.AuditLog, {"sequence": 2}, "previous"),
    (s.AuditLog, {"previous": SUM}, "previous"),
    (s.AuditLog, {"affected": 4}, "checksum"),
    (s.AuditLog, {"checksum": OTHER_SUM}, "checksum"),
    (s.ControlResult, {"evidence": ()}, "evidence"),
    (s.ControlResult, {"finding": "bad"}, "finding"),
    (s.ControlResult, {"status": s.ControlStatus.FAILED}, "finding"),
    (s.ComplianceReport, {"controls": (good(s.ControlResult),) * 2}, "controls"),
    (s.ComplianceReport, {"requests_received": 4}, "requests_received"),
    (s.ComplianceReport, {"is_compliant": False}, "is_compliant"),
    (s.ComplianceReport, {"prepared_at": NOON}, "prepared_at"),
]


@pytest.mark.parametrize(
    ("model", "changes", "field"),
    REFUSED,
    ids=[f"{model.__name__}-{field}-{i}" for i, (model, _, field) in enumerate(REFUSED)],
)
def test_a_broken_rule_is_told_at_its_field(model: type[Contract], changes: dict[str, Any], field: str) -> None:
    good(model)
    with pytest.raises(ValidationError) as refused:
        good(model, **changes)
    assert [fault["loc"][0] for fault in refused.value.errors()] == [field]


NEARLY: list[tuple[type[Contract], dict[str, Any]]] = [
    (s.GeoLocation, {"latitude": -90.0, "longitude": 180.0}),
    (s.TraceContext, {"trace_id": None, "span_id": None}),
    (s.AnalyticsFilter, {"operator": s.FilterOperator.IS_EMPTY, "values": ()}),
    (s.AnalyticsFilter, {"operator": s.FilterOperator.IN, "values": (1, "a")}),
    (s.AnalyticsQuery, {"granularity": None, "dimensions": (), "aggregations": (COUNT,), "order_by": ()}),
    (s.AnalyticsResult, {"truncated": True}),
    (s.AnalyticsReport, {"generated_at": NOON, "is_preliminary": True}),
    (s.BusinessEvent, {"state": s.EventState.ARCHIVED, "failure": "it failed"}),
    (s.SmartAlert, {"alert_type": s.AlertType.ANOMALY, "evidence": good(s.AnomalyEvidence)}),
    (s.HealthCheck, {"dependencies": (good(s.DependencyHealth, required=False, status=s.HealthStatus.UNHEALTHY),)}),
    (s.TenantConfiguration, {"residency": s.DataResidency.EU}),
    (s.TenantBilling, {"state": s.BillingState.VOID}),
    (s.WebSocketEvent, {"kind": Kind.CLOSE, "topic": None, "payload": None, "reason": "bye", "close_code": 4001}),
    (s.MLPrediction, {"as_of": date(2026, 3, 11)}),
    (s.MLPrediction, {"score": 40.0, "high": 50.0, "model_type": s.MLModelType.REGRESSION}),
    (s.MLExperiment, {"state": s.ExperimentState.CONCLUDED, "winner": "a", "users": {"a": 10, "b": 10}}),
    (s.DashboardWidget, {**KPI, "query": good(s.AnalyticsQuery, granularity=None, dimensions=())}),
    (s.DashboardWidget, {"chart_type": s.ChartType.PIE, "query": NO_TIME}),
    (
        s.DashboardWidget,
        {"chart_type": s.ChartType.SCATTER, "query": good(s.AnalyticsQuery, aggregations=(*QUERY.aggregations, COUNT))},
    ),
    (
        s.SecurityEvent,
        {"state": s.SecurityState.FALSE_ALARM, "conclusion": "a drill", "blocked": False}
        | {"threat_level": s.ThreatLevel.NONE},
    ),
    (
        s.ComplianceReport,
        {
            "controls": (good(s.ControlResult, status=s.ControlStatus.FAILED, finding="late"),),
            "is_compliant": False,
        },
    ),
]


@pytest.mark.parametrize(
    ("model", "changes"), NEARLY, ids=[f"{model.__name__}-{i}" for i, (model, _) in enumerate(NEARLY)]
)
def test_the_rim_of_a_rule_is_allowed_and_survives_the_wire(model: type[Contract], changes: dict[str, Any]) -> None:
    made = good(model, **changes)
    assert model.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("text", [9.99, 9, "1e3", "1_0", " 1", "+1", "NaN", "1.0000000001", "1" * 19, ".5", ""])
def test_money_on_the_wire_is_plain_decimal_text(text: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        s.Money.model_validate_json(json.dumps(wire(s.Money, amount=text)))
    assert refused.value.errors()[0]["loc"] == ("amount",)


def test_a_nested_rule_is_told_with_its_whole_path() -> None:
    variants = [
        {"name": "a", "share": "0.5", "is_control": True},
        {"name": "b", "share": "0"},
        {"name": "c", "share": "0.5"},
    ]
    with pytest.raises(ValidationError) as refused:
        s.MLExperiment.model_validate_json(json.dumps(wire(s.MLExperiment, variants=variants)))
    assert [fault["loc"] for fault in refused.value.errors()] == [("variants", 1, "share")]


def test_an_aggregate_of_values_outside_its_window_or_of_two_metrics_is_refused() -> None:
    window = good(s.TimeRange)
    late = metric(measured_at=NOON + timedelta(days=1))
    for values in ([], [metric(), metric(name="reads")], [metric(), metric(unit="EUR")], [late]):
        with pytest.raises(ValueError, match="values"):
            s.AggregatedMetric.of(values, s.MetricAggregationType.SUM, window)
