"""Security and audit: what somebody tried, what somebody did, and what can be proven of it.

The chain in the warehouse and the evidence of a month are kept by the `compliance` domain.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    Checksum,
    Count,
    GeoLocation,
    Line,
    Marked,
    Ranked,
    Ratio,
    Record,
    Text,
    TimeRange,
    TraceContext,
    checksum,
    refusal,
    repeated,
)
from analytics_dagster.schemas.base import Contract, Identifier, TenantId, UtcDatetime, new_id, utc_now
from analytics_dagster.schemas.tenant import ComplianceFramework

GENESIS = "sha256:" + "0" * 64  # what the first entry of a chain follows
Address = IPv4Address | IPv6Address


class ThreatLevel(Ranked):
    """Ascending: `ThreatLevel.HIGH > ThreatLevel.LOW`."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class SecurityEventType(StrEnum):
    LOGIN_FAILED = "login_failed"
    UNUSUAL_LOGIN = "unusual_login"
    KEY_MISUSED = "key_misused"
    RIGHTS_EXCEEDED = "rights_exceeded"
    FOREIGN_TENANT_READ = "foreign_tenant_read"
    DATA_EXFILTRATION = "data_exfiltration"
    MALICIOUS_INPUT = "malicious_input"
    AUDIT_CHAIN_BROKEN = "audit_chain_broken"


# Where these succeeded, isolation or proof is gone: nobody may call that less.
ALWAYS_CRITICAL = frozenset({SecurityEventType.FOREIGN_TENANT_READ, SecurityEventType.AUDIT_CHAIN_BROKEN})


class SecurityState(Lifecycle):
    """detected → investigating → contained → closed; or a false alarm."""

    DETECTED = "detected"
    INVESTIGATING = "investigating"
    CONTAINED = "contained"
    CLOSED = "closed"
    FALSE_ALARM = "false_alarm"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {
            cls.DETECTED: (cls.INVESTIGATING, cls.FALSE_ALARM),
            cls.INVESTIGATING: (cls.CONTAINED, cls.FALSE_ALARM),
            cls.CONTAINED: (cls.CLOSED,),
        }


class SecurityEvent(Marked, Stateful[SecurityState]):
    """An attempt against a tenant or the platform, whether it succeeded, and how far we are with it."""

    event_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId | None = Field(default=None, description="Against whom; none: the platform.")
    event_type: SecurityEventType
    threat_level: ThreatLevel
    occurred_at: UtcDatetime = Field(description="When it happened, in UTC; not after it was detected.")
    detected_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    blocked: bool = Field(description="Whether it was stopped before it had an effect.")
    actor_id: Identifier | None = Field(default=None, description="Who, as far as it is known.")
    source_address: Address | None = Field(default=None, description="IPv4 or IPv6, as far as it is known.")
    resource: Line = Field(description="What it was aimed at, such as marts.fct_sessions.")
    confidence: Ratio = Field(description="Probability that it is what it looks like: 1 is certain.")
    location: GeoLocation | None = None
    state: SecurityState = SecurityState.DETECTED
    conclusion: Text | None = Field(default=None, description="What it was: exactly when the case is over.")
    trace: TraceContext | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.detected_at < self.occurred_at:
            raise refusal(self, "detected_at", "not be before it occurred")
        if (self.conclusion is not None) != self.state.is_final:
            raise refusal(self, "conclusion", "be there exactly when the case is over")
        if self.state is SecurityState.FALSE_ALARM:
            return self
        grave = self.event_type in ALWAYS_CRITICAL and not self.blocked
        if grave and self.threat_level is not ThreatLevel.CRITICAL:
            raise refusal(self, "threat_level", f"be critical: {self.event_type} was not blocked")
        if not self.blocked and self.threat_level is ThreatLevel.NONE:
            raise refusal(self, "threat_level", "not be none for what was not blocked")
        return self


class ActorKind(StrEnum):
    PERSON = "person"
    SERVICE = "service"
    SCHEDULE = "schedule"


class AuditAction(StrEnum):
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    EXPORT = "export"
    ERASE = "erase"
    GRANT = "grant"
    REVOKE = "revoke"
    RELEASE = "release"
    DISCARD = "discard"


NEEDS_A_REASON = frozenset(
    {AuditAction.DELETE, AuditAction.EXPORT, AuditAction.ERASE, AuditAction.RELEASE, AuditAction.DISCARD}
)


