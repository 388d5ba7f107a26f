from pathlib import Path

import pytest
import yaml

from analytics_dagster.compliance import INVENTORY_FILE, load_inventory, undeclared
from analytics_dagster.compliance.inventory import SCHEMAS, Column, columns
from analytics_dagster.errors import AnalyticsError

TEXT = INVENTORY_FILE.read_text(encoding="utf-8")
MODELS = Path(__file__).parents[2] / "dbt_project" / "models"


def dbt_columns():
    """(table, column, data type, said to be personal) of every model that keeps rows."""
    for layer in ("intermediate", "marts"):
        for file in sorted((MODELS / layer).rglob("*.yml")):
            for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
                for column in model["columns"]:
                    personal = column.get("config", {}).get("meta", {}).get("personal", False)
                    yield f"{layer}.{model['name']}", column["name"], column["data_type"].split("(")[0], personal


def test_every_column_of_the_migrated_warehouse_is_declared(connection):
    assert [str(column) for column in undeclared(connection)] == []


def test_every_column_of_the_dbt_models_is_declared():
    inventory = load_inventory()
    found = [(Column(table, name, data_type), personal) for table, name, data_type, personal in dbt_columns()]
    assert len(found) > 20
    missing = [str(c) for c, _ in found if c.can_hold_personal_data and inventory.of(c.table, c.name) is None]
    assert missing == []
    denied = [str(c) for c, personal in found if personal and not inventory.of(c.table, c.name).personal]
    assert denied == []


def test_every_declaration_is_about_a_column_that_exists(connection):
    there = {(column.table, column.name) for column in columns(connection)}
    there |= {(table, name) for table, name, _, _ in dbt_columns()}
    declared = {(table, name) for table, names in load_inventory().tables.items() for name in names}
    assert declared - there == set()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_new_column_is_found_in_every_schema(connection, schema):
    connection.execute(
        f'create table "{schema}".visitors (tenant_id text, note text, birth date, visits bigint, seen timestamptz,'
        " tags text[], tracked boolean, subscriber bigint)"
    )
    connection.execute(f'create table "{schema}".visitors__dbt_tmp (note text)')
    found = [str(column) for column in undeclared(connection)]
    assert found == [f"{schema}.visitors.{name}" for name in ("note", "birth", "tags", "subscriber")]


@pytest.mark.parametrize(
    ("name", "data_type", "can"),
    [
        ("anything", "text", True),
        ("anything", "jsonb", True),
        ("anything", "bytea", True),
        ("anything", "uuid", True),
        ("anything", "USER-DEFINED", True),
        ("amount", "numeric", False),
        ("as_of", "date", False),
        ("is_test", "boolean", False),
        ("user_number", "bigint", True),
        ("active_users", "bigint", False),
        ("date_of_birth", "date", True),
        ("last_lat", "double precision", True),
        ("latest", "date", False),
    ],
)
def test_what_can_hold_personal_data(name, data_type, can):
    assert Column("raw.t", name, data_type).can_hold_personal_data is can


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("{category: identifier, why: counts a visitor who is not known yet}", "{category: secret, why: because}",
         r"tables\.raw\.events\.anonymous_id\.category"),
        ("why: counts a visitor who is not known yet", "why: ''", r"tables\.raw\.events\.anonymous_id\.why"),
        ("raw.events:", "events:", r"tables\.events"),
        ("everywhere:", "[", "cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_inventory_is_named_by_file_and_field(tmp_path, before, after, message):
    file = tmp_path / "personal_data.yaml"
    file.write_text(TEXT.replace(before, after), encoding="utf-8")
    with pytest.raises(AnalyticsError, match=message) as raised:
        load_inventory(file)
    assert raised.value.where == str(file)
