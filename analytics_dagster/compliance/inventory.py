"""The inventory of personal data, and the proof that it is complete.

A column that can hold personal data, by its type or its name, is declared personal or declared not to be,
with the reason. A new column that nobody thought about is found by reading the catalogue.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import psycopg
import yaml
from psycopg.rows import class_row
from pydantic import Field, StringConstraints, ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.base import Contract
from analytics_dagster.schemas.yaml_files import parsed

INVENTORY_FILE = Path(__file__).with_name("personal_data.yaml")
SCHEMAS = ("raw", "intermediate", "marts", "ml", "billing", "tenancy", "quality", "compliance")

# Numbers, dates and truth values say nothing about a person unless their name does.
PLAIN_TYPES = {
    "bigint", "boolean", "date", "double precision", "integer", "interval", "numeric", "real", "smallint",
    "timestamp with time zone", "timestamp without time zone",
}  # fmt: skip
TELLING_NAMES = re.compile(
    r"(^|_)(account|actor|address|age|anonymous|birth|birthday|born|card|city|contact|cookie|customer|device|"
    r"e?mail|gender|iban|ip|lat|latitude|lon|longitude|name|person|phone|postcode|salary|session|sex|subscriber|"
    r"user|visitor|zip)(_|$)"
)

COLUMNS = """
select c.table_schema || '.' || c.table_name as "table", c.column_name as name, c.data_type
from information_schema.columns as c
where c.table_schema = any(%s) and c.table_name not like '%%\\_\\_dbt\\_%%'
order by c.table_schema, c.table_name, c.ordinal_position
"""

Category = Literal["identifier", "behaviour", "payment", "profile", "none"]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_0-9]+$")]


@dataclass(frozen=True)
class Column:
    table: str  # with its schema
    name: str
    data_type: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def can_hold_personal_data(self) -> bool:
        return self.data_type not in PLAIN_TYPES or bool(TELLING_NAMES.search(self.name))


class Declaration(Contract):
    category: Category
    why: Annotated[str, Field(min_length=5)]

    @property
    def personal(self) -> bool:
        return self.category != "none"


class Inventory(Contract):
    everywhere: dict[str, Declaration]
    tables: dict[TableName, dict[str, Declaration]]

    def of(self, table: str, column: str) -> Declaration | None:
        return self.tables.get(table, {}).get(column) or self.everywhere.get(column)


def load_inventory(path: Path = INVENTORY_FILE) -> Inventory:
    try:
        return Inventory.model_validate(parsed(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise AnalyticsError(
            f"an inventory that cannot work: {wrong}", where=str(path), remedy="correct the file"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AnalyticsError(
            f"the inventory cannot be read: {error}",
            where=str(path),
            remedy="restore the file, or correct its YAML",
        ) from None


def columns(connection: psycopg.Connection) -> list[Column]:
    """Every column in the schemas that keep tenants' data."""
    with connection.cursor(row_factory=class_row(Column)) as cursor:
        return cursor.execute(COLUMNS, [list(SCHEMAS)]).fetchall()


def undeclared_among(present: Sequence[Column], inventory: Inventory) -> list[Column]:
    return [
        column
        for column in present
        if column.can_hold_personal_data and inventory.of(column.table, column.name) is None
    ]


def undeclared(connection: psycopg.Connection, inventory: Inventory | None = None) -> list[Column]:
    """The columns that could hold personal data and that nobody has decided about."""
    return undeclared_among(columns(connection), inventory or load_inventory())
