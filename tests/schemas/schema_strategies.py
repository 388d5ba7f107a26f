"""Good examples of all sorts: what of an example may vary by itself, and what only together."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schema_examples import NOON, SUM, audit_fields, batch_fields, good, stream_event

from analytics_dagster import schemas as s
from analytics_dagster.schemas.base import Contract

slugs = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
tenant_ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True)
characters = st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f")
lines = st.text(characters, min_size=1, max_size=20)
counts = st.integers(0, 2**63 - 1)
ratios = st.floats(0, 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
exacts = st.decimals(-(10**18) + 1, 10**18 - 1, places=9) | st.integers(-10, 10).map(
    lambda power: Decimal(f"1E{power % 9}")
)
times = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2098, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]),
)
jsons = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | numbers
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(slugs, inner, max_size=3),
    max_leaves=8,
)
properties = st.dictionaries(lines, jsons, max_size=4)
units = st.sampled_from(["users", "EUR", "requests/s"])


def either(words: Any) -> SearchStrategy[Any]:
    return st.sampled_from(list(words))


def many(items: SearchStrategy[Any], least: int = 0) -> SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=4, unique=True).map(tuple)


def _ranges() -> SearchStrategy[s.TimeRange]:
    return st.builds(
        lambda start, seconds: s.TimeRange(start=start, end=start + timedelta(seconds=seconds)),
        times,
        st.floats(0.001, 86_400),
    )


def _batch(offsets: list[int], name: str) -> dict[str, Any]:
    event = good(s.AnalyticsEvent, event_name=name)
    return batch_fields(tuple(stream_event(offset, event=event) for offset in sorted(offsets)))


def _aggregate(values: list[Decimal], how: s.MetricAggregationType) -> dict[str, Any]:
    made = s.AggregatedMetric.of([good(s.MetricValue, value=value) for value in values], how, good(s.TimeRange))
    return {name: getattr(made, name) for name in s.AggregatedMetric.model_fields}


def _line(quantity: Decimal, price: Decimal) -> dict[str, Any]:
    amount = round(quantity * price, 2)
    return {"quantity": quantity, "unit_price": price, "amount": amount, "residue": quantity * price - amount}


def _entry(**said: Any) -> dict[str, Any]:
    fields = {**audit_fields(), **said}
    sealed = s.AuditLog.following(
        None, **{k: v for k, v in fields.items() if k not in ("checksum", "previous", "sequence")}
    )
    return {name: getattr(sealed, name) for name in s.AuditLog.model_fields}


def _sums(total: str, *parts: str) -> SearchStrategy[dict[str, Any]]:
    amounts = st.tuples(*(st.integers(0, 10**12) for _ in parts))
    return amounts.map(lambda found: {total: sum(found), **dict(zip(parts, found, strict=True))})


_quality = st.builds(
    s.QualityMetadata,
    completeness=ratios,
    confidence=ratios,
    freshness_seconds=st.floats(0, 1e9),
    measured_at=times,
    checksum=st.none() | st.just(SUM),
)
_money = st.builds(s.Money, amount=exacts, currency=either(["EUR", "JPY"]))
_place = st.builds(
    s.GeoLocation,
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    accuracy_metres=st.floats(0, 1000),
    country=st.none() | st.just("DE"),
)
_trace = st.builds(s.TraceContext, correlation_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,9}", fullmatch=True))
_hyper = st.builds(
    s.MLHyperparameters,
    learning_rate=st.none() | st.floats(1e-9, 10),
    dropout=st.none() | st.floats(0, 0.99),
    max_depth=st.none() | st.integers(1, 99),
    random_seed=st.integers(0, 2**32 - 1),
    additional=st.dictionaries(slugs.map("x_{}".format), st.booleans() | st.integers() | numbers | lines, max_size=3),
)
_marks = {"is_test": st.booleans(), "is_synthetic": st.booleans()}
_tenant = {"tenant_id": tenant_ids}

# What may vary by itself, whatever the rest says.
VARIED: dict[type[Contract], dict[str, SearchStrategy[Any]]] = {
    s.GeoLocation: {"latitude": st.floats(-90, 90), "longitude": st.floats(-180, 180)},
    s.TraceContext: {"sampled": st.booleans(), "parent_span_id": st.just("1" * 16)},
    s.Money: {"amount": exacts, "currency": either(["EUR", "JPY"])},
    s.AnalyticsMetadata: {**_tenant, "event_id": lines, "timestamp": times, "user_id": lines, "is_test": st.booleans()},
    s.AnalyticsEvent: {"event_type": either(s.AnalyticsEventType), "event_name": slugs, "properties": properties},
    s.AnalyticsFilter: {"values": st.tuples(st.booleans() | st.integers() | numbers | lines)},
    s.AnalyticsQuery: {
        **_tenant,
        "granularity": either(s.AnalyticsGranularity),
        "descending": st.booleans(),
        "filters": st.just((good(s.AnalyticsFilter),)),
        "dimensions": many(slugs.map("d_{}".format)),
    },
    s.AnalyticsResult: {
        "rows": st.lists(st.tuples(lines, st.booleans(), numbers | st.integers()), max_size=2).map(tuple)
    },
    s.ReportSection: {"heading": lines, "commentary": lines},
    s.AnalyticsReport: {"title": lines, "generated_by": lines},
    s.MetricValue: {
        **_tenant,
        **_marks,
        "value": exacts,
        "unit": units,
        "dimensions": st.dictionaries(slugs, lines, max_size=20),
        "quality": _quality,
    },
    s.BusinessEvent: {
        **_tenant,
        **_marks,
        "severity": either(s.EventSeverity),
        "location": _place,
        "trace": _trace,
        "category": st.just(s.EventCategory.BILLING),
        "properties": properties,
        "quality": _quality,
    },
    s.AlertRoute: {"after_seconds": st.integers(0, 86_400)},
    s.AnomalyEvidence: {"observed": st.floats(3.1, 1e9) | st.floats(-1e9, 0.9), "confidence": ratios},
    s.SmartAlert: {**_tenant, **_marks, "title": lines, "trace": _trace},
    s.MonitoringThreshold: {"critical": st.floats(10, 1e9), "for_seconds": st.integers(0, 86_400)},
    s.MonitoringAlert: {**_tenant, **_marks, "observed": st.floats(10.1, 20), "state_since": times},
    s.SystemMetrics: {
        "cpu_percent": st.floats(0, 100),
        "memory_total_bytes": st.integers(40, 2**63 - 1),
        "measured_at": times,
    },
    s.DependencyHealth: {"status": either(s.HealthStatus), "required": st.booleans()},
    s.HealthCheck: {"version": lines, "checked_at": times},
    s.TenantLimits: {"events_per_day": st.integers(1, 10**12), "event_bytes": st.integers(256, 1 << 20)},
    s.TenantConfiguration: {
        **_tenant,
        "name": lines,
        "kind": either(s.TenantKind),
        "events_per_day": st.none() | st.integers(1, 10**9),
        "features_removed": many(either([s.TenantFeature.BI_ACCESS, s.TenantFeature.EXPERIMENTS])),
        "compliance_frameworks": many(either(s.ComplianceFramework)),
        "residency": either([s.DataResidency.EU, s.DataResidency.ANYWHERE]),
    },
    s.TenantAnalytics: {
        **_tenant,
        "revenue": exacts,
        "kind": either(s.TenantKind),
        "new_subscribers": counts,
        "quality": _quality,
    },
    s.StreamEvent: {"channel": either(s.StreamingChannel), "offset": counts, "received_at": times, "trace": _trace},
    s.WebSocketEvent: {**_tenant, "payload": properties, "sequence": counts, "sent_at": times},
    s.MLDataset: {"tenant_ids": many(tenant_ids, 1), "quality": _quality},
    s.MLTraining: {"hyperparameters": _hyper, "state_since": times},
    s.MLModel: {**_tenant, "hyperparameters": _hyper, "version": st.integers(1, 10**6), "created_at": times},
    s.FeatureContribution: {"contribution": numbers},
    s.MLPrediction: {**_tenant, "score": st.floats(0.4, 0.6), "horizon_days": st.integers(1, 3650)},
    s.ExperimentVariant: {"share": st.decimals("0.000000001", 1, places=9), "is_control": st.booleans()},
    s.MLExperiment: {**_tenant, "users": st.dictionaries(either("ab"), counts, max_size=2)},
    s.WidgetPosition: {"row": st.integers(0, 1000), "width": st.integers(1, 12), "height": st.integers(1, 50)},
    s.DashboardWidget: {"title": lines, "chart_type": either(s.ChartType).filter(lambda chart: chart != "scatter")},
    s.DashboardControl: {"widgets": many(slugs, 1)},
    s.InteractiveDashboard: {
        "title": lines,
        "refresh_seconds": st.integers(5, 86_400),
        "visibility": either(s.DashboardVisibility),
    },
    s.SecurityEvent: {
        **_tenant,
        **_marks,
        "threat_level": either(s.ThreatLevel),
        "location": _place,
        "confidence": ratios,
        "source_address": st.just(IPv4Address("192.0.2.1")) | st.just(IPv6Address("2001:db8::1")),
    },
    s.ComplianceReport: {**_tenant, "framework": either(s.ComplianceFramework), "prepared_by": lines},
    s.QualityMetadata: {"completeness": ratios, "measured_at": times, "checksum": st.none() | st.just(SUM)},
}

# What varies together, or not at all.
TOGETHER: dict[type[Contract], SearchStrategy[dict[str, Any]]] = {
    s.TimeRange: _ranges().map(lambda found: {"start": found.start, "end": found.end}),
    s.AggregatedMetric: st.builds(
        _aggregate,
        st.lists(st.decimals(-(10**6), 10**6, places=9), min_size=1, max_size=9),
        either(s.MetricAggregationType),
    ),
    s.BillingLine: st.builds(_line, st.decimals(0, 10**6, places=2), st.decimals(0, 10**3, places=7)),
    s.EventBatch: st.builds(_batch, st.lists(counts, min_size=1, max_size=4, unique=True), slugs),
    s.RealtimeMetrics: _sums("received", "accepted", "duplicate", "quarantined").map(
        lambda d: {**d, "active_users": 0}
    ),
    s.ApplicationMetrics: _sums("requests", "succeeded", "client_errors", "server_errors"),
    s.ComplianceReport: _sums("requests_received", "requests_completed", "requests_refused", "requests_open"),
    s.SmartAlert: st.just({})
    | st.builds(
        lambda times, later: {"occurrences": times, "last_seen_at": NOON + later},
        st.integers(2, 10**9),
        st.timedeltas(timedelta(0), timedelta(days=99)),
    ),
    s.AuditLog: st.builds(_entry, tenant_id=tenant_ids, at=times, resource=lines, affected=counts, trace=_trace),
    s.MLHyperparameters: _hyper.map(
        lambda found: {name: getattr(found, name) for name in s.MLHyperparameters.model_fields}
    ),
    s.TenantUsageMetrics: st.lists(counts.map(lambda count: count >> 8), min_size=7, max_size=7).map(
        lambda found: {
            "events": sum(found),
            "events_by_type": dict(zip(s.AnalyticsEventType, found, strict=True)),
            "active_users": found[0],
        }
    ),
    s.MLTraining: st.just({})
    | st.builds(
        lambda took: {
            "state": s.TrainingState.FAILED,
            "started_at": NOON,
            "ended_at": NOON + took,
            "failure": "full disk",
        },
        st.timedeltas(timedelta(0), timedelta(days=1)),
    ),
}


def examples(model: type[Contract]) -> SearchStrategy[Any]:
    """Good ones of all sorts."""
    alone = st.fixed_dictionaries({}, optional=VARIED.get(model, {}))
    together = TOGETHER.get(model, st.just({}))
    return st.builds(lambda one, other: good(model, **one, **other), alone, together)
