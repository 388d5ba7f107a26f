"""What assets are given: the warehouse, and with it the sign of life of their run."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg
from pydantic import PrivateAttr

from analytics_dagster.defs.signs_of_life import sign_of_life
from analytics_dagster.settings import Settings, settings
from analytics_dagster.warehouse import WarehouseUrl, connect, warehouse_url


class Warehouse(dg.ConfigurableResource):
    """PostgreSQL, embedded or given. While a run uses it, the run is known to be alive."""

    _url: WarehouseUrl | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        return settings()

    @property
    def url(self) -> WarehouseUrl:
        if self._url is None:
            self._url = warehouse_url(self.settings)
        return self._url

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        with connect(self.url) as connection:
            yield connection

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Warehouse"]:
        if context.run is None:
            yield self
        else:
            with sign_of_life(self.url, context.run.run_id):
                yield self
