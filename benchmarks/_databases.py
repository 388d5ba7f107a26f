"""A thrown-away PostgreSQL with the settings of production, and fresh databases on it with the tenants registered."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Self

from _events import TENANTS
from psycopg import sql

from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect, migrate

TEMPLATE = "template_of_benchmark"


@contextmanager
def embedded() -> Iterator[WarehouseUrl]:
    with tempfile.TemporaryDirectory(prefix="analytics-loading-") as folder:
        server = EmbeddedServer(Path(folder) / "warehouse", port=0, linger=0)
        with server as url:
            yield url
        server.wait_until_stopped()


@dataclass
class Databases:
    """Fresh databases on a server, copied from a migrated template that stands as long as this is entered."""

    server: WarehouseUrl
    _numbers: Iterator[int] = field(default_factory=count)

    def __enter__(self) -> Self:
        self._create(TEMPLATE, "template1")
        with connect(replace(self.server, database=TEMPLATE)) as connection:
            migrate(connection)
            for _, tenant, kind in TENANTS:
                connection.execute(
                    "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
                    " configuration) values (%s, %s, %s, 'enterprise', 'UTC', 'EUR', 'scale', 'eu', '{}')",
                    [tenant, tenant, kind],
                )
            # what a loader is compared with writes here: nobody's rules but the table's own
            connection.execute("create schema bare")
            connection.execute("create table bare.events (like raw.events including all)")
        return self

    def __exit__(self, *_: object) -> None:
        self._drop(TEMPLATE)

    @contextmanager
    def fresh(self) -> Iterator[WarehouseUrl]:
        """A database of its own, with the tenants and without an event."""
        name = f"benchmark_{next(self._numbers)}"
        self._create(name, TEMPLATE)
        try:
            with self.settled(replace(self.server, database=name)) as url:
                yield url
        finally:
            self._drop(name)

    @contextmanager
    def settled(self, url: WarehouseUrl) -> Iterator[WarehouseUrl]:
        """What was written before is on the disk, so that nobody pays for somebody else."""
        with connect(self.server, autocommit=True) as connection:
            connection.execute("checkpoint")
        yield url

    def _create(self, name: str, template: str) -> None:
        with connect(self.server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
            )

    def _drop(self, name: str) -> None:
        with connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
