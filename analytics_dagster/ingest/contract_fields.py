"""The fields of a contract as SQL sees them: each a column of JSON text, with what may stand in it.

Derived from the pydantic models of the event, its metadata and its properties. Which query asks what of them
is `contract_sql`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from analytics_dagster.ingest.value_sql import ValueSql, quoted, value_sql, without_none
from analytics_dagster.schemas.base import needed_on_the_wire

Path = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    path: Path
    column: str  # the value as JSON text, quotes included; null where it is absent
    value: ValueSql
    needed: bool
    nullable: bool
    inside: tuple["Field", ...] = ()  # of an object whose fields the contract knows

    @property
    def key(self) -> str:
        """As JSON writes it."""
        return f'"{self.path[-1]}":'

    @property
    def sure(self) -> str:
        """Certainly as it should be."""
        condition = f"({self.value.sure(self.column)})"
        if self.nullable:
            return f"(coalesce({self.column}, 'null') = 'null' or {condition})"
        return condition if self.needed else f"({self.column} is null or {condition})"

    @property
    def sound(self) -> str:
        """Present and not broken, where nothing is doubtful."""
        broken = " or ".join(rule.broken(self.column) for rule in self.value.rules)
        return f"({self.column} is not null and not ({broken}))"

    def with_inside(self) -> Iterator["Field"]:
        yield self
        for field in self.inside:
            yield from field.with_inside()


def event_fields(model: type[BaseModel], path: Path = ()) -> tuple[Field, ...]:
    found = []
    for name, info in model.model_fields.items():
        annotation, nullable = without_none(info.annotation)
        here = (*path, name)
        nested = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        found.append(
            Field(
                path=here,
                column="_".join(("f", *here)),
                value=value_sql(annotation, info.metadata),
                needed=needed_on_the_wire(info),
                nullable=nullable,
                inside=event_fields(annotation, here) if nested else (),
            )
        )
    return tuple(found)


def property_fields(model: type[BaseModel]) -> tuple[Field, ...]:
    """In the column `own`: the values of these properties, in this order."""
    found = []
    for place, info in enumerate(model.model_fields.values(), start=1):
        annotation, nullable = without_none(info.annotation)
        name = info.alias or ""
        value = value_sql(annotation, info.metadata)
        found.append(Field(("properties", name), f"own[{place}]", value, info.is_required(), nullable))
    return tuple(found)


def json_path(path: Path) -> str:
    return quoted("$" + "".join(f'."{name}"' for name in path))


def json_paths(fields: tuple[Field, ...] | list[Field], below: int = 0) -> str:
    return "[" + ", ".join(json_path(field.path[below:]) for field in fields) + "]"
