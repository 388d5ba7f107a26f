"""A season of simulated tenants with known incidents: through the real loader into a real PostgreSQL, then judged."""

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from analytics_dagster.ingest.loading import load_day
from analytics_dagster.quality.gate import run_gate
from analytics_dagster.quality.suites import read_suites
from analytics_dagster.sample import SamplePlan, load_ledger, simulate
from analytics_dagster.sample.incidents import BY_NAME, Injected, inject, schedule, write_incidents
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.event_contract import EventRegistry
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import load_tenant_files
from analytics_dagster.tenancy.registry import register
from analytics_dagster.warehouse import WarehouseUrl, connect

LAST_DAY = date(2026, 3, 31)
DAYS, EVENTS = 60, 100_000
GIANT = "tonewave"  # ten times as large as the others: it would take half of the time
FEWEST_PAYMENTS, USUAL_PAYMENTS = 4, 6  # where an incident may strike payments
BROKEN_RELEASE = "broken_release"  # the sample's own
BROKEN = frozenset({"identified_share", "median_amount_ratio", "largest_amount_ratio"})  # what it breaks


@dataclass(frozen=True)
class Season:
    landing: Path
    tenants: Sequence[TenantConfiguration]
    days: Sequence[date]
    injected: dict[tuple[date, str], str]


def population() -> list[TenantConfiguration]:
    """The sample tenants but the giant, and others of their kind who lead other lives; shops thrice, for they pay."""
    sample = {tenant.tenant_id: tenant for tenant in load_tenant_files(PROJECT_ROOT / "tenants")}
    others = [(name, "two") for name in sample] + [(name, "three") for name in ("corner-shop", "kirana", GIANT)]
    return [
        *(tenant for name, tenant in sample.items() if name != GIANT),
        *(sample[name].model_copy(update={"tenant_id": f"{name}-{which}"}) for name, which in others),
    ]


def contracts() -> EventRegistry:
    return load_event_contracts(PROJECT_ROOT / "events")


def simulated(folder: Path, seed: int) -> Season:
    tenants = population()
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


@dataclass(frozen=True)
class Told:
    """What the gate says of a season, beside what was injected."""

    good: int  # loads judged, of a tenant and day without an incident
    held: Mapping[tuple[date, str], frozenset[str]]  # the measures it is held for
    warned: Mapping[tuple[date, str], frozenset[str]]
    injected: Mapping[tuple[date, str], str]

    def noticed(self, load: tuple[date, str]) -> bool:
        """By a measure that is about the incident: whether something else failed, too, says nothing."""
        failed = self.held.get(load, frozenset()) | self.warned.get(load, frozenset())
        incident = self.injected[load]
        return bool(failed & (BROKEN if incident == BROKEN_RELEASE else BY_NAME[incident].measures))

    @property
    def missed(self) -> dict[tuple[date, str], str]:
        return {load: incident for load, incident in self.injected.items() if not self.noticed(load)}

    @property
    def false_holds(self) -> dict[tuple[date, str], frozenset[str]]:
        return {load: why for load, why in self.held.items() if load not in self.injected}

    @property
    def false_warnings(self) -> dict[tuple[date, str], frozenset[str]]:
        return {load: why for load, why in self.warned.items() if load not in self.injected}


def judged(url: WarehouseUrl, season: Season) -> Told:
    """All days in one run of the gate."""
    names = sorted({contract.event_name for contract in contracts().contracts})
    report = run_gate(url, PROJECT_ROOT / "expectations", season.days, run_id="season", declared=names)
    suites = {suite.name: suite for suite in read_suites(PROJECT_ROOT / "expectations")}
    failed: dict[str, dict[tuple[date, str], set[str]]] = {"critical": {}, "warning": {}, "info": {}}
    loads = {(verdict.load_day, verdict.tenant_id) for verdict in report.verdicts}
    for verdict in report.verdicts:
        if not verdict.passed:
            measures = failed[verdict.severity].setdefault((verdict.load_day, verdict.tenant_id), set())
            measures.add(suites[verdict.suite].measure_of(verdict.expectation))
    held = {(hold.load_day, hold.tenant_id) for hold in report.holds}
    return Told(
        good=len(loads - season.injected.keys()),
        held={load: frozenset(failed["critical"].get(load, ())) for load in held},
        warned={load: frozenset(measures) for load, measures in failed["warning"].items()},
        injected=season.injected,
    )
