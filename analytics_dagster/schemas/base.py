"""What all contracts share: strict, closed, immutable, UTC; and the plain types of their fields.

On the hot path of loading: a type here decides over every line of every producer. Models that several
contracts are made of are in `_parts`.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    StringConstraints,
    ValidationInfo,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

# A tenant's id is part of partition keys, role names and paths, so it is a plain slug; its *name* is free text.
TENANT_ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

# pydantic alone takes much more for a time ("1700000000", a space, a comma); every reader agrees on this.
RFC_3339_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_RFC_3339 = re.compile(RFC_3339_PATTERN[1:-1])
EARLIEST_YEAR, LATEST_YEAR = 1970, 2099

IDENTIFIER_LENGTH = 200
EVENT_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,79}$"
NO_CONTROL_CHARACTER_PATTERN = r"^[^\x00-\x1f]*$"


def _as_strict_as_the_rest(value: object, info: ValidationInfo) -> object:
    if isinstance(value, datetime):
        return value
    if info.mode != "json" or not isinstance(value, str):
        raise PydanticCustomError("datetime_type", "Input should be a valid datetime")
    if not _RFC_3339.fullmatch(value):
        raise PydanticCustomError(
            "timestamp_format", "Input should be an RFC 3339 time, such as 2026-01-31T09:30:00.125+01:00"
        )
    try:
        return datetime.fromisoformat(value)
    except ValueError:  # the year 0000 among them
        raise PydanticCustomError("timestamp_day", "Input should be on a day that there is") from None


def _in_utc(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first and the last hours that Python knows
        pass
    else:
        if EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
            return moment
    raise PydanticCustomError(
        "timestamp_range",
        "Input should be a time between the years {earliest} and {latest}",
        {"earliest": EARLIEST_YEAR, "latest": LATEST_YEAR},
    )


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


TenantId = Annotated[str, StringConstraints(pattern=TENANT_ID_PATTERN)]
# Not Strict(): what a before-validator hands on counts as Python's, and text would be refused; it is strict itself.
UtcDatetime = Annotated[
    AwareDatetime, Strict(strict=False), BeforeValidator(_as_strict_as_the_rest), AfterValidator(_in_utc)
]
Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH, pattern=NO_CONTROL_CHARACTER_PATTERN)
]
EventName = Annotated[str, StringConstraints(pattern=EVENT_NAME_PATTERN)]
Properties = Annotated[dict[str, Any], AfterValidator(_storable)]


class Contract(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid4())


def needed_on_the_wire(field: FieldInfo) -> bool:
    """Identity and time can be left out where an object is made, and never where it is sent."""
    return field.is_required() or field.default_factory in (new_id, utc_now)
