"""The record of a month: what the evidence consists of, typed, and its form as JSON."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from analytics_dagster.schemas import TenantConfiguration


@dataclass(frozen=True)
class RunRecord:
    """A run of the platform, as the caller knows it: only `defs/` knows Dagster."""

    run_id: str
    job: str
    status: str
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class TableRows:
    table: str
    exists: bool
    rows: int | None = None  # of the tenant; unknown for a table without tenant_id
    rows_of_month: int | None = None
    month_by: str | None = None  # the column that says which month a row belongs to


@dataclass(frozen=True)
class PersonalColumn:
    table: str
    column: str
    category: str
    why: str


@dataclass(frozen=True)
class Retention:
    days: int
    keeps_from: date  # measured on the last day of the month
    oldest_event: datetime | None
    events_past: int


@dataclass(frozen=True)
class Load:
    load_day: date
    files: int
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    kept: int  # events of this load that the warehouse holds now


@dataclass(frozen=True)
class HeldLoad:
    load_day: date
    reasons: tuple[str, ...]
    held_at: datetime | None  # empty: it waits behind one that is held


@dataclass(frozen=True)
class Publication:
    as_of: date | None
    row_counts: dict[str, int]
    foreign_rows: int
    published_at: datetime


@dataclass(frozen=True)
class ScoredBy:
    model: str
    model_version: int
    as_of: date
    users: int


@dataclass(frozen=True)
class BilledMonth:
    month: date
    plan: str
    currency: str
    total: Decimal
    as_of: date | None


@dataclass(frozen=True)
class AppliedMigration:
    number: int
    name: str
    sha256: str
    applied_at: datetime


@dataclass(frozen=True)
class Evidence:
    tenant: TenantConfiguration
    month: date
    tables: tuple[TableRows, ...]
    personal_columns: tuple[PersonalColumn, ...]
    undeclared_columns: tuple[str, ...]
    retention: Retention
    loads: tuple[Load, ...]
    held_loads: tuple[HeldLoad, ...]
    stands_on: date | None  # the last load that the marts contain; none: they contain nothing yet
    publication: Publication | None
    scored_by: tuple[ScoredBy, ...]
    statements: tuple[BilledMonth, ...]
    migrations: tuple[AppliedMigration, ...]
    runs: tuple[RunRecord, ...]

    def as_json(self) -> dict[str, Any]:
        content: dict[str, Any] = TypeAdapter(Evidence).dump_python(self, mode="json")
        return content
