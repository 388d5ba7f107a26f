"""The contracts as JSON Schema, one file each: `python -m analytics_dagster.schemas.export [folder]`.

They describe what goes over the wire, for producers and readers in other languages. What a schema cannot say
(one field against another) is in the contracts alone.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from analytics_dagster import schemas
from analytics_dagster.schemas.base import Contract, new_id, utc_now

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


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


def documents() -> dict[str, str]:
    """The content of each file, by its name."""
    return {
        f"{model.__name__}.json": json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for model in exported()
    }


def write(folder: Path = FOLDER) -> list[str]:
    """Make the folder hold exactly the exported schemas; the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    for name in present.keys() - wanted.keys():
        (folder / name).unlink()
    for name, content in wanted.items():
        if present.get(name) != content:
            (folder / name).write_text(content, encoding="utf-8")
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def main(arguments: Sequence[str]) -> None:
    for name in write(Path(arguments[0]) if arguments else FOLDER):
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
