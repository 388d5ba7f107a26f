"""The monthly billing report: a statement as a page that finance can check, and the one call that makes it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg

from analytics_dagster import documents
from analytics_dagster.billing.plans import MINOR_UNITS
from analytics_dagster.billing.rating import Line
from analytics_dagster.billing.statements import Statement, statement, store
from analytics_dagster.warehouse import WarehouseUrl, connect


@dataclass(frozen=True)
class BillingReport:
    path: Path
    sha256: str
    statement: Statement

    @property
    def total(self) -> Decimal:
        return self.statement.total

    @property
    def currency(self) -> str:
        return self.statement.currency

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.statement.lines


def render(statement: Statement) -> str:
    return documents.render(
        __package__,
        "statement.html.j2",
        statement=statement,
        usage=statement.usage,
        last_day=documents.last_day(statement.month),
        minor_units=MINOR_UNITS[statement.currency],
    )


def bill(
    url: WarehouseUrl, tenant_id: str, month: date, reports_dir: Path, *, today: date | None = None
) -> BillingReport:
    """Compute, keep and write the statement; again, and it takes the place of the earlier one."""
    path = documents.document_path(reports_dir, "billing", month, tenant_id)
    with connect(url) as reading:
        # one snapshot: a load that ends meanwhile is in all figures or in none
        reading.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        stated = statement(reading, tenant_id, month, today=today)
    with connect(url) as writing, writing.transaction():
        store(writing, stated)
        # before the commit: the row is locked, so rows and file come from the same writer
        written = documents.write(path, render(stated))
    return BillingReport(written.path, written.sha256, stated)
