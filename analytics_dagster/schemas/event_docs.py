"""The registered events for people and for other programs: the page `docs/events.md`, JSON Schema, the dbt source."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from analytics_dagster.schemas.event_columns import LOADING_COLUMNS, event_columns
from analytics_dagster.schemas.event_contract import EventContract, EventRegistry, PropertyContract

HEAD = """# Events

<!-- Written by `make schemas` from `events/`: change it there. -->

An event may have any name and any properties. For the names below, `events/` says what some properties hold: a
breach sends the line to `raw.quarantine`, with `properties.<name>` as the field of the reason. Optional properties may
be absent or null; others than these are allowed. The fields around the properties are in
[AnalyticsEvent](schemas/AnalyticsEvent.json).

A file of `events/` holds one event or a list of them; `make schemas` renews this page and `docs/schemas/events/`:

- `event_name`, `description`; `kinds` or `tenants` that it applies to, without both: all. The most specific one
  applies: that of the tenant, else of its kind, else of all.
- `properties`: by name, each with `type` (text, integer, number, boolean, money, timestamp, object, list) and
  `description`; `required`, `personal`; of text `one_of`, `max_length`, `pattern`; of integer, number and money
  `minimum`, `maximum`.
- money is text such as `"9.99"`, or a number, with at most twelve digits before the point.
"""


def events_page(registry: EventRegistry) -> str:
    return HEAD + "".join(_section(contract) for contract in registry.contracts)


def source_columns() -> str:
    """The columns of `raw.events` as dbt's source describes them."""
    return "".join(
        f"          - {{name: {column.name}, data_type: {column.type},"
        f" description: {json.dumps(column.description)}}}\n"
        for column in (*event_columns(), *LOADING_COLUMNS)
    )


def _section(contract: EventContract) -> str:
    scope = f"Of {', '.join(contract.scope)}. " if contract.scope else ""
    lines = [f"\n## {contract.event_name}\n", f"{scope}{contract.description}\n"]
    if contract.properties:
        lines += ["| property | type | rules | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {rules.type} | {_cell(', '.join(_rules(rules)))} | {_cell(rules.description)} |"
            for name, rules in contract.properties.items()
        ]
    return "\n".join(lines) + "\n"


def _rules(rules: PropertyContract) -> Iterator[str]:
    if rules.required:
        yield "required"
    if rules.personal:
        yield "personal"
    if rules.one_of:
        yield "one of " + ", ".join(f"`{word}`" for word in rules.one_of)
    if rules.minimum is not None:
        yield f"at least {rules.minimum:,}"
    if rules.maximum is not None:
        yield f"at most {rules.maximum:,}"
    if rules.max_length is not None:
        yield f"at most {rules.max_length:,} characters"
    if rules.pattern is not None:
        yield f"matches `{rules.pattern}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def event_schemas(registry: EventRegistry) -> dict[str, str]:
    """The properties of each event as JSON Schema; where a name has several contracts, any of them."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for contract in registry.contracts:
        by_name.setdefault(contract.event_name, []).append(contract.model.model_json_schema())
    return {
        f"{name}.json": json.dumps(
            {
                "$schema": GenerateJsonSchema.schema_dialect,
                "$id": f"events/{name}.json",
                **(schemas[0] if len(schemas) == 1 else {"anyOf": schemas}),
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
        for name, schemas in by_name.items()
    }
