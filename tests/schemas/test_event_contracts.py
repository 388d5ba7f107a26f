"""The event registry: strict files whose faults are named, contracts as models, the table's columns."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from analytics_dagster.ingest.checking import ROW
from analytics_dagster.schemas.event_columns import LOADING_COLUMNS, event_columns
from analytics_dagster.schemas.event_contract import EventContract, EventRegistry
from analytics_dagster.schemas.event_files import EventFileError, load_event_contracts
from analytics_dagster.settings import PROJECT_ROOT

ACTIONS = {"track_play", "order_placed", "feature_used", "article_read"}
MARTS = {"payment_succeeded", "payment_refunded", "subscription_started", "subscription_cancelled"}


def contract(**fields: Any) -> EventContract:
    told = {"event_name": "x", "description": "X", **fields}
    return EventContract.model_validate_json(json.dumps(told))


def properties(**rules: Any) -> dict[str, Any]:
    return {"p": {"description": "P", **rules}}


def test_the_names_that_the_marts_read_are_registered() -> None:
    registry = load_event_contracts(PROJECT_ROOT / "events")
    assert {contract.event_name for contract in registry.contracts} >= ACTIONS | MARTS


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.yaml": "event_name: x"}, "a.yaml: x: description: is missing: add it"),
        ({"a.yaml": "- {event_name: x, description: X, colour: red}"}, "a.yaml: x: colour: is not a field here"),
        ({"a.yaml": "{event_name: X y, description: X}"}, "a.yaml: X y: event_name: string should match"),
        (
            {"a.yaml": "{event_name: x, description: X, properties: {p: {type: int, description: P}}}"},
            "x: properties.p.type: input should be 'text'",
        ),
        (
            {"a.yaml": "{event_name: x, description: X, properties: {p: {typ: text, description: P}}}"},
            "x: properties.p.typ: is not a field here: remove it, or use one of type, description",
        ),
        (
            {"a.yaml": "{event_name: x, description: X, properties: {a b: {type: text, description: P}}}"},
            "properties.a b",
        ),
        ({"a.yaml": "{event_name: x, description: X, 2026-01-01: y}"}, "a.yaml: x: has a key that is no text"),
        ({"a.yaml": "text"}, "a.yaml: holds no fields"),
        ({"a.yaml": "a: &b 1\nc: *b"}, "a.yaml: holds an alias"),
        ({"a.yaml": "a: ["}, "a.yaml: is not plain YAML"),
        ({"a.yaml": b"\xff"}, "a.yaml: is not UTF-8"),
        ({"a.yml": ""}, "a.yml: rename it to a.yaml"),
        (
            {"a.yaml": "{event_name: x, description: X}", "b.yaml": "{event_name: x, description: Y}"},
            "b.yaml: x: is stated for all tenants in a.yaml already",
        ),
        (
            {
                "a.yaml": "- {event_name: x, description: X, kinds: [shop]}\n"
                "- {event_name: x, description: Y, kinds: [shop]}"
            },
            "a.yaml: x: is stated for shop in a.yaml already",
        ),
    ],
)
def test_a_fault_of_a_file_is_named(tmp_path: Path, files: dict[str, str | bytes], expected: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EventFileError) as refused:
        load_event_contracts(tmp_path)
    assert expected in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_folder_or_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="ANALYTICS_EVENTS_DIR"):
        load_event_contracts(tmp_path / "nowhere")
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(EventFileError, match=r"a\.yaml: cannot be read"):
        load_event_contracts(tmp_path)


def test_what_is_no_contract_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".a.yaml").write_text("[")
    assert load_event_contracts(tmp_path).contracts == ()


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"type": "integer", "one_of": ["a"]}, "one_of"),
        ({"type": "boolean", "minimum": 1}, "minimum"),
        ({"type": "integer", "minimum": 1.5}, "minimum"),
        ({"type": "money", "maximum": 1e12}, "maximum"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "maximum"),
        ({"type": "text", "one_of": ["a"], "max_length": 3}, "one_of"),
        ({"type": "text", "pattern": "(?i)a"}, "pattern"),
        ({"type": "text", "pattern": "[a&&b]"}, "pattern"),
        ({"type": "text", "pattern": "[[:alpha:]]"}, "pattern"),
        ({"type": "text", "pattern": r"\bword"}, "pattern"),
        ({"type": "text", "pattern": "a)"}, "pattern"),
        ({"type": "object", "max_length": 1}, "max_length"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        contract(properties=properties(**rules))
    assert refused.value.errors()[0]["loc"][-1] == field


def test_tenants_and_kinds_do_not_stand_together() -> None:
    with pytest.raises(ValidationError):
        contract(kinds=["shop"], tenants=["acme"])


@pytest.mark.parametrize("pattern", [r"^[A-Z]{3}$", r"^trk-\d+$", r"a|(?:b\.c)+", r"[\w.-]+@[^\s@]+", "^/", r"\(x\)"])
def test_plain_patterns_are_taken(pattern: str) -> None:
    assert contract(properties=properties(type="text", pattern=pattern)).properties["p"].pattern == pattern


def test_names_that_a_model_has_itself_are_fine() -> None:
    model = contract(
        properties={name: {"type": "integer", "description": "N"} for name in ("copy", "json", "_x")}
    ).model
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json('{"copy": "1", "json": 1, "_x": null}')
    assert [fault["loc"] for fault in refused.value.errors()] == [("copy",)]


def test_the_most_specific_contract_is_found() -> None:
    own, kind, common = contract(tenants=["a"]), contract(kinds=["shop"]), contract()
    registry = EventRegistry((own, kind, common)).knowing({"a": "shop", "b": "shop", "c": "saas"})
    assert [registry.find("x", tenant) for tenant in "abc"] == [own, kind, common]
    assert registry.find("y", "a") is None
    assert {c.scope: t for c, t in registry.applied({"a", "b", "c"})} == {
        ("a",): {"a"},
        ("shop",): {"b"},
        (): {"c"},
    }
    assert EventRegistry((kind,)).knowing({"c": "saas"}).find("x", "c") is None


def test_the_table_and_the_loaders_row_have_the_columns_of_the_contract(connection: psycopg.Connection) -> None:
    found = connection.execute(
        "select attname, format_type(atttypid, atttypmod), not attnotnull from pg_attribute"
        " where attrelid = 'raw.events'::regclass and attnum > 0 and not attisdropped"
    ).fetchall()
    names = {"timestamp with time zone": "timestamptz"}
    derived = [*event_columns(), *LOADING_COLUMNS]
    assert {(name, names.get(type_, type_), nullable) for name, type_, nullable in found} == {
        (column.name, column.type, column.nullable) for column in derived
    }
    assert all(column.description for column in derived)
    assert ROW.names == ["position", *(column.name for column in event_columns())]
