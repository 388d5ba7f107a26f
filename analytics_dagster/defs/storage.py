"""Dagster's storage in PostgreSQL, which plans the partitions of a run in a few statements.

Dagster writes the materializations of a run in batches, but each that it plans by itself, in two transactions: with
a partition for each asset and day, that was two fifths of the sample's first run, and is more for a longer history.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self, cast

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

if TYPE_CHECKING:
    from dagster._core.storage.config import PostgresStorageConfig
    from dagster_postgres.auth import PgTokenProvider


class PlanningEventLog(PostgresEventLogStorage):
    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        planned = [event for event in events if event.get_dagster_event().is_asset_materialization_planned]
        others = [event for event in events if not event.get_dagster_event().is_asset_materialization_planned]
        if planned:
            self._plan(sorted(planned, key=_asset))
        if others:
            super().store_event_batch(others)

    def _plan(self, planned: list[EventLogEntry]) -> None:
        """In the order of assets, as Dagster hands them over: two runs at once wait, and do not lock each other."""
        with self.index_transaction() as connection:
            insert = self.prepare_insert_event_batch(planned).returning(SqlEventLogStorageTable.c.id)
            ids: list[int] = list(connection.execute(insert).scalars())
            for _, of_asset in groupby(zip(planned, ids, strict=True), key=lambda pair: _asset(pair[0])):
                *_, (last, event_id) = of_asset
                self._store_asset_event(connection, last, event_id)


class Storage(DagsterPostgresStorage):
    """What dagster.yaml names; configured as Dagster's own."""

    def __init__(
        self,
        postgres_url: str,
        *,
        should_autocreate_tables: bool,
        inst_data: ConfigurableClassData | None,
        token_provider: "PgTokenProvider | None",
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        self._event_log_storage = PlanningEventLog(
            postgres_url, should_autocreate_tables, token_provider=token_provider
        )

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        config = cast("PostgresStorageConfig", config_value)
        return cls(
            pg_url_from_config(config),
            should_autocreate_tables=config_value["should_autocreate_tables"],
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config),
        )


def _asset(event: EventLogEntry) -> str:
    key = event.get_dagster_event().asset_key
    return key.to_string() if key else ""
