"""Every mart that `run` made of the sample is what plain Python makes of the events that the sample meant.

The simulator says them again, as they were before its faults: nothing is read back from files or from raw.events.
What is declared beside events (tenants, custom KPIs, funnels, experiments) is taken from its files. The trend of scores
is taken from the scores: what the gate makes of loads is tested with the gate.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from fractions import Fraction
from typing import Any

import oracle_experiments
import oracle_growth
import oracle_kpis
import oracle_quality
import pytest
import yaml
from histories import Event, Rows, Tenant, columns_of_marts, computed

from analytics_dagster.sample import intended_events
from analytics_dagster.schemas.experiment_files import load_experiments
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import load_tenant_files

Worth = Callable[[dict[str, Fraction]], Fraction]

pytestmark = pytest.mark.slow

MARTS = sorted(path.stem for path in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql"))
TENANT_COLUMNS = "tenant_id, name, kind, tier, region, time_zone, currency, plan"
ALL_KINDS = {"music", "shop", "saas", "content"}
# the other kinds of tenant have no events that these are made of
OF_KINDS = {
    "cart_abandonment": {"shop"},
    "content_daily": {"music", "shop", "content"},
    "dim_content": {"music", "shop", "content"},
    "product_daily": {"shop"},
}


def declared(folder: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in sorted((PROJECT_ROOT / folder).glob("*.yaml"))]


@pytest.fixture(scope="module")
def truth(end_to_end) -> dict[str, Rows]:
    tenants = {of["tenant_id"]: of for of in declared("tenants")}
    events = defaultdict(list)
    for meant in intended_events(end_to_end.ledger.plan, load_tenant_files(PROJECT_ROOT / "tenants")):
        of = tenants[meant.tenant_id]
        tenant = Tenant(*(of[name] for name in ("tenant_id", "name", "kind", "time_zone", "currency")), date.min)
        told = meant._asdict() | {"tenant": tenant, "load_day": date.min}  # nothing depends on when it came
        del told["tenant_id"]
        events[tenant].append(Event(**told))
    found: dict[str, Rows] = defaultdict(set)
    found["dim_tenants"] = {tuple(of[name] for name in TENANT_COLUMNS.split(", ")) for of in tenants.values()}
    found["quality_daily"] = oracle_quality.scored(
        end_to_end.rows(f"select {oracle_quality.OF_SCORES} from quality.scores")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle_growth, "FUNNELS", declared("funnels"))
        patch.setattr(oracle_experiments, "EXPERIMENTS", load_experiments(PROJECT_ROOT / "experiments"))
        patch.setattr(oracle_kpis, "CUSTOM", custom_kpis(tenants.values()))
        for of_tenant in events.values():
            for mart, rows in computed(of_tenant).items():
                found[mart] |= rows
    return found


def custom_kpis(tenants: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[list[str], Worth, str]]:
    return {
        (of["tenant_id"], kpi["name"]): ([], worth(kpi["expression"]), kpi["unit"])
        for of in tenants
        for kpi in of.get("custom_kpis", [])
    }


def worth(expression: str) -> Worth:
    """It is arithmetic that Python reads, too."""
    return lambda metrics: eval(expression, {}, metrics)  # noqa: S307 - of our own files


@pytest.mark.parametrize("mart", MARTS)
def test_mart_is_the_truth(end_to_end, truth, mart):
    columns = (columns_of_marts() | {"dim_tenants": TENANT_COLUMNS})[mart]
    every = end_to_end.rows(
        "select column_name from information_schema.columns where table_schema = 'marts' and table_name = %s", [mart]
    )
    assert {name for (name,) in every} == set(columns.split(", "))
    rows = end_to_end.rows(f"select {columns} from marts.{mart}")
    told = set(rows)
    assert len(told) == len(rows)
    missing, wrong = truth[mart] - told, told - truth[mart]
    assert (sorted(missing, key=str)[:5], sorted(wrong, key=str)[:5]) == ([], []), f"{len(missing)}, {len(wrong)} rows"
    kinds = {of["tenant_id"]: of["kind"] for of in declared("tenants")}
    assert {kinds[tenant_id] for tenant_id, *_ in told} == OF_KINDS.get(mart, ALL_KINDS), "the sample lacks such events"
