"""What is written from the contracts: `python -m analytics_dagster.schemas.export [project folder]` (`make schemas`).

JSON Schema of each contract and of each registered event's properties, for producers and readers in other languages
(what a schema cannot say, one field against another, is in the contracts alone); the page of events; the columns in
the dbt source of `raw.events`.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from analytics_dagster import schemas
from analytics_dagster.schemas.base import Contract, new_id, utc_now
from analytics_dagster.schemas.event_docs import event_schemas, events_page, source_columns
from analytics_dagster.schemas.event_files import load_event_contracts

PROJECT = Path(__file__).parents[2]
SOURCES = "dbt_project/models/sources.yml"
# Between its marks, the file is written here; the rest of it is a person's.
SOURCE_COLUMNS = re.compile(r"(?<=# columns: make schemas\n).*?(?=^ *# columns end$)", re.MULTILINE | re.DOTALL)


class _OnTheWire(GenerateJsonSchema):
    """Identity and time can be left out where an object is made, and never where it is sent."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - pydantic's signature
    ) -> bool:
        inner = field["schema"]
        if inner["type"] == "default" and inner.get("default_factory") in (new_id, utc_now):
            return True
        return super().field_is_required(field, total)


def exported() -> Iterator[type[BaseModel]]:
    """Every contract that `analytics_dagster.schemas` names."""
    for name in sorted(schemas.__all__):
        model = getattr(schemas, name)
        if isinstance(model, type) and issubclass(model, Contract):
            yield model


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_OnTheWire)
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"{model.__name__}.json", **schema}


def documents(project: Path = PROJECT) -> dict[str, str]:
    """The content of each file, by its path in the project."""
    registry = load_event_contracts(project / "events")
    contracts = {
        f"docs/schemas/{model.__name__}.json": json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for model in exported()
    }
    events = {f"docs/schemas/events/{name}": text for name, text in event_schemas(registry).items()}
    source = SOURCE_COLUMNS.sub(lambda _: source_columns(), (project / SOURCES).read_text(encoding="utf-8"))
    return {**contracts, **events, "docs/events.md": events_page(registry), SOURCES: source}


def present(project: Path = PROJECT) -> dict[str, str]:
    """What there is of it."""
    files = [*(project / "docs/schemas").rglob("*.json"), project / "docs/events.md", project / SOURCES]
    return {path.relative_to(project).as_posix(): path.read_text(encoding="utf-8") for path in files if path.is_file()}


def write(project: Path = PROJECT) -> list[str]:
    """Make the files hold exactly what the contracts say; the paths of those that changed."""
    wanted, there = documents(project), present(project)
    for name in there.keys() - wanted.keys():
        (project / name).unlink()
    for name, content in wanted.items():
        if there.get(name) != content:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content, encoding="utf-8")
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: Sequence[str]) -> None:
    for name in write(Path(arguments[0]) if arguments else PROJECT):
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
