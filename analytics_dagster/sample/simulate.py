"""The simulator's front door: sample tenants live for 90 days and leave landing files and a ledger of truth.

Repeatable: the same plan and tenants give the same bytes, a finished simulation is not made again, an
interrupted one starts clean. Only what is there and what is missing is decided here.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from analytics_dagster.sample.generation import Progress, generate
from analytics_dagster.sample.intended import Intended
from analytics_dagster.sample.ledger import load_ledger, read_marker, summary_of, write_ledger
from analytics_dagster.sample.plan import SampleError, SamplePlan, SampleSummary
from analytics_dagster.sample.staging import Staging, exclusive, published
from analytics_dagster.schemas import TenantConfiguration


def simulate(
    plan: SamplePlan,
    tenants: Sequence[TenantConfiguration],
    landing_dir: Path,
    ledger_dir: Path,
    progress: Progress | None = None,
) -> SampleSummary:
    """Simulate what is planned, unless it is there already. `progress` hears of lines done and planned."""
    if not tenants:
        raise SampleError("there are no tenants to simulate", remedy="describe one in the tenants folder")
    tenants = _in_order(tenants)
    try:
        landing_dir.mkdir(parents=True, exist_ok=True)
        ledger_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(landing_dir):
            return _simulate_once(plan, tenants, landing_dir, ledger_dir, progress)
    except OSError as error:
        raise SampleError(
            f"the sample cannot be written: {error.strerror or error}",
            where=str(error.filename or landing_dir),
            remedy="check the free space and the rights of the folder; then repeat, it starts clean",
        ) from error


def intended_events(plan: SamplePlan, tenants: Sequence[TenantConfiguration]) -> list[Intended]:
    """What the same simulation means to be served, before anything goes wrong with it: all of it, in memory."""
    events: list[Intended] = []
    with TemporaryDirectory() as folder:
        generate(plan, _in_order(tenants), Path(folder), Path(folder), None, events.append)
    return events


def _in_order(tenants: Sequence[TenantConfiguration]) -> list[TenantConfiguration]:
    return sorted(tenants, key=lambda tenant: tenant.tenant_id)


def _simulate_once(
    plan: SamplePlan,
    tenants: Sequence[TenantConfiguration],
    landing_dir: Path,
    ledger_dir: Path,
    progress: Progress | None,
) -> SampleSummary:
    fingerprint = plan.fingerprint(tenants)
    staging = Staging(landing_dir, ledger_dir)
    marker = read_marker(ledger_dir)
    if marker is not None and marker["fingerprint"] != fingerprint:
        raise SampleError(
            f"a sample of another plan is there already: {marker['plan']}",
            where=str(ledger_dir),
            remedy="keep it by asking for the same plan, or remove the landing and the ledger folder",
        )
    if marker is not None and published(landing_dir) >= summary_of(marker).files:
        staging.clear()
        return summary_of(marker)
    if not staging.complete(fingerprint):
        staging.begin(fingerprint)
        write_ledger(generate(plan, tenants, staging.landing, staging.ledger, progress), fingerprint)
        staging.finish()
    staging.publish()
    return load_ledger(ledger_dir).summary
