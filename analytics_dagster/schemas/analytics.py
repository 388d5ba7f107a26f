"""The event: what every producer sends and every tenant's analytics are built from."""

import math
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import uuid4

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from analytics_dagster.schemas.base import Contract, TenantId, UtcDatetime, utc_now

IDENTIFIER_LENGTH = 200
EVENT_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,79}$"


def _storable(properties: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's jsonb knows neither U+0000 nor numbers that are not finite."""
    waiting: list[Any] = [properties]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                raise PydanticCustomError("nul_character", "Input should hold no NUL character (U+0000)")
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise PydanticCustomError("number_out_of_range", "Input should hold finite numbers only")
        elif isinstance(value, dict):
            waiting += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return properties


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH, pattern=r"^[^\x00-\x1f]*$")]
EventName = Annotated[str, StringConstraints(pattern=EVENT_NAME_PATTERN)]
Properties = Annotated[dict[str, Any], AfterValidator(_storable)]


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

    @model_validator(mode="after")
    def _said_by_the_producer(self, info: ValidationInfo) -> Self:
        # a default made up while reading would be another one on the next reading: no repeat is recognised
        missing = sorted({"event_id", "timestamp"} - self.model_fields_set)
        if info.mode == "json" and missing:
            raise PydanticCustomError(
                "missing", "Field required from a producer: {fields}", {"fields": ", ".join(missing)}
            )
        return self


class AnalyticsEvent(Contract):
    """One thing that happened, once."""

    metadata: AnalyticsMetadata
    event_type: AnalyticsEventType
    event_name: EventName
    properties: Properties = Field(default_factory=dict)
