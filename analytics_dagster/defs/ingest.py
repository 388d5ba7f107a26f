"""Landing files to raw events, one loading day after another, with books that must balance."""

from datetime import timedelta

import dagster as dg

from analytics_dagster.defs.labels import OWNERS
from analytics_dagster.defs.partitions import day_of, loading_days
from analytics_dagster.defs.previews import markdown_table
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.tenants import tenants
from analytics_dagster.ingest.books import Book, books
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.tenancy.limits import Breach, mark_breaches


@dg.asset(
    group_name="raw",
    owners=OWNERS,
    kinds={"duckdb", "postgres"},
    partitions_def=loading_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[tenants],
    check_specs=[
        dg.AssetCheckSpec(
            "books_balance",
            asset="raw_events",
            blocking=True,
            description="For every tenant: received = accepted + duplicate + quarantined, and the tables hold "
            "just that many rows.",
        ),
        dg.AssetCheckSpec(
            "tenants_stay_within_limits",
            asset="raw_events",
            description="No tenant received more events on a loading day, or larger ones, than its limits allow. "
            "Nothing is dropped for it.",
        ),
    ],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=48), warn_window=timedelta(hours=30)),
)
def raw_events(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Every event that landed on a day: checked, without duplicates; what was refused waits in the quarantine.

    A file is known by its content, so loading a day again loads only what is new.
    """
    days = [day_of(key) for key in context.partition_keys]
    registry = load_event_contracts(warehouse.settings.events_dir)
    for day in days:
        report = load_day(warehouse.url, warehouse.settings.landing_dir, day, registry)
        for problem in report.problems:
            context.log.warning(str(problem))
        context.add_asset_metadata({"dagster/partition_row_count": report.accepted}, partition_key=day.isoformat())
    with warehouse.connect() as connection:
        accounts = books(connection, days)
        beyond = mark_breaches(connection, days)
    for breach in beyond:
        context.log.warning(str(breach))
    return dg.MaterializeResult(
        metadata={"books": markdown_table(Book, accounts), "received": sum(book.received for book in accounts)},
        check_results=[
            dg.AssetCheckResult(
                check_name="books_balance",
                passed=all(book.balances for book in accounts),
                metadata={"out of balance": [book.tenant_id for book in accounts if not book.balances]},
            ),
            dg.AssetCheckResult(
                check_name="tenants_stay_within_limits",
                passed=not beyond,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"beyond their limits": markdown_table(Breach, beyond)},
            ),
        ],
    )
