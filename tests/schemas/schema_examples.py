"""A good example of every contract: tests change one thing of it and see what happens."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics_dagster import schemas as s
from analytics_dagster.schemas.base import Contract

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUM = "sha256:" + "ab" * 32
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def good(model: type[Contract], **changes: Any) -> Any:
    """The good example, but for the changes."""
    return model(**{**GOOD[model](), **changes})


def wire(model: type[Contract], **changes: Any) -> dict[str, Any]:
    """The same as it goes over the wire."""
    fields = {**good(model).model_dump(mode="json"), **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def metric(value: str = "3", **changes: Any) -> s.MetricValue:
    return good(s.MetricValue, value=Decimal(value), **changes)


def stream_event(offset: int, **changes: Any) -> s.StreamEvent:
    return good(s.StreamEvent, offset=offset, **changes)


def batch_fields(events: tuple[s.StreamEvent, ...]) -> dict[str, Any]:
    batch = s.EventBatch.of(events)
    return {"events": events, "event_count": len(events), "checksum": batch.checksum}


def audit_fields() -> dict[str, Any]:
    entry = s.AuditLog.following(
        None,
        tenant_id="acme",
        at=NOON,
        actor_kind=s.ActorKind.PERSON,
        actor_id="ada",
        action=s.AuditAction.ERASE,
        resource="marts.fct_sessions",
        affected=3,
        reason="request 17",
    )
    return {name: getattr(entry, name) for name in s.AuditLog.model_fields}


def trained(**changes: Any) -> s.MLTraining:
    succeeded = {
        "state": s.TrainingState.SUCCEEDED,
        "started_at": NOON,
        "ended_at": NOON + HOUR,
        "test_metrics": {"auc": 0.8},
        "baseline_metrics": {"auc": 0.5},
    }
    return good(s.MLTraining, **{**succeeded, **changes})


# Made anew each time, so that no test changes another's.
GOOD: dict[type[Contract], Callable[[], dict[str, Any]]] = {
    s.TimeRange: lambda: {"start": NOON, "end": NOON + HOUR},
    s.GeoLocation: lambda: {"latitude": 52.5, "longitude": 13.4},
    s.TraceContext: lambda: {"correlation_id": "order-17", "trace_id": TRACE, "span_id": SPAN},
    s.Money: lambda: {"amount": Decimal("9.99"), "currency": "EUR"},
    s.QualityMetadata: lambda: {
        "completeness": 1.0,
        "confidence": 0.99,
        "freshness_seconds": 60.0,
        "measured_at": NOON,
    },
    s.AnalyticsMetadata: lambda: {"tenant_id": "acme", "source": s.AnalyticsChannelType.WEB_APP, "timestamp": NOON},
    s.AnalyticsEvent: lambda: {
        "metadata": good(s.AnalyticsMetadata),
        "event_type": s.AnalyticsEventType.USER_ACTION,
        "event_name": "track_play",
    },
    s.AnalyticsAggregation: lambda: {"function": s.MetricAggregationType.SUM, "field": "revenue", "alias": "revenue"},
    s.AnalyticsFilter: lambda: {"field": "region", "operator": s.FilterOperator.EQUALS, "values": ("eu",)},
    s.AnalyticsQuery: lambda: {
        "tenant_id": "acme",
        "dataset": "fct_user_days",
        "window": good(s.TimeRange),
        "granularity": s.AnalyticsGranularity.DAY,
        "dimensions": ("region",),
        "aggregations": (good(s.AnalyticsAggregation),),
        "order_by": ("revenue",),
        "limit": 2,
    },
    s.AnalyticsResult: lambda: {
        "query": good(s.AnalyticsQuery),
        "columns": ("day", "region", "revenue"),
        "rows": (("2026-03-10", "eu", "9.99"), ("2026-03-10", None, 1.5)),
        "truncated": False,
        "duration_ms": 3.0,
        "quality": good(s.QualityMetadata),
    },
    s.ReportSection: lambda: {"heading": "Revenue", "result": good(s.AnalyticsResult)},
    s.AnalyticsReport: lambda: {
        "tenant_id": "acme",
        "title": "March",
        "period": good(s.TimeRange),
        "sections": (good(s.ReportSection),),
        "generated_at": NOON + HOUR,
        "generated_by": "run-1",
    },
    s.MetricValue: lambda: {"name": "plays", "value": Decimal(3), "unit": "count", "measured_at": NOON},
    s.AggregatedMetric: lambda: {
        "name": "latency",
        "unit": "ms",
        "window": good(s.TimeRange),
        "aggregation": s.MetricAggregationType.AVERAGE,
        "value": Decimal(2),
        "sample_count": 3,
        "minimum": Decimal(1),
        "maximum": Decimal(3),
        "total": Decimal(6),
    },
    s.BusinessEvent: lambda: {
        "tenant_id": "acme",
        "category": s.EventCategory.COMMERCE,
        "event_name": "order_placed",
        "entity_type": "order",
        "entity_id": "17",
        "occurred_at": NOON,
        "state_since": NOON,
        "value": good(s.Money),
    },
    s.AlertRoute: lambda: {"channel": s.AlertChannel.SLACK, "recipient": "#data"},
    s.AnomalyEvidence: lambda: {
        "observed": 9.0,
        "expected_low": 1.0,
        "expected_high": 3.0,
        "unit": "users",
        "confidence": 0.9,
    },
    s.SmartAlert: lambda: {
        "alert_type": s.AlertType.FRESHNESS,
        "severity": s.EventSeverity.ERROR,
        "source": "checks",
        "subject": "marts.kpi_daily",
        "title": "Old figures",
        "remedy": "Look at the daily build.",
        "first_seen_at": NOON,
        "state_since": NOON,
        "routes": (good(s.AlertRoute),),
    },
    s.MonitoringThreshold: lambda: {
        "metric": "queue_depth",
        "unit": "count",
        "operator": s.ThresholdOperator.ABOVE,
        "warning": 10.0,
        "critical": 20.0,
    },
    s.MonitoringAlert: lambda: {
        "source": "web-1",
        "threshold": good(s.MonitoringThreshold),
        "observed": 15.0,
        "severity": s.EventSeverity.WARNING,
    },
    s.SystemMetrics: lambda: {
        "host": "web-1",
        "cpu_cores": 2,
        "cpu_percent": 50.0,
        "load_one_minute": 1.5,
        "memory_total_bytes": 100,
        "memory_used_bytes": 40,
        "disk_total_bytes": 100,
        "disk_used_bytes": 40,
        "disk_free_bytes": 50,
        "network_received_bytes": 1,
        "network_sent_bytes": 2,
    },
    s.ApplicationMetrics: lambda: {
        "service": "collector",
        "version": "1.0",
        "window": good(s.TimeRange),
        "requests": 10,
        "succeeded": 7,
        "client_errors": 2,
        "server_errors": 1,
        "latency_p50_ms": 1.0,
        "latency_p95_ms": 2.0,
        "latency_p99_ms": 3.0,
        "latency_max_ms": 4.0,
    },
    s.DependencyHealth: lambda: {"name": "postgres", "status": s.HealthStatus.HEALTHY, "latency_ms": 1.0},
    s.HealthCheck: lambda: {
        "service": "collector",
        "version": "1.0",
        "status": s.HealthStatus.HEALTHY,
        "latency_ms": 2.0,
        "dependencies": (good(s.DependencyHealth),),
    },
    s.TenantLimits: lambda: {"events_per_day": 1000, "event_bytes": 1024},
    s.TenantFeatures: lambda: {
        "tenant_id": "acme",
        "enabled": (s.TenantFeature.BI_ACCESS, s.TenantFeature.DATA_EXPORT),
    },
    s.TenantConfiguration: lambda: {
        "tenant_id": "acme",
        "name": "Acme <& Sons>",
        "kind": s.TenantKind.SHOP,
        "tier": s.TenantTier.STANDARD,
        "region": "eu-west",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "plan": "growth",
    },
    s.TenantUsageMetrics: lambda: {
        "tenant_id": "acme",
        "month": date(2026, 3, 1),
        "events": 5,
        "events_by_type": {s.AnalyticsEventType.PAGE_VIEW: 3, s.AnalyticsEventType.TRANSACTION: 2},
        "active_users": 3,
        "busiest_day_events": 4,
        "days_over_limit": 0,
        "stored_bytes": 999,
        "as_of": date(2026, 3, 31),
    },
    s.BillingLine: lambda: {
        "description": "Events",
        "metric": "events",
        "quantity": Decimal(333),
        "unit_price": Decimal("0.001"),
        "amount": Decimal("0.33"),
        "residue": Decimal("0.003"),
    },
    s.TenantBilling: lambda: {
        "tenant_id": "acme",
        "month": date(2026, 3, 1),
        "plan": "growth",
        "currency": "EUR",
        "lines": (good(s.BillingLine), good(s.BillingLine, description="Late events", adjusts=date(2026, 2, 1))),
        "total": Decimal("0.66"),
    },
    s.TenantAnalytics: lambda: {
        "tenant_id": "acme",
        "kind": s.TenantKind.MUSIC,
        "day": date(2026, 3, 10),
        "currency": "EUR",
        "active_users": 3,
        "sessions": 4,
        "engagement_seconds": 600,
        "primary_actions": 20,
        "revenue": Decimal("-1.50"),
        "new_subscribers": 1,
        "lost_subscribers": 0,
        "quality": good(s.QualityMetadata),
    },
    s.StreamEvent: lambda: {
        "channel": s.StreamingChannel.KAFKA,
        "stream": "events",
        "tenant_id": "acme",
        "offset": 1,
        "received_at": NOON + HOUR,
        "event": good(s.AnalyticsEvent),
    },
    s.EventBatch: lambda: batch_fields((stream_event(1), stream_event(3))),
    s.RealtimeMetrics: lambda: {
        "channel": s.StreamingChannel.KAFKA,
        "stream": "events",
        "window": good(s.TimeRange),
        "received": 10,
        "accepted": 7,
        "duplicate": 2,
        "quarantined": 1,
        "received_bytes": 3600,
        "active_users": 3,
        "lag_p50_seconds": 1.0,
        "lag_p99_seconds": 2.0,
        "lag_max_seconds": 3.0,
        "backlog": 0,
    },
    s.WebSocketEvent: lambda: {
        "connection_id": "c1",
        "tenant_id": "acme",
        "sequence": 1,
        "kind": s.WebSocketEventKind.DATA,
        "topic": "kpi",
        "payload": {"plays": 3},
    },
    s.MLHyperparameters: lambda: {"learning_rate": 0.001, "batch_size": 128, "epochs": 100},
    s.MLDataset: lambda: {
        "name": "churn",
        "tenant_ids": ("acme",),
        "feature_window": s.TimeRange(start=NOON, end=NOON + HOUR),
        "label": "left",
        "label_window": s.TimeRange(start=NOON + HOUR, end=NOON + 2 * HOUR),
        "features": ("sessions", "plays"),
        "rows": 10,
        "training_rows": 6,
        "validation_rows": 2,
        "test_rows": 2,
        "checksum": SUM,
    },
    s.MLTraining: lambda: {
        "model_name": "churn",
        "framework": s.MLFramework.LIGHTGBM,
        "dataset": good(s.MLDataset),
        "hyperparameters": good(s.MLHyperparameters),
        "state_since": NOON,
    },
    s.MLModel: lambda: {
        "name": "churn",
        "framework": s.MLFramework.LIGHTGBM,
        "model_type": s.MLModelType.CHURN,
        "hyperparameters": good(s.MLHyperparameters),
        "state_since": NOON,
    },
    s.FeatureContribution: lambda: {"feature": "sessions", "contribution": -0.1},
    s.MLPrediction: lambda: {
        "tenant_id": "acme",
        "model_name": "churn",
        "model_version": 1,
        "model_type": s.MLModelType.CHURN,
        "entity_id": "u1",
        "as_of": date(2026, 3, 10),
        "predicted_at": NOON,
        "score": 0.5,
        "low": 0.4,
        "high": 0.6,
        "horizon_days": 30,
        "contributions": (good(s.FeatureContribution),),
    },
    s.ExperimentVariant: lambda: {"name": "a", "share": Decimal("0.5")},
    s.MLExperiment: lambda: {
        "tenant_id": "acme",
        "name": "new_model",
        "hypothesis": "It keeps more of them.",
        "primary_metric": "retention",
        "minimum_users": 10,
        "window": good(s.TimeRange),
        "variants": (good(s.ExperimentVariant, is_control=True), good(s.ExperimentVariant, name="b", model_version=2)),
        "state_since": NOON,
    },
    s.WidgetPosition: lambda: {"column": 0, "row": 0, "width": 6, "height": 2},
    s.DashboardWidget: lambda: {
        "widget_id": "revenue",
        "widget_type": s.WidgetType.CHART,
        "title": "Revenue",
        "position": good(s.WidgetPosition),
        "query": good(s.AnalyticsQuery),
        "chart_type": s.ChartType.LINE,
    },
    s.DashboardControl: lambda: {"label": "Region", "default": good(s.AnalyticsFilter), "widgets": ("revenue",)},
    s.WidgetLink: lambda: {"source": "revenue", "target": "table", "dimension": "region"},
    s.InteractiveDashboard: lambda: {
        "tenant_id": "acme",
        "title": "Overview",
        "owner": "ada",
        "widgets": (
            good(s.DashboardWidget),
            good(
                s.DashboardWidget,
                widget_id="table",
                widget_type=s.WidgetType.TABLE,
                chart_type=None,
                position=good(s.WidgetPosition, column=6),
            ),
            good(
                s.DashboardWidget,
                widget_id="note",
                widget_type=s.WidgetType.TEXT,
                chart_type=None,
                query=None,
                text="Read me",
                position=good(s.WidgetPosition, row=2),
            ),
        ),
        "controls": (good(s.DashboardControl),),
        "links": (good(s.WidgetLink),),
    },
    s.SecurityEvent: lambda: {
        "event_type": s.SecurityEventType.LOGIN_FAILED,
        "threat_level": s.ThreatLevel.LOW,
        "occurred_at": NOON,
        "detected_at": NOON,
        "state_since": NOON,
        "blocked": True,
        "resource": "collector",
        "confidence": 0.9,
    },
    s.AuditLog: audit_fields,
    s.ControlResult: lambda: {"control": "GDPR Art. 17", "status": s.ControlStatus.PASSED, "evidence": (SUM,)},
    s.ComplianceReport: lambda: {
        "tenant_id": "acme",
        "framework": s.ComplianceFramework.GDPR,
        "period": good(s.TimeRange),
        "controls": (good(s.ControlResult),),
        "requests_received": 3,
        "requests_completed": 1,
        "requests_refused": 1,
        "requests_open": 1,
        "is_compliant": True,
        "prepared_at": NOON + HOUR,
        "prepared_by": "grace",
    },
}