class _AuditEntry(Record):
    """A line of the audit before it is sealed."""

    sequence: int = Field(ge=1, description="Ascending by 1 within the tenant's chain.")
    tenant_id: TenantId
    at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    actor_kind: ActorKind
    actor_id: Identifier
    action: AuditAction
    resource: Line = Field(description="What it was done to; never its personal content.")
    affected: Count = Field(description="How many rows, files or subjects.")
    reason: Text | None = Field(default=None, description="Why: needed to take data away, out or back in.")
    trace: TraceContext | None = None
    previous: Checksum = Field(description="Checksum of the entry before; 64 zeros for the first.")

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.action in NEEDS_A_REASON and self.reason is None:
            raise refusal(self, "reason", f"say why, for {self.action}")
        if (self.sequence == 1) != (self.previous == GENESIS):
            raise refusal(self, "previous", "be 64 zeros exactly for the first entry")
        return self


class AuditLog(_AuditEntry):
    """One line of the audit, chained to the one before: what is changed or taken out later shows."""

    checksum: Checksum = Field(description="SHA-256 of this entry without this field.")

    @model_validator(mode="after")
    def _sealed(self) -> Self:
        if self.checksum != checksum(self, without={"checksum"}):
            raise refusal(self, "checksum", "be that of the entry", rule="checksum")
        return self

    @classmethod
    def following(cls, previous: "AuditLog | None", **fields: Any) -> Self:
        """The next entry of a chain; after None the first of a new one."""
        if previous is None:
            fields |= {"sequence": 1, "previous": GENESIS}
        else:
            fields |= {
                "tenant_id": previous.tenant_id,
                "sequence": previous.sequence + 1,
                "previous": previous.checksum,
            }
        entry = _AuditEntry.model_validate(fields)
        said = {name: getattr(entry, name) for name in type(entry).model_fields}
        return cls.model_validate({**said, "checksum": checksum(entry)})

    @staticmethod
    def broken_at(chain: Sequence["AuditLog"]) -> int | None:
        """The sequence number of the first entry that does not follow the one before; none: it is whole."""
        for earlier, later in pairwise(chain):
            follows = (
                later.sequence == earlier.sequence + 1
                and later.previous == earlier.checksum
                and later.tenant_id == earlier.tenant_id
                and later.at >= earlier.at
            )
            if not follows:
                return later.sequence
        return None


class ControlStatus(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class ControlResult(Contract):
    """One demand of a framework: proven, failed, or none of this tenant's business."""

    control: Line = Field(description="As the framework numbers it, such as GDPR Art. 17.")
    status: ControlStatus
    evidence: Annotated[tuple[Checksum, ...], Field(description="Of the documents that prove it.")] = ()
    finding: Text | None = Field(default=None, description="What is wrong: exactly when it failed.")

    @model_validator(mode="after")
    def _proven(self) -> Self:
        if self.status is ControlStatus.PASSED and not self.evidence:
            raise refusal(self, "evidence", "be there for what passed: nothing passes without proof")
        if (self.finding is not None) != (self.status is ControlStatus.FAILED):
            raise refusal(self, "finding", "be there exactly when it failed")
        return self


class ComplianceReport(Record):
    """What can be proven about a tenant and a framework for a period."""

    report_id: Identifier = Field(default_factory=new_id)
    tenant_id: TenantId
    framework: ComplianceFramework
    period: TimeRange
    controls: tuple[ControlResult, ...] = Field(min_length=1)
    requests_received: Count = Field(description="Of data subjects: completed + refused + open.")
    requests_completed: Count
    requests_refused: Count
    requests_open: Count
    is_compliant: bool = Field(description="Whether no control failed.")
    prepared_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC; after the period.")
    prepared_by: Identifier

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if again := repeated(result.control for result in self.controls):
            raise refusal(self, "controls", f"name each once, not again: {', '.join(again)}")
        handled = self.requests_completed + self.requests_refused + self.requests_open
        if self.requests_received != handled:
            raise refusal(self, "requests_received", f"be {handled}: completed + refused + open")
        passed = all(result.status is not ControlStatus.FAILED for result in self.controls)
        if self.is_compliant != passed:
            raise refusal(self, "is_compliant", f"be {passed}, by the controls".lower())
        if self.prepared_at < self.period.end:
            raise refusal(self, "prepared_at", "be after the period ended")
        return self

    @property
    def findings(self) -> tuple[ControlResult, ...]:
        return tuple(result for result in self.controls if result.status is ControlStatus.FAILED)
