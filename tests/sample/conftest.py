"""The sample tenants, and one small simulation that the tests of truth share."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import yaml
from sample_naive import Recomputed, recompute

from analytics_dagster.sample import Ledger, SamplePlan, load_ledger, simulate
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import PROJECT_ROOT

# the window holds the end of summer time in Europe and America, and its beginning in Australia
LAST_DAY = date(2025, 11, 20)


@dataclass(frozen=True)
class Sample:
    """A simulation, and what a naive reader finds in its files."""

    plan: SamplePlan
    landing: Path
    ledger: Ledger
    found: Recomputed


@pytest.fixture(scope="session")
def tenants() -> Sequence[TenantConfiguration]:
    files = sorted((PROJECT_ROOT / "tenants").glob("*.yaml"))
    return [TenantConfiguration.model_validate_json(json.dumps(yaml.safe_load(f.read_text()))) for f in files]


def make_sample(folder: Path, tenants: Sequence[TenantConfiguration], events: int, seed: int) -> Sample:
    plan = SamplePlan(events, seed, LAST_DAY)
    simulate(plan, tenants, folder / "landing", folder / "ledger")
    ledger = load_ledger(folder / "ledger")
    return Sample(plan, folder / "landing", ledger, recompute(folder / "landing", tenants, ledger.held))


@pytest.fixture(scope="session")
def tiny(tenants: Sequence[TenantConfiguration], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("tiny"), tenants, 5_000, 42)


@pytest.fixture(scope="session")
def small(tenants: Sequence[TenantConfiguration], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("small"), tenants, 30_000, 7)
