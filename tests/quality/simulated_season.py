"""A season of simulated tenants with known incidents, in a real PostgreSQL by way of the real loader.

By hand, for another seed: python tests/quality/simulated_season.py SEED tells what the gate missed and what it held
without a cause.
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from analytics_dagster.ingest import load_day
from analytics_dagster.sample import SamplePlan, load_ledger, simulate
from analytics_dagster.sample.incidents import Injected, inject, schedule, write_incidents
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.event_contract import EventRegistry
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import load_tenant_files
from analytics_dagster.tenancy.registry import register
from analytics_dagster.warehouse import WarehouseUrl, connect

LAST_DAY = date(2026, 3, 31)
DAYS, EVENTS = 72, 170_000
FEWEST_PAYMENTS, USUAL_PAYMENTS = 4, 6  # where an incident may strike payments
BROKEN_RELEASE = "broken_release"  # the sample's own


@dataclass(frozen=True)
class Season:
    landing: Path
    tenants: Sequence[TenantConfiguration]
    days: Sequence[date]
    injected: dict[tuple[date, str], str]


def tenants_twice() -> list[TenantConfiguration]:
    """The sample tenants, and as many others of their kind who lead other lives."""
    tenants = load_tenant_files(PROJECT_ROOT / "tenants")
    return [*tenants, *(tenant.model_copy(update={"tenant_id": f"{tenant.tenant_id}-two"}) for tenant in tenants)]


def contracts() -> EventRegistry:
    return load_event_contracts(PROJECT_ROOT / "events")


def simulated(folder: Path, seed: int) -> Season:
    tenants = tenants_twice()
    plan = SamplePlan(EVENTS, seed, LAST_DAY, DAYS)
    landing, books = folder / "landing", folder / "ledger"
    simulate(plan, tenants, landing, books)
    days = [plan.first_day + timedelta(days=number) for number in range(DAYS)]
    names = [tenant.tenant_id for tenant in tenants]
    held = load_ledger(books).held
    injected = schedule(days, names, paying(landing, days, names), seed, taken=held)
    inject(landing, injected, {tenant.tenant_id: tenant.currency for tenant in tenants}, seed)
    write_incidents(books, [*injected, *(Injected(day, tenant_id, BROKEN_RELEASE) for tenant_id, day in held)])
    known = {(one.load_day, one.tenant_id): one.incident for one in injected}
    return Season(landing, tenants, days, known | {(day, tenant_id): BROKEN_RELEASE for tenant_id, day in held})


def paying(landing: Path, days: Sequence[date], tenants: Sequence[str]) -> list[tuple[str, date]]:
    """The loads with some payments, of tenants whose payments are no rare thing."""
    found: Counter[tuple[str, date]] = Counter()
    for day in days:
        for file in (landing / day.isoformat()).glob("*/*"):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            found[file.parent.name, day] += data.count(b'"payment_')
    often = [tenant for tenant in tenants if median(found[tenant, day] for day in days) >= USUAL_PAYMENTS]
    return [(tenant, day) for tenant in often for day in days if found[tenant, day] >= FEWEST_PAYMENTS]


def load(url: WarehouseUrl, season: Season) -> None:
    known = contracts()
    with connect(url) as connection:
        register(connection, season.tenants)
    for day in season.days:
        load_day(url, season.landing, day, known)
