"""Business events: what the platform's own services tell one another, about things that have a state.

What producers send in masses is `analytics.AnalyticsEvent`; attacks and audits are in `security`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._lifecycle import Lifecycle, Stateful
from analytics_dagster.schemas._parts import (
    GeoLocation,
    Marked,
    Money,
    QualityMetadata,
    Ranked,
    Text,
    TraceContext,
    refusal,
)
from analytics_dagster.schemas.base import EventName, Identifier, Properties, TenantId, UtcDatetime, new_id


class EventCategory(StrEnum):
    CUSTOMER = "customer"
    COMMERCE = "commerce"
    SUBSCRIPTION = "subscription"
    BILLING = "billing"
    CONTENT = "content"
    TENANT = "tenant"
    DATA = "data"
    COMPLIANCE = "compliance"
    SYSTEM = "system"


class EventSeverity(Ranked):
    """Ascending: `EventSeverity.ERROR > EventSeverity.INFO`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class EventState(Lifecycle):
    """received → validated → processed → archived; failed on the way → archived."""

    RECEIVED = "received"
    VALIDATED = "validated"
    PROCESSED = "processed"
    FAILED = "failed"
    ARCHIVED = "archived"

    @classmethod
    def steps(cls) -> Mapping[str, tuple[str, ...]]:
        return {
            cls.RECEIVED: (cls.VALIDATED, cls.FAILED),
            cls.VALIDATED: (cls.PROCESSED, cls.FAILED),
            cls.PROCESSED: (cls.ARCHIVED,),
            cls.FAILED: (cls.ARCHIVED,),
        }


class BusinessEvent(Marked, Stateful[EventState]):
    """Something that happened to an order, a subscription, an invoice, and how far we are with it."""

    event_id: Identifier = Field(default_factory=new_id, description="Unique within its tenant.")
    tenant_id: TenantId
    category: EventCategory
    severity: EventSeverity = EventSeverity.INFO
    event_name: EventName
    entity_type: EventName = Field(description="What it happened to, such as subscription.")
    entity_id: Identifier = Field(description="Which one of these.")
    occurred_at: UtcDatetime = Field(description="When it happened, in UTC.")
    state: EventState = EventState.RECEIVED
    failure: Text | None = Field(default=None, description="Why it failed: kept when it is archived.")
    actor_id: Identifier | None = Field(default=None, description="Who did it; none: nobody in particular.")
    value: Money | None = Field(default=None, description="What it is worth, if it is about money.")
    location: GeoLocation | None = None
    trace: TraceContext | None = None
    quality: QualityMetadata | None = None
    properties: Properties = Field(default_factory=dict)

    @model_validator(mode="after")
    def _state_and_times(self) -> Self:
        if self.state is EventState.FAILED and self.failure is None:
            raise refusal(self, "failure", "say why it failed")
        if self.failure is not None and self.state not in (EventState.FAILED, EventState.ARCHIVED):
            raise refusal(self, "failure", f"be empty while it is {self.state}")
        if self.category is EventCategory.COMMERCE and self.value is not None and self.value.amount < 0:
            raise refusal(self, "value", "not be negative: a refund is an event of category billing")
        return self

    @model_validator(mode="after")
    def _known_after_it_happened(self) -> Self:
        if self.state_since < self.occurred_at:
            raise refusal(self, "state_since", f"not be before it occurred, {self.occurred_at.isoformat()}")
        return self
