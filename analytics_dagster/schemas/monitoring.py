"""The platform's own health: machines, services, thresholds and what crosses them.

To whom it is told is in `alerts`; figures about the tenants' business are in `metrics`.
"""

from enum import StrEnum
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from analytics_dagster.schemas._lifecycle import Stateful
from analytics_dagster.schemas._parts import (
    Count,
    HttpsAddress,
    Line,
    Marked,
    Number,
    Ranked,
    Record,
    Slug,
    Text,
    TimeRange,
    TraceContext,
    Unit,
    refusal,
    repeated,
)
from analytics_dagster.schemas.alerts import AlertState
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now
from analytics_dagster.schemas.events import EventSeverity

Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False, description="Milliseconds.")]


class ThresholdOperator(StrEnum):
    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"

    def holds(self, value: float, limit: float) -> bool:
        return bool({"above": gt, "at_least": ge, "below": lt, "at_most": le}[self](value, limit))


class HealthStatus(Ranked):
    """Ascending in badness."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class MonitoringThreshold(Contract):
    """Two limits of a metric; the critical one is never easier to cross."""

    metric: Slug
    unit: Unit
    operator: ThresholdOperator
    warning: Number = Field(description="In `unit`.")
    critical: Number = Field(description="In `unit`.")
    for_seconds: int = Field(default=0, ge=0, le=86_400, description="How long it must last before it is told.")

    @model_validator(mode="after")
    def _critical_is_worse(self) -> Self:
        upwards = self.operator in (ThresholdOperator.ABOVE, ThresholdOperator.AT_LEAST)
        if self.critical < self.warning if upwards else self.critical > self.warning:
            raise refusal(self, "critical", f"be at {'least' if upwards else 'most'} the warning's limit")
        return self

    def verdict(self, value: float) -> EventSeverity | None:
        """How bad a value is; none: it is within the limits."""
        if self.operator.holds(value, self.critical):
            return EventSeverity.CRITICAL
        return EventSeverity.WARNING if self.operator.holds(value, self.warning) else None


class MonitoringAlert(Marked, Stateful[AlertState]):
    """A threshold that was crossed."""

    alert_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId | None = Field(default=None, description="Whose metric; none: the platform's.")
    source: Line = Field(description="The host or service that was measured.")
    threshold: MonitoringThreshold
    observed: Number = Field(description="The value that crossed it, in the threshold's unit.")
    severity: EventSeverity = Field(description="What the threshold says about the value, and nothing else.")
    state: AlertState = AlertState.FIRING
    acknowledged_by: Identifier | None = None
    runbook: HttpsAddress | None = None
    trace: TraceContext | None = None

    @model_validator(mode="after")
    def _crossed(self) -> Self:
        verdict = self.threshold.verdict(self.observed)
        if verdict is None:
            raise refusal(self, "observed", "be beyond the threshold")
        if self.severity is not verdict:
            raise refusal(self, "severity", f"be {verdict}, by the threshold")
        if self.state is AlertState.ACKNOWLEDGED and self.acknowledged_by is None:
            raise refusal(self, "acknowledged_by", "say who looks after it")
        return self

    @classmethod
    def check(cls, threshold: MonitoringThreshold, observed: float, *, source: str) -> Self | None:
        """The alert that a measurement asks for, if it asks for one."""
        verdict = threshold.verdict(observed)
        return None if verdict is None else cls(source=source, threshold=threshold, observed=observed, severity=verdict)


class SystemMetrics(Record):
    """A machine at one moment."""

    host: Line
    measured_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    cpu_cores: int = Field(ge=1)
    cpu_percent: float = Field(ge=0, le=100, description="Of all cores together, in percent.")
    load_one_minute: float = Field(ge=0, allow_inf_nan=False, description="Processes that run or wait.")
    memory_total_bytes: Count
    memory_used_bytes: Count
    disk_total_bytes: Count
    disk_used_bytes: Count
    disk_free_bytes: Count = Field(description="For ordinary users: less than total - used where some is reserved.")
    network_received_bytes: Count = Field(description="Since the machine started.")
    network_sent_bytes: Count = Field(description="Since the machine started.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.memory_used_bytes > self.memory_total_bytes:
            raise refusal(self, "memory_used_bytes", "be at most memory_total_bytes")
        if self.disk_used_bytes + self.disk_free_bytes > self.disk_total_bytes:
            raise refusal(self, "disk_free_bytes", "be at most what is not used")
        return self

    @property
    def memory_ratio(self) -> float:
        return self.memory_used_bytes / self.memory_total_bytes if self.memory_total_bytes else 0.0


class ApplicationMetrics(Contract):
    """A service over a time: how much it did, how well and how fast."""

    service: Slug
    version: Line
    window: TimeRange
    tenant_id: TenantId | None = Field(default=None, description="For whom; none: for everybody.")
    requests: Count = Field(description="All of them: succeeded + client_errors + server_errors.")
    succeeded: Count
    client_errors: Count = Field(description="Refused, and rightly so.")
    server_errors: Count = Field(description="Failed, and it was us.")
    latency_p50_ms: Milliseconds
    latency_p95_ms: Milliseconds
    latency_p99_ms: Milliseconds
    latency_max_ms: Milliseconds
    queue_depth: Count = Field(default=0, description="Requests that waited when the time ended.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        outcomes = self.succeeded + self.client_errors + self.server_errors
        if self.requests != outcomes:
            raise refusal(self, "requests", f"be {outcomes}, the sum of the outcomes")
        latencies = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "latency_max_ms")
        for lower, upper in pairwise(latencies):
            if getattr(self, upper) < getattr(self, lower):
                raise refusal(self, upper, f"be at least {lower}")
        return self

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.window.duration.total_seconds()

    @property
    def availability(self) -> float:
        """Share of the requests that did not fail by our fault; nothing asked is nothing failed."""
        return 1 - self.server_errors / self.requests if self.requests else 1.0


class DependencyHealth(Contract):
    """What a service found when it asked something that it uses."""

    name: Slug
    status: HealthStatus
    required: bool = Field(default=True, description="Without it the service does not work.")
    latency_ms: Milliseconds


def _named_once(checks: tuple[DependencyHealth, ...]) -> tuple[DependencyHealth, ...]:
    if again := repeated(check.name for check in checks):
        raise ValueError(f"each dependency is named once, not again: {', '.join(again)}")
    return checks


class HealthCheck(Record):
    """What a service says about itself: never better than what it cannot do without."""

    service: Slug
    version: Line
    status: HealthStatus
    checked_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    latency_ms: Milliseconds
    dependencies: Annotated[tuple[DependencyHealth, ...], AfterValidator(_named_once)] = ()
    problem: Text | None = Field(default=None, description="What is wrong: exactly when it is not healthy.")

    @model_validator(mode="after")
    def _honest(self) -> Self:
        required = [check.status for check in self.dependencies if check.required]
        worst = max(required, default=HealthStatus.HEALTHY)
        if self.status < worst:
            raise refusal(self, "status", f"be at least {worst}, as a dependency is")
        if (self.problem is None) != (self.status is HealthStatus.HEALTHY):
            raise refusal(self, "problem", "be there exactly when it is not healthy")
        return self
