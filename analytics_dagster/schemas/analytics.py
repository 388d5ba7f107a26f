"""The event: what every producer sends and every tenant's analytics are built from.

Questions, answers and reports over the events are in `_queries`, and imported from here.
"""

from enum import StrEnum
from typing import Self

from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from analytics_dagster.schemas._queries import (
    AnalyticsAggregation,
    AnalyticsFilter,
    AnalyticsGranularity,
    AnalyticsQuery,
    AnalyticsReport,
    AnalyticsResult,
    FilterOperator,
    ReportSection,
)
from analytics_dagster.schemas.base import (
    EVENT_NAME_PATTERN,
    IDENTIFIER_LENGTH,
    Contract,
    EventName,
    Identifier,
    Properties,
    TenantId,
    UtcDatetime,
    needed_on_the_wire,
    new_id,
    utc_now,
)

__all__ = [
    "EVENT_NAME_PATTERN",
    "IDENTIFIER_LENGTH",
    "AnalyticsAggregation",
    "AnalyticsChannelType",
    "AnalyticsEvent",
    "AnalyticsEventType",
    "AnalyticsFilter",
    "AnalyticsGranularity",
    "AnalyticsMetadata",
    "AnalyticsQuery",
    "AnalyticsReport",
    "AnalyticsResult",
    "FilterOperator",
    "ReportSection",
]


class AnalyticsEventType(StrEnum):
    USER_ACTION = "user_action"
    PAGE_VIEW = "page_view"
    TRANSACTION = "transaction"
    SUBSCRIPTION = "subscription"
    CAMPAIGN = "campaign"
    EXPERIMENT = "experiment"
    SYSTEM = "system"


class AnalyticsChannelType(StrEnum):
    WEB_APP = "web_app"
    MOBILE_APP = "mobile_app"
    DESKTOP_APP = "desktop_app"
    API = "api"
    BACKEND = "backend"


class AnalyticsMetadata(Contract):
    """Who and when: the envelope of an event."""

    event_id: Identifier = Field(default_factory=new_id, description="Unique within its tenant.")
    tenant_id: TenantId = Field(description="Whose event it is.")
    source: AnalyticsChannelType = Field(description="The channel that it came through.")
    timestamp: UtcDatetime = Field(default_factory=utc_now, description="When it happened, with an offset.")
    user_id: Identifier | None = Field(default=None, description="The known user.")
    anonymous_id: Identifier | None = Field(default=None, description="A visitor who is not known yet.")
    is_test: bool = Field(default=False, description="Test traffic is kept, counted and left out of marts.")

    @model_validator(mode="after")
    def _said_by_the_producer(self, info: ValidationInfo) -> Self:
        # a default made up while reading would be another one on the next reading: no repeat is recognised
        fields = AnalyticsMetadata.model_fields
        missing = [name for name in fields.keys() - self.model_fields_set if needed_on_the_wire(fields[name])]
        if info.mode == "json" and missing:
            raise PydanticCustomError(
                "missing", "Field required from a producer: {fields}", {"fields": ", ".join(sorted(missing))}
            )
        return self


class AnalyticsEvent(Contract):
    """One thing that happened, once."""

    metadata: AnalyticsMetadata
    event_type: AnalyticsEventType = Field(description="What kind of thing happened.")
    event_name: EventName = Field(description="What happened; rules for its properties are in `events/`.")
    properties: Properties = Field(default_factory=dict, description="What else the producer said; anything.")
