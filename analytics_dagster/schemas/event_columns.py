"""The columns of an event in the warehouse, derived from its contract: the row of the loader, `raw.events`,
the dbt source. What loading adds to an event stands here, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from analytics_dagster.schemas.analytics import AnalyticsEvent

RENAMED = {"timestamp": "occurred_at"}
FIRST = ("tenant_id", "event_id", "event_type", "event_name", "source", "occurred_at")  # what is looked for


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # PostgreSQL's
    nullable: bool
    description: str
    path: tuple[str, ...] = ()  # where the event has it; none: loading adds it


def event_columns() -> list[Column]:
    found = {column.name: column for column in _columns(AnalyticsEvent, ())}
    return [found.pop(name) for name in FIRST] + list(found.values())


LOADING_COLUMNS = (
    Column("load_day", "date", nullable=False, description="The day on which the event was loaded."),
    Column("batch_id", "bigint", nullable=False, description="The file that it came in: `raw.batches`."),
    Column("line_number", "bigint", nullable=False, description="Its line in that file, counted from 1."),
)


def _columns(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Column]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _columns(field.annotation, (*path, name))
        else:
            type_, nullable = _type(field)
            yield Column(RENAMED.get(name, name), type_, nullable, field.description or "", (*path, name))


def _type(field: FieldInfo) -> tuple[str, bool]:
    nullable = NoneType in get_args(field.annotation)
    annotation: Any = field.annotation
    if annotation is bool:
        return "boolean", nullable
    if annotation is AwareDatetime:
        return "timestamptz", nullable
    if annotation == dict[str, Any]:
        return "jsonb", nullable
    if nullable or issubclass(annotation, str):
        return "text", nullable
    raise TypeError(f"no column type is known for {annotation}: teach it to {__name__}")
