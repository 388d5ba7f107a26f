"""The sample obeys the event registry that comes with the project: its books are those of the ledger of truth."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import psycopg

from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.sample import SamplePlan, load_ledger, simulate
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import load_tenant_files, register


def test_the_books_of_the_sample_are_those_of_the_ledger(connection: psycopg.Connection, tmp_path: Path) -> None:
    tenants = load_tenant_files(PROJECT_ROOT / "tenants")
    register(connection, tenants)
    landing = tmp_path / "landing"
    simulate(SamplePlan(5_000, 42, date(2025, 11, 20)), tenants, landing, tmp_path / "ledger")
    registry = load_event_contracts(PROJECT_ROOT / "events")
    for day in pending_files(landing).days:
        load_day(connection, landing, day, registry)
    found = books(connection)
    ledger = load_ledger(tmp_path / "ledger").accounts
    assert found == {
        key: (account.received, account.accepted, account.duplicate, account.quarantined)
        for key, account in ledger.items()
        if account.received
    }
    assert not connection.execute(
        "select reasons from raw.quarantine, jsonb_array_elements(reasons) as r where r ->> 'field' like 'properties.%'"
    ).fetchall()


def books(connection: psycopg.Connection) -> dict[tuple[date, str], Sequence[int]]:
    rows = connection.execute(
        "select load_day, tenant_id, sum(received)::int, sum(accepted)::int, sum(duplicate)::int,"
        " sum(quarantined)::int from raw.accounts group by 1, 2"
    )
    return {(day, tenant): tuple(counts) for day, tenant, *counts in rows}
