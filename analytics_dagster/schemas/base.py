"""What all contracts share: strict, closed, immutable, UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

# A tenant's id is part of partition keys, role names and paths, so it is a plain slug; its *name* is free text.
TENANT_ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"

TenantId = Annotated[str, StringConstraints(pattern=TENANT_ID_PATTERN)]
UtcDatetime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class Contract(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def utc_now() -> datetime:
    return datetime.now(UTC)
