"""What the contracts do for their users: the examples of the issue, lifecycles, chains, verdicts, tiers."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from schema_examples import HOUR, NOON, SPAN, TRACE, good, metric, stream_event, trained

from analytics_dagster import schemas as s
from analytics_dagster.schemas._lifecycle import Stateful

LATER = NOON + HOUR
TENANT_FILES = sorted((Path(__file__).parents[2] / "tenants").glob("*.yaml"))
Aggregation = s.MetricAggregationType

# Each walk through a lifecycle, with what each state asks for.
WALKS: list[tuple[Stateful[Any], Sequence[tuple[str, dict[str, Any]]]]] = [
    (good(s.BusinessEvent), [("validated", {}), ("processed", {}), ("archived", {})]),
    (good(s.BusinessEvent), [("failed", {"failure": "no such order"}), ("archived", {})]),
    (good(s.SmartAlert), [("acknowledged", {"acknowledged_by": "ada"}), ("resolved", {"resolution": "mended"})]),
    (
        good(s.MonitoringAlert, state_since=NOON),
        [("acknowledged", {"acknowledged_by": "ada"}), ("resolved", {})],
    ),
    (
        good(s.TenantBilling, state_since=NOON),
        [("issued", {"issued_on": date(2026, 4, 1), "due_on": date(2026, 4, 14)}), ("paid", {})],
    ),
    (
        good(s.MLTraining),
        [("running", {"started_at": NOON}), ("succeeded", {"ended_at": LATER, "test_metrics": {"auc": 0.8}})],
    ),
    (
        good(s.MLModel),
        [
            ("trained", {"training": trained()}),
            ("staging", {}),
            ("production", {"approved_by": "ada"}),
            ("archived", {}),
        ],
    ),
    (good(s.MLExperiment), [("running", {"users": {"a": 10, "b": 11}}), ("concluded", {"winner": "b"})]),
    (good(s.SecurityEvent), [("investigating", {}), ("contained", {}), ("closed", {"conclusion": "a drill"})]),
]


def test_the_examples_of_the_readme() -> None:
    event = s.AnalyticsEvent(
        metadata=s.AnalyticsMetadata(tenant_id="acme", source=s.AnalyticsChannelType.WEB_APP),
        event_type=s.AnalyticsEventType.USER_ACTION,
        event_name="track_play",
        properties={"track_id": "12345", "duration": 180},
    )
    assert event.metadata.event_id
    assert event.metadata.timestamp.tzinfo is UTC
    model = s.MLModel(
        name="recommender",
        framework=s.MLFramework.TENSORFLOW,
        model_type=s.MLModelType.RECOMMENDATION,
        hyperparameters=s.MLHyperparameters(learning_rate=0.001, batch_size=128, epochs=100),
    )
    assert model.state is s.ModelState.DRAFT
    assert model.hyperparameters.as_params() == {
        "learning_rate": 0.001,
        "batch_size": 128,
        "epochs": 100,
        "random_seed": 0,
    }


@pytest.mark.parametrize(("start", "steps"), WALKS, ids=lambda found: type(found).__name__)
def test_a_lifecycle_goes_forward_and_never_back(
    start: Stateful[Any], steps: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    kind = type(start.state)
    walk = [start]
    for number, (word, filled) in enumerate(steps, start=1):
        walk.append(walk[-1].moved_to(kind(word), at=NOON + number * HOUR, **filled))
        assert walk[-1].state == word
        assert walk[-1].state_since == NOON + number * HOUR
        assert type(start).model_validate_json(walk[-1].model_dump_json()) == walk[-1]
    for earlier, later in pairwise(walk):
        for state in (earlier.state, later.state):
            with pytest.raises(s.LifecycleError, match=f"{later.state} does not become {state}"):
                later.moved_to(state)
    assert walk[0] == start, "what was, is not changed"


def test_a_move_in_the_past_is_refused_and_names_the_moment() -> None:
    with pytest.raises(s.LifecycleError, match=r"before it became received.*\n.*from 2026-03-10T12:00:00"):
        good(s.BusinessEvent).moved_to(s.EventState.VALIDATED, at=NOON - HOUR)


def test_a_move_says_what_may_follow_instead() -> None:
    event = good(s.BusinessEvent)
    with pytest.raises(s.LifecycleError, match="move it to validated, failed"):
        event.moved_to(s.EventState.ARCHIVED)
    done = event.moved_to(s.EventState.FAILED, failure="why").moved_to(s.EventState.ARCHIVED)
    with pytest.raises(s.LifecycleError, match="archived is final"):
        done.moved_to(s.EventState.FAILED)


def test_a_move_that_lacks_what_the_state_asks_for_is_refused() -> None:
    with pytest.raises(ValidationError, match="say who looks after it"):
        good(s.SmartAlert).moved_to(s.AlertState.ACKNOWLEDGED)


def test_a_change_is_checked_as_a_new_one_is() -> None:
    with pytest.raises(ValidationError, match="failure"):
        good(s.BusinessEvent).changed(failure="not failed")


def test_severities_ascend_and_are_still_words() -> None:
    assert sorted(["critical", "debug", "warning"], key=s.EventSeverity) == ["debug", "warning", "critical"]
    critical, info = s.EventSeverity.CRITICAL, s.EventSeverity.INFO
    assert critical > info
    assert critical >= info
    assert info < critical
    assert info <= "info"
    assert max(s.ThreatLevel) is s.ThreatLevel.CRITICAL


def test_marks_tell_rehearsal_from_reality() -> None:
    assert metric().is_real
    assert not metric(is_test=True).is_real
    assert not metric(is_synthetic=True).is_real


def test_a_range_has_its_start_and_not_its_end_and_is_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    found = s.TimeRange(start=datetime(2026, 3, 10, 13, tzinfo=berlin), end=LATER)
    assert found == good(s.TimeRange)
    assert found.start.tzinfo is UTC
    assert NOON in found
    assert LATER not in found
    assert found.duration == HOUR


def test_a_trace_is_written_as_w3c_has_it() -> None:
    assert good(s.TraceContext).traceparent == f"00-{TRACE}-{SPAN}-01"
    assert good(s.TraceContext, sampled=False).traceparent == f"00-{TRACE}-{SPAN}-00"
    assert s.TraceContext(correlation_id="order-17").traceparent is None


def test_money_of_one_currency_adds_up_and_of_two_does_not() -> None:
    euro = good(s.Money)
    assert (euro + euro).amount == Decimal("19.98")
    with pytest.raises(ValueError, match="EUR and JPY have no sum"):
        euro + good(s.Money, currency="JPY")


def test_quality_is_judged_by_all_of_it() -> None:
    assert good(s.QualityMetadata).is_good(freshness_seconds=60)
    assert not good(s.QualityMetadata).is_good(freshness_seconds=59)
    assert not good(s.QualityMetadata, completeness=0.99).is_good(freshness_seconds=60)
    assert not good(s.QualityMetadata, confidence=0.9).is_good(freshness_seconds=60)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Aggregation.COUNT, "5"),
        (Aggregation.DISTINCT, "4"),
        (Aggregation.SUM, "110.5"),
        (Aggregation.AVERAGE, "22.1"),
        (Aggregation.MINIMUM, "1"),
        (Aggregation.MAXIMUM, "100"),
        (Aggregation.LAST, "4"),
        (Aggregation.P50, "4"),
        (Aggregation.P90, "100"),
        (Aggregation.P99, "100"),
    ],
)
def test_values_come_to_an_aggregate(how: s.MetricAggregationType, expected: str) -> None:
    found = ["100", "1", "1.5", "4", "4"]
    values = [metric(value, measured_at=NOON + number * HOUR / 9) for number, value in enumerate(found)]
    aggregate = s.AggregatedMetric.of(values, how, good(s.TimeRange))
    assert aggregate.value == Decimal(expected)
    assert (aggregate.sample_count, aggregate.minimum, aggregate.maximum) == (5, 1, 100)


@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=30), st.sampled_from([50, 90, 95, 99]))
def test_a_percentile_is_a_value_that_this_share_does_not_exceed(found: list[Decimal], percent: int) -> None:
    values = [good(s.MetricValue, value=value) for value in found]
    percentile = s.AggregatedMetric.of(values, Aggregation(f"p{percent}"), good(s.TimeRange)).value
    assert percentile in found
    assert sum(value <= percentile for value in found) * 100 >= percent * len(found)
    assert sum(value < percentile for value in found) * 100 < percent * len(found)


def test_an_answer_can_be_read_by_name() -> None:
    result = good(s.AnalyticsResult)
    assert result.records()[1] == {"day": "2026-03-10", "region": None, "revenue": 1.5}
    assert good(s.AnalyticsQuery, granularity=None).columns == ("region", "revenue")


def test_an_alert_goes_where_it_is_due() -> None:
    first, second = good(s.AlertRoute), good(s.AlertRoute, recipient="@ada", after_seconds=600)
    alert = good(s.SmartAlert, routes=(first, second))
    assert alert.due_routes(NOON) == (first,)
    assert alert.due_routes(LATER) == (first, second)
    assert alert.moved_to(s.AlertState.ACKNOWLEDGED, acknowledged_by="ada").due_routes(LATER) == ()
    silenced = alert.changed(silenced_until=LATER)
    assert silenced.due_routes(NOON) == ()
    assert silenced.due_routes(LATER) == (first, second)


def test_the_same_problem_has_the_same_fingerprint() -> None:
    alert = good(s.SmartAlert)
    again = alert.seen_again(LATER)
    assert (again.occurrences, again.last_seen_at) == (2, LATER)
    assert again.fingerprint == good(s.SmartAlert, title="Worded otherwise").fingerprint == alert.fingerprint
    for other in ({"tenant_id": "acme"}, {"subject": "raw"}, {"source": "x"}, {"alert_type": s.AlertType.QUOTA}):
        assert good(s.SmartAlert, **other).fingerprint != alert.fingerprint


@pytest.mark.parametrize(
    ("operator", "critical", "values"),
    [
        ("above", 20.0, {10.0: None, 10.1: "warning", 20.0: "warning", 20.1: "critical"}),
        ("at_least", 20.0, {9.9: None, 10.0: "warning", 20.0: "critical"}),
        ("below", 5.0, {10.0: None, 9.9: "warning", 5.0: "warning", 4.9: "critical"}),
        ("at_most", 5.0, {10.1: None, 10.0: "warning", 5.0: "critical"}),
    ],
)
def test_a_threshold_gives_a_verdict_and_its_alert(
    operator: str, critical: float, values: dict[float, str | None]
) -> None:
    threshold = good(s.MonitoringThreshold, operator=s.ThresholdOperator(operator), critical=critical)
    for value, expected in values.items():
        assert threshold.verdict(value) == expected
        alert = s.MonitoringAlert.check(threshold, value, source="web-1")
        assert (alert and alert.severity) == expected


def test_figures_of_machines_and_services() -> None:
    assert good(s.SystemMetrics).memory_ratio == 0.4
    assert good(s.SystemMetrics, memory_total_bytes=0, memory_used_bytes=0).memory_ratio == 0
    service = good(s.ApplicationMetrics)
    assert service.requests_per_second == 10 / 3600
    assert service.availability == 0.9
    idle = good(s.ApplicationMetrics, requests=0, succeeded=0, client_errors=0, server_errors=0)
    assert idle.availability == 1
    assert good(s.RealtimeMetrics).events_per_second == 10 / 3600


def test_a_batch_knows_what_it_carries() -> None:
    batch = s.EventBatch.of([stream_event(4), stream_event(9)])
    assert batch.offsets == (4, 9)
    assert batch.tenant_id == "acme"
    sent = json.loads(batch.model_dump_json())
    sent["events"][1]["event"]["event_name"] = "track_skip"
    with pytest.raises(ValidationError, match="be that of the events"):
        s.EventBatch.model_validate_json(json.dumps(sent))


def test_lag_is_never_negative() -> None:
    assert stream_event(1).lag == HOUR
    assert stream_event(1, received_at=NOON - HOUR).lag == timedelta(0)


def test_what_was_changed_in_an_audit_shows() -> None:
    first = good(s.AuditLog)
    said = {"actor_kind": s.ActorKind.SERVICE, "actor_id": "loader", "resource": "raw.events", "affected": 1}
    chain = [first]
    for number in (1, 2, 3):
        chain.append(s.AuditLog.following(chain[-1], at=NOON + number * HOUR, action=s.AuditAction.CREATE, **said))
    assert s.AuditLog.broken_at(chain) is None
    assert s.AuditLog.broken_at(chain[:1]) is None
    assert s.AuditLog.broken_at([*chain[:2], chain[3]]) == 4, "one is taken out"
    forged = s.AuditLog.following(first, at=LATER, action=s.AuditAction.READ, **said)
    assert s.AuditLog.broken_at([first, forged, *chain[2:]]) == 3, "one is put in place of another"
    early = s.AuditLog.following(first, at=NOON - HOUR, action=s.AuditAction.READ, **said)
    assert s.AuditLog.broken_at([first, early]) == 2
    other = s.AuditLog.following(None, tenant_id="other", at=NOON, action=s.AuditAction.READ, **said)
    assert s.AuditLog.broken_at([other, chain[1]]) == 2


def test_a_report_finds_what_failed() -> None:
    failed = good(s.ControlResult, control="GDPR Art. 30", status=s.ControlStatus.FAILED, finding="not kept")
    controls = (good(s.ControlResult), failed)
    assert good(s.ComplianceReport, controls=controls, is_compliant=False).findings == (failed,)


def test_a_dashboard_finds_its_widgets() -> None:
    assert good(s.InteractiveDashboard).widget("note").text == "Read me"
    with pytest.raises(KeyError, match="nowhere"):
        good(s.InteractiveDashboard).widget("nowhere")


@pytest.mark.parametrize("path", TENANT_FILES, ids=lambda path: path.stem)
def test_todays_tenant_files_are_valid_and_complete(path: Path) -> None:
    tenant = s.TenantConfiguration.model_validate_json(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert tenant.limits.events_per_day >= 100_000
    assert tenant.features.allows(s.TenantFeature.BI_ACCESS)
    assert tenant.residency is s.DataResidency.ANYWHERE


def test_there_are_tenant_files() -> None:
    assert TENANT_FILES


def test_a_tenant_has_its_tiers_limits_and_features_but_for_what_its_file_says() -> None:
    tiers = [good(s.TenantConfiguration, tier=tier) for tier in s.TenantTier]
    for lower, upper in pairwise(tiers):
        assert lower.limits.events_per_day < upper.limits.events_per_day
        assert lower.limits.event_bytes < upper.limits.event_bytes
        assert set(lower.features.enabled) < set(upper.features.enabled)
    tenant = good(
        s.TenantConfiguration,
        events_per_day=7,
        event_bytes=300,
        features_added=(s.TenantFeature.REALTIME, s.TenantFeature.REALTIME_ALERTS),
        features_removed=(s.TenantFeature.EXPERIMENTS,),
    )
    assert tenant.limits == s.TenantLimits(events_per_day=7, event_bytes=300)
    assert tenant.features.allows(s.TenantFeature.REALTIME_ALERTS)
    assert not tenant.features.allows(s.TenantFeature.EXPERIMENTS)


@pytest.mark.parametrize(
    ("kind", "name"), [("music", "plays"), ("shop", "orders"), ("saas", "feature_uses"), ("content", "reads")]
)
def test_a_tenants_kpis_have_the_names_of_the_mart(kind: str, name: str) -> None:
    metrics = good(s.TenantAnalytics, kind=s.TenantKind(kind)).metrics
    assert list(metrics) == [
        "active_users", "sessions", "engagement_seconds", name, "new_subscribers", "lost_subscribers", "revenue",
    ]  # fmt: skip
    assert metrics[name] == 20
    assert metrics["revenue"] == Decimal("-1.50")
