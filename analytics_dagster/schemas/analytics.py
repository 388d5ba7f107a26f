"""The event: what every producer sends and every tenant's analytics are built from."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, StringConstraints

from analytics_dagster.schemas.base import Contract, TenantId, UtcDatetime, utc_now

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
EventName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")]


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

    event_id: Identifier = Field(default_factory=lambda: str(uuid4()), description="Unique within its tenant.")
    tenant_id: TenantId
    source: AnalyticsChannelType
    timestamp: UtcDatetime = Field(default_factory=utc_now, description="When it happened, with an offset.")
    user_id: Identifier | None = None
    anonymous_id: Identifier | None = Field(default=None, description="A visitor who is not known yet.")
    is_test: bool = Field(default=False, description="Test traffic is kept, counted and left out of marts.")


class AnalyticsEvent(Contract):
    """One thing that happened, once."""

    metadata: AnalyticsMetadata
    event_type: AnalyticsEventType
    event_name: EventName
    properties: dict[str, Any] = Field(default_factory=dict)
