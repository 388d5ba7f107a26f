"""A connection whose statements others see at once."""

from collections.abc import Iterator

import psycopg
import pytest

from analytics_dagster.warehouse import WarehouseUrl, connect


@pytest.fixture
def committing(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    with connect(warehouse, autocommit=True) as open_connection:
        yield open_connection
