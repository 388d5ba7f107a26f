"""When there is a sample: once, in an empty landing folder, and never beside a user's own files."""

from datetime import UTC, datetime, timedelta

from analytics_dagster.sample.generation import Progress
from analytics_dagster.sample.ledger import read_marker
from analytics_dagster.sample.plan import SamplePlan
from analytics_dagster.sample.simulate import simulate
from analytics_dagster.sample.staging import NAME
from analytics_dagster.settings import Settings
from analytics_dagster.tenancy import load_tenant_files


def provide_sample(settings: Settings, progress: Progress | None = None) -> bool:
    """Simulate the sample that the settings describe, if one is wanted and there is none; say whether it was made."""
    ledger_dir = settings.state_dir / "sample"
    if not settings.sample or read_marker(ledger_dir) is not None or _has_own_files(settings):
        return False
    plan = SamplePlan(
        events=settings.sample_events,
        seed=settings.sample_seed,
        last_day=settings.sample_last_day or datetime.now(UTC).date() - timedelta(days=1),
        days=settings.sample_days,
    )
    simulate(plan, load_tenant_files(settings.tenants_dir), settings.landing_dir, ledger_dir, progress)
    return True


def _has_own_files(settings: Settings) -> bool:
    """What an interrupted simulation left behind is no file of a user's own."""
    landing = settings.landing_dir
    if not landing.is_dir() or (landing / NAME).exists():
        return False
    return any(not entry.name.startswith(".") for entry in landing.iterdir())
