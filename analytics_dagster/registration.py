"""Tenants that come, change and go, with all that follows at once: role, marts that fit, files that must not
disagree, events that waited in the quarantine.

Stands above the domains, because a tenant concerns several of them. Dagster's partitions follow by themselves
(`defs/tenant_partitions.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from analytics_dagster import deployment
from analytics_dagster.billing import load_plans
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.quarantine import ReplayReport, release_tenant
from analytics_dagster.quality.suite_files import read_suites
from analytics_dagster.quality.thresholds import faults
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.schemas.experiment_files import load_experiments
from analytics_dagster.schemas.funnel_files import load_funnels
from analytics_dagster.settings import settings
from analytics_dagster.tenancy import Change, Registered, Status, moving, register, registry, tenants_by_status
from analytics_dagster.tenancy.declared import declare_experiments, declare_funnels
from analytics_dagster.transform import forget_models
from analytics_dagster.warehouse.roles import ensure_tenant_role

KPIS = "kpi_daily"  # nothing is made of it, so that other KPIs cost one small table
FUNNEL_MODELS = ("int_funnels", "int_funnel_events", "funnel_steps")  # what past days of them mean stands in the files
EXPERIMENT_MODELS = (
    "int_experiments",
    "int_experiment_events",
    "int_experiment_users",
    "int_experiment_days",
    "experiment_results",
)


@dataclass(frozen=True)
class Registration:
    registered: Registered
    released: Mapping[str, ReplayReport]  # by tenant, for those that are new

    @property
    def released_events(self) -> int:
        return sum(report.accepted for report in self.released.values())


def register_files(connection: psycopg.Connection, tenants: Sequence[TenantConfiguration]) -> Registration:
    """What the deployment does: all files, or none."""
    _require_billable(tenants)
    with connection.transaction():
        registered = register(connection, tenants)
        # all of them: a suite may have lost an expectation that a tenant without a file names
        judged = tenants_by_status(connection, Status.ACTIVE, Status.SUSPENDED)
        _require_judgeable([known for known in registry.registered(connection) if known.tenant_id in judged])
        _restate_past(connection, registered.changes)
        return _welcome(connection, registered, [tenant.tenant_id for tenant in tenants])


def deploy_funnels(connection: psycopg.Connection, folder: Path) -> int:
    """Declare the funnels of the files; when they say something else, the next deployment makes their marts anew."""
    funnels = load_funnels(folder)
    with connection.transaction():
        if declare_funnels(connection, funnels):
            forget_models(connection, *FUNNEL_MODELS)
    return len(funnels)


def deploy_experiments(connection: psycopg.Connection, folder: Path) -> int:
    """The same of experiments."""
    experiments = load_experiments(folder)
    with connection.transaction():
        if declare_experiments(connection, experiments):
            forget_models(connection, *EXPERIMENT_MODELS)
    return len(experiments)


def add_tenant(
    connection: psycopg.Connection, tenant: TenantConfiguration, *, tenants_dir: Path, actor: str
) -> Registration:
    """One tenant that no file declares."""
    file = tenants_dir / f"{tenant.tenant_id}.yaml"
    if file.exists():
        raise AnalyticsError(
            f"tenant {tenant.tenant_id} is declared by a file already",
            where=str(file),
            remedy="apply it: analytics-dagster prepare",
        )
    _require_billable([tenant])
    _require_judgeable([tenant])
    with connection.transaction():
        return _welcome(connection, registry.add(connection, tenant, actor=actor), [tenant.tenant_id])


def change_tenant(
    connection: psycopg.Connection, tenant_id: str, fields: Mapping[str, object], *, actor: str
) -> tuple[Change, ...]:
    """Other values for some fields; when they change what past days mean, the next deployment builds these anew."""
    with connection.transaction():
        after, changes = registry.change(connection, tenant_id, fields, actor=actor)
        _require_billable([after])
        _require_judgeable([after])
        if _restate_past(connection, changes):
            deployment.require(connection)
    return changes


def offboard_tenant(
    connection: psycopg.Connection, tenant_id: str, *, tenants_dir: Path, actor: str, reason: str
) -> None:
    """For ever. A file that still declares it would stop the next deployment, so that goes first."""
    file = tenants_dir / f"{tenant_id}.yaml"
    if file.exists():
        raise AnalyticsError(
            f"tenant {tenant_id} is still declared by a file", where=str(file), remedy="delete the file, then offboard"
        )
    moving.offboard(connection, tenant_id, actor=actor, reason=reason)


def _restate_past(connection: psycopg.Connection, changes: Sequence[Change]) -> bool:
    """Whether the next deployment has to build marts anew: all of them, or the one with the custom KPIs."""
    if any(change.changes_the_past for change in changes):
        forget_models(connection)
    elif any(change.changes_kpis for change in changes):
        forget_models(connection, KPIS)
    else:
        return False
    return True


def _welcome(connection: psycopg.Connection, registered: Registered, tenant_ids: Sequence[str]) -> Registration:
    """A load under way is waited for when a tenant is new: it may know nothing of it yet."""
    for tenant_id in tenant_ids:
        ensure_tenant_role(connection, tenant_id)
    contracts = load_event_contracts(settings().events_dir)
    return Registration(
        registered, {new: release_tenant(connection, new, registry=contracts) for new in registered.added}
    )


def _require_billable(tenants: Sequence[TenantConfiguration]) -> None:
    plans = load_plans()
    for tenant in tenants:
        plans.require(tenant.plan, tenant.currency, tenant_id=tenant.tenant_id)


def _require_judgeable(tenants: Sequence[TenantConfiguration]) -> None:
    suites = read_suites(settings().expectations_dir)
    found = [f"{tenant.tenant_id}.yaml: {fault}" for tenant in tenants for fault in faults(tenant.quality, suites)]
    if found:
        raise AnalyticsError(
            f"thresholds cannot be used: {'; '.join(found)}",
            where="tenants",
            remedy="correct each of them; docs/quality.md lists what can be changed",
        )
