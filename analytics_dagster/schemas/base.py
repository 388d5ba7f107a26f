"""What all contracts share: strict, closed, immutable, UTC."""

import re
from datetime import UTC, datetime
from typing import Annotated

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
from pydantic_core import PydanticCustomError

# A tenant's id is part of partition keys, role names and paths, so it is a plain slug; its *name* is free text.
TENANT_ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

# pydantic alone takes much more for a time ("1700000000", a space, a comma); every reader agrees on this.
RFC_3339_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$"
_RFC_3339 = re.compile(RFC_3339_PATTERN[1:-1], re.ASCII)
EARLIEST_YEAR, LATEST_YEAR = 1970, 2099


def _as_strict_as_the_rest(value: object, info: ValidationInfo) -> object:
    if isinstance(value, datetime):
        return value
    if info.mode != "json" or not isinstance(value, str):
        raise PydanticCustomError("datetime_type", "Input should be a valid datetime")
    if not _RFC_3339.fullmatch(value):
        raise PydanticCustomError(
            "timestamp_format", "Input should be an RFC 3339 time, such as 2026-01-31T09:30:00.125+01:00"
        )
    return value


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


TenantId = Annotated[str, StringConstraints(pattern=TENANT_ID_PATTERN)]
# Not Strict(): what a before-validator hands on counts as Python's, and text would be refused; it is strict itself.
UtcDatetime = Annotated[
    AwareDatetime, Strict(strict=False), BeforeValidator(_as_strict_as_the_rest), AfterValidator(_in_utc)
]


class Contract(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def utc_now() -> datetime:
    return datetime.now(UTC)
