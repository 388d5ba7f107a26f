"""Alerts: what the router delivers, to whom, and what became of it.

What a threshold found is `monitoring.MonitoringAlert`; how a message is delivered is the alerts domain's.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    Distinct,
    HttpsAddress,
    Line,
    Marked,
    Number,
    Ratio,
    Text,
    TraceContext,
    Unit,
    refusal,
)
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now
from analytics_dagster.schemas.events import EventSeverity


class AlertType(StrEnum):
    THRESHOLD = "threshold"
    ANOMALY = "anomaly"
    DATA_QUALITY = "data_quality"
    FRESHNESS = "freshness"
    PIPELINE_FAILURE = "pipeline_failure"
    QUOTA = "quota"
    BILLING = "billing"
    MODEL_DRIFT = "model_drift"
    SECURITY = "security"
    COMPLIANCE = "compliance"


class AlertChannel(StrEnum):
    EMAIL = "email"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    WEBHOOK = "webhook"
    LOG = "log"


RECIPIENTS: Mapping[AlertChannel, tuple[str, str]] = {
    AlertChannel.EMAIL: (r"[^@\s]+@[^@\s]+\.[^@\s.]+", "be an address, such as ops@example.org"),
    AlertChannel.SLACK: (r"[#@][a-z0-9][a-z0-9._-]{0,79}", "be a channel or a person, such as #data-alerts"),
    AlertChannel.PAGERDUTY: (r"[A-Za-z0-9]{6,40}", "be the key of a service"),
    AlertChannel.WEBHOOK: (r"https://[^\s/]+\S*", "be an https address"),
    AlertChannel.LOG: (r"[a-z][a-z0-9_.]{0,79}", "be the name of a logger"),
}


class AlertState(Lifecycle):
    """firing → acknowledged → resolved; firing → resolved by itself."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {cls.FIRING: (cls.ACKNOWLEDGED, cls.RESOLVED), cls.ACKNOWLEDGED: (cls.RESOLVED,)}


class AlertRoute(Contract):
    """One way to one recipient."""

    channel: AlertChannel
    recipient: Line = Field(description="In the form of the channel; never a secret, but the name of one.")
    after_seconds: int = Field(default=0, ge=0, le=86_400, description="Only if it still fires after these seconds.")

    @model_validator(mode="after")
    def _recipient_of_channel(self) -> Self:
        pattern, expected = RECIPIENTS[self.channel]
        if not re.fullmatch(pattern, self.recipient):
            raise refusal(self, "recipient", expected)
        return self


class AnomalyEvidence(Contract):
    """Why a figure is no ordinary one."""

    observed: Number = Field(description="In `unit`.")
    expected_low: Number = Field(description="The least that would be ordinary, in `unit`.")
    expected_high: Number = Field(description="The most that would be ordinary, in `unit`.")
    unit: Unit
    confidence: Ratio = Field(description="Probability that it is an anomaly: 1 is certain.")

    @model_validator(mode="after")
    def _outside(self) -> Self:
        if self.expected_high < self.expected_low:
            raise refusal(self, "expected_high", "be at least expected_low")
        if self.expected_low <= self.observed <= self.expected_high:
            raise refusal(self, "observed", "be outside of what is expected")
        return self


class SmartAlert(Marked, Stateful[AlertState]):
    """One problem, however often it is seen: what to tell, to whom, and what to do about it."""

    alert_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId | None = Field(default=None, description="Whose problem; none: the platform's.")
    alert_type: AlertType
    severity: EventSeverity
    source: Line = Field(description="What noticed it, such as the key of an asset check.")
    subject: Line = Field(description="What it is about: a table, a metric, a model.")
    title: Line
    remedy: Text = Field(description="What the person who is woken up does next.")
    runbook: HttpsAddress | None = None
    first_seen_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    last_seen_at: UtcDatetime | None = Field(default=None, description="In UTC; none: it was seen once.")
    occurrences: int = Field(default=1, ge=1)
    routes: Annotated[tuple[AlertRoute, ...], Distinct] = Field(min_length=1, description="In order of escalation.")
    evidence: AnomalyEvidence | None = Field(default=None, description="Exactly for anomalies.")
    state: AlertState = AlertState.FIRING
    acknowledged_by: Identifier | None = None
    resolution: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = None
    silenced_until: UtcDatetime | None = Field(default=None, description="Nothing is delivered before, in UTC.")
    trace: TraceContext | None = None

    @model_validator(mode="after")
    def _content(self) -> Self:
        if (self.evidence is not None) != (self.alert_type is AlertType.ANOMALY):
            raise refusal(self, "evidence", "be there exactly for an anomaly")
        delays = [route.after_seconds for route in self.routes]
        if delays != sorted(delays):
            raise refusal(self, "routes", "be in order of after_seconds")
        if self.severity < EventSeverity.WARNING:
            raise refusal(self, "severity", "be at least warning: nobody is woken up for less")
        return self

    @model_validator(mode="after")
    def _times(self) -> Self:
        if (self.last_seen_at is None) != (self.occurrences == 1):
            raise refusal(self, "last_seen_at", "be there exactly when it occurred more than once")
        if self.last_seen_at is not None and self.last_seen_at < self.first_seen_at:
            raise refusal(self, "last_seen_at", "not be before first_seen_at")
        if self.silenced_until is not None and self.silenced_until <= self.first_seen_at:
            raise refusal(self, "silenced_until", "be after first_seen_at")
        return self

    @model_validator(mode="after")
    def _state(self) -> Self:
        if self.state is AlertState.ACKNOWLEDGED and self.acknowledged_by is None:
            raise refusal(self, "acknowledged_by", "say who looks after it")
        if self.state is AlertState.FIRING and self.acknowledged_by is not None:
            raise refusal(self, "acknowledged_by", "be empty while nobody looks after it")
        if (self.resolution is not None) != (self.state is AlertState.RESOLVED):
            raise refusal(self, "resolution", "be there exactly when it is resolved")
        return self

    @property
    def fingerprint(self) -> str:
        """The same for the same problem: the router groups by it."""
        words = (self.tenant_id or "", self.alert_type, self.source, self.subject)
        return hashlib.sha256("\x1f".join(words).encode()).hexdigest()

    def seen_again(self, at: datetime) -> Self:
        return self.changed(occurrences=self.occurrences + 1, last_seen_at=at)

    def due_routes(self, now: datetime) -> tuple[AlertRoute, ...]:
        """Where it belongs by now: nowhere once somebody looks after it, or while it is silenced."""
        silenced = self.silenced_until is not None and now < self.silenced_until
        if self.state is not AlertState.FIRING or silenced:
            return ()
        age = (now - self.first_seen_at).total_seconds()
        return tuple(route for route in self.routes if route.after_seconds <= age)
