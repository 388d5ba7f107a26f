"""Each expectation of the suites in `expectations/` as a check on its asset, with links into the Data Docs.

A check tells what the gate recorded in the same run: nothing is judged twice, and an expectation by which nobody was
judged says nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import dagster as dg
import psycopg
from dagster_dbt import get_asset_key_for_model

from analytics_dagster.defs.ingest import raw_events
from analytics_dagster.defs.partition_checks import partition_evaluations
from analytics_dagster.defs.partitions import tenants
from analytics_dagster.defs.previews import markdown_frame
from analytics_dagster.defs.publication import tenant_marts
from analytics_dagster.defs.quality import quality_gate
from analytics_dagster.defs.resources import Warehouse
from analytics_dagster.defs.transform import dbt_views
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.data_docs import data_docs_url, run_page, tenant_page, write_for_run
from analytics_dagster.quality.outcomes import (
    Failing,
    Outcome,
    failing,
    held_loads,
    held_tenants,
    judgement_of,
    outcomes,
)
from analytics_dagster.quality.suite_files import MARTS_SUITE, Expectation, read_suites
from analytics_dagster.settings import settings

# What is asked of staging is judged before anything is built, so it is said of what the marts are built from.
STAGING = get_asset_key_for_model([dbt_views], "stg_events")
ASSETS = {"raw_events": raw_events.key, MARTS_SUITE: tenant_marts.key}

EXPECTATIONS = [expectation for suite in read_suites(settings().expectations_dir) for expectation in suite.expectations]


def specs(expectations: Iterable[Expectation], *after: dg.AssetsDefinition) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            expectation.name,
            asset=ASSETS.get(expectation.suite, STAGING),
            description=f"{expectation.notes} Asked: {expectation.expected}.",
            additional_deps=after,
            metadata={"suite": expectation.suite, "severity": expectation.severity},
        )
        for expectation in expectations
    ]


@dg.multi_asset_check(
    specs=[
        *specs([each for each in EXPECTATIONS if each.suite != MARTS_SUITE], quality_gate),
        # Who checks the gate does not wait for its blocking check, and so tells why that one fails.
        dg.AssetCheckSpec(
            "no_tenant_is_held",
            asset=quality_gate,
            description="A held tenant keeps its last good marts; the others move on.",
        ),
    ],
    can_subset=True,
    compute_kind="greatexpectations",
)
def expectations_of_loads(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult]:
    """What the gate found in the loads of this run."""
    with warehouse.connect() as connection:
        judgement = judgement_of(connection, context.run.run_id, "loads")
        yield from _results(context, warehouse, connection, judgement)
        held = held_loads(connection, judgement)
    if judgement is None:
        return
    yield dg.AssetCheckResult(
        asset_key=quality_gate.key,
        check_name="no_tenant_is_held",
        passed=not held,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"held": markdown_frame(["load day", "tenant", "reasons"], held)},
    )


@dg.multi_asset_check(
    specs=[
        *specs(each for each in EXPECTATIONS if each.suite == MARTS_SUITE),
        dg.AssetCheckSpec(
            "no_load_is_held",
            asset=tenant_marts,
            partitions_def=tenants,
            description="Everything that the tenant sent is in its marts. Else they stand before its first held load.",
        ),
    ],
    can_subset=True,
    compute_kind="greatexpectations",
)
def expectations_of_marts(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
    """What was found in the marts before they were published, and for each tenant whether loads of it are held."""
    with warehouse.connect() as connection:
        yield from _results(context, warehouse, connection, judgement_of(connection, context.run.run_id, "marts"))
        held = held_tenants(connection)
    yield from partition_evaluations(
        context,
        dg.AssetCheckKey(tenant_marts.key, "no_load_is_held"),
        {
            tenant: {
                "held": markdown_frame(["load day", "reasons"], loads),
                "Data Docs": _link(warehouse, tenant_page(tenant)),
            }
            for tenant, loads in held.items()
        },
    )


def _results(
    context: dg.AssetCheckExecutionContext,
    warehouse: Warehouse,
    connection: psycopg.Connection,
    judgement: int | None,
) -> Iterator[dg.AssetCheckResult]:
    if judgement is None:
        return
    _write_data_docs(context, warehouse)
    found = {outcome.expectation: outcome for outcome in outcomes(connection, judgement)}
    wrong: dict[str, list[Failing]] = defaultdict(list)
    for load in failing(connection, judgement):
        wrong[load.expectation].append(load)
    for key in sorted(context.selected_asset_check_keys):
        if outcome := found.get(key.name):
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=not outcome.failed,
                severity=dg.AssetCheckSeverity.ERROR if outcome.critical else dg.AssetCheckSeverity.WARN,
                metadata={**_told(outcome, wrong[key.name]), "Data Docs": _link(warehouse, run_page(judgement))},
            )


def _write_data_docs(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> None:
    """Now, and not by an asset of their own: a run that is stopped by what was found has to show it, too."""
    chosen = warehouse.settings
    try:
        write_for_run(warehouse.url, chosen.data_docs_dir, chosen.expectations_dir, context.run.run_id)
    except AnalyticsError as error:  # a full disk is no reason to serve nobody
        context.log.warning("the Data Docs were not written: %s", error)


def _link(warehouse: Warehouse, page: str) -> dg.UrlMetadataValue:
    return dg.MetadataValue.url(data_docs_url(warehouse.settings, page))


def _told(outcome: Outcome, loads: list[Failing]) -> dict[str, dg.MetadataValue | str | int | float]:
    observed = {"observed, lowest": outcome.lowest, "observed, highest": outcome.highest}
    return {
        "expected": outcome.expected,
        **{name: value for name, value in observed.items() if value is not None},
        "judged": outcome.judged,
        "with nothing to observe": outcome.nothing_observed,
        "failing": outcome.failed,
        "failing loads": markdown_frame(
            ["load day", "tenant", "state", "observed", "expected", "note", "events to look at"],
            [
                (
                    load.load_day,
                    load.tenant_id,
                    load.state,
                    "nothing" if load.observed is None else f"{load.observed:.4g}",
                    load.expected,
                    load.note,
                    ", ".join(load.sample),
                )
                for load in loads
            ],
        ),
    }
