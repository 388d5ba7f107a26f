"""What `run` made of the sample, held against the ledger of truth and against what a person is shown."""

import hashlib
import re
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from platform_process import TRACEBACK

from analytics_dagster.billing.metering import usage
from analytics_dagster.environment import process_environment
from analytics_dagster.sample.ledger import UNKNOWN
from analytics_dagster.warehouse import connect

pytestmark = pytest.mark.slow

JOBS = {"deploy", "daily", "publish", "train", "score", "monthly"}
TENANTS = 8


@pytest.fixture(scope="module")
def instance(end_to_end):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in process_environment(end_to_end.settings, end_to_end.url).items():
            patch.setenv(name, value)
        with dg.DagsterInstance.get() as open_instance:
            yield open_instance


# --- the figures -----------------------------------------------------------------------------------------------


def test_kpi_daily_is_the_ledger_of_truth(end_to_end):
    """Every tenant, day and metric, in both directions: none is wrong, missing, or too many."""
    told = {
        (tenant, day, metric): (value, unit)
        for tenant, day, metric, value, unit in end_to_end.rows(
            "select tenant_id, day, metric, value, unit from marts.kpi_daily"
        )
    }
    truth = {key: (kpi.value, kpi.unit) for key, kpi in end_to_end.ledger.kpis.items()}
    assert told.keys() == truth.keys()
    assert {key: told[key] for key in told if told[key] != truth[key]} == {}
    assert len({tenant for tenant, _, _ in truth}) == TENANTS
    assert sum(bool(kpi.value) for kpi in end_to_end.ledger.kpis.values()) > 1_000, "a ledger of zeros proves nothing"


def test_revenue_is_right_to_the_cent(end_to_end):
    truth = defaultdict(Decimal)
    for (tenant, _, metric), kpi in end_to_end.ledger.kpis.items():
        if metric == "revenue":
            truth[tenant] += kpi.value
    told = dict(end_to_end.rows("select tenant_id, sum(revenue) from marts.fct_user_days group by tenant_id"))
    assert told == dict(truth)
    assert sum(value > 0 for value in truth.values()) > TENANTS / 2


def test_the_books_are_the_ledger(end_to_end):
    told = {
        (day, tenant): counts
        for day, tenant, *counts in end_to_end.rows(
            "select load_day, tenant_id, sum(received)::int, sum(accepted)::int, sum(duplicate)::int,"
            " sum(quarantined)::int from raw.accounts group by load_day, tenant_id"
        )
    }
    truth = {
        key: [account.received, account.accepted, account.duplicate, account.quarantined]
        for key, account in end_to_end.ledger.accounts.items()
    }
    assert told == truth
    assert any(tenant == UNKNOWN for _, tenant in truth)
    assert all(sum(counts[i] for counts in truth.values()) for i in range(4))


def test_usage_billed_is_the_ledger(end_to_end):
    with connect(end_to_end.url) as connection:
        for (tenant, month), truth in end_to_end.ledger.usage.items():
            told = usage(connection, tenant, month)
            assert (told.events, told.active_users) == (truth.events, truth.active_users), (tenant, month)
    billed = end_to_end.rows(
        "select tenant_id, month, metric, quantity from billing.statement_lines where metric <> ''"
    )
    assert {month for _, month, _, _ in billed} == {date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)}
    totals = dict(end_to_end.rows("select tenant_id || month, total from billing.statements"))
    sums = dict(
        end_to_end.rows("select tenant_id || month, sum(amount) from billing.statement_lines group by tenant_id, month")
    )
    assert totals == sums


def test_the_bad_tenant_day_is_held_and_no_other(end_to_end):
    told = end_to_end.rows("select tenant_id, load_day, reasons from quality.holds")
    assert {(tenant, day) for tenant, day, _ in told} == end_to_end.ledger.held
    assert end_to_end.ledger.held
    assert all(reasons for _, _, reasons in told)


def test_every_tenant_is_published(end_to_end):
    published = {
        tenant: (as_of, foreign, counts)
        for tenant, as_of, foreign, counts in end_to_end.rows(
            "select tenant_id, as_of, foreign_rows, row_counts from tenancy.publications"
        )
    }
    assert len(published) == TENANTS
    loaded = dict(
        end_to_end.rows(
            "select tenant_id, max(load_day) from raw.accounts as a where load_day < all"
            " (select load_day from quality.holds as h where h.tenant_id = a.tenant_id)"
            " group by tenant_id"
        )
    )
    for tenant, (as_of, foreign, counts) in published.items():
        assert as_of == loaded[tenant]
        assert foreign == 0
        assert counts["kpi_daily"] == sum(key[0] == tenant for key in end_to_end.ledger.kpis)


def test_training_left_a_model_or_the_reason_why_not(end_to_end):
    runs = end_to_end.rows("select model_name, model_version, note, as_of from ml.training_runs order by 1")
    assert [name for name, *_ in runs] == ["churn", "lifetime_value"]
    assert all((version is None) != (note is None) for _, version, note, _ in runs)
    trained = {name for name, version, _, _ in runs if version}
    scored = end_to_end.rows("select model_name, count(*) from ml.scorings group by 1")
    assert dict(scored) == dict.fromkeys(trained, TENANTS)


# --- Dagster ---------------------------------------------------------------------------------------------------


def test_each_run_of_dagster_ended_well(instance):
    runs = instance.get_runs()
    assert {run.job_name for run in runs} == JOBS
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


@pytest.mark.parametrize(
    ("asset", "partitions"),
    [
        (["raw_events"], 90),
        (["quality_gate"], 90),
        (["marts", "kpi_daily"], 90),
        (["marts", "fct_sessions"], 90),
        (["tenant_marts"], TENANTS),
        (["churn_scores"], TENANTS),
    ],
)
def test_partitions_are_materialized(instance, asset, partitions):
    assert len(instance.get_materialized_partitions(dg.AssetKey(asset))) == partitions


def test_reports_are_linked_from_their_asset(end_to_end, instance):
    stated = end_to_end.rows("select tenant_id, month from billing.statements")
    assert len(stated) > TENANTS
    for asset, folder in (("billing_report", "billing"), ("compliance_report", "compliance")):
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
        linked = {}
        for record in records:
            metadata = record.asset_materialization.metadata
            path = Path(metadata["report"].path)
            linked[path] = metadata
            assert metadata["open"].value == path.as_uri()
            assert path.is_relative_to(end_to_end.settings.reports_dir)
            assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert set(linked) == set((end_to_end.settings.reports_dir / folder).rglob("*.html"))
        assert len(linked) == len(stated)
        if folder == "compliance":
            kept = set(end_to_end.rows("select sha256 from compliance.reports"))
            for path, metadata in linked.items():
                found = hashlib.sha256(path.read_bytes()).hexdigest()
                assert metadata["sha256"].value == found
                assert (found,) in kept


def test_an_assets_page_shows_its_figures(instance):
    def latest(*key: str) -> dict[str, dg.MetadataValue]:
        return instance.get_latest_materialization_event(dg.AssetKey(key)).asset_materialization.metadata

    assert latest("raw_events")["books"].value.startswith("| tenant_id | received |")
    assert latest("raw_events")["received"].value > 5_000
    assert re.match(
        r"!\[Daily active users\]\(data:image/png;base64,", latest("marts", "kpi_daily")["active users"].value
    )
    assert latest("marts", "kpi_daily")["rows written"].value > 1_000
    assert latest("tenant_marts")["foreign rows"].value == 0
    assert "ledgerly" in latest("quality_gate")["held"].value


# --- what a person sees, and doing it again --------------------------------------------------------------------


def test_the_summary_names_tenants_holds_and_the_next_step(end_to_end):
    told = end_to_end.first.stdout
    for tenant in {tenant for _, tenant in end_to_end.ledger.accounts}:
        assert tenant in told
    for tenant, day in end_to_end.ledger.held:
        assert f"{tenant}, load of {day}, since " in told
    assert "make ui" in told
    assert str(end_to_end.settings.reports_dir) in told


def test_progress_goes_to_standard_error(end_to_end):
    for job in JOBS:
        assert re.search(rf"✓ {job}\b", end_to_end.first.stderr)
        assert f"✓ {job}" not in end_to_end.first.stdout


def test_a_pipe_gets_no_escape_codes(end_to_end):
    for done in (end_to_end.first, end_to_end.second):
        assert "\x1b" not in done.stdout + done.stderr
        assert TRACEBACK not in done.stdout + done.stderr


def test_running_again_changes_nothing(end_to_end):
    assert end_to_end.second.returncode == 0
    assert "nothing is due" in end_to_end.second.stderr
    assert end_to_end.second.stdout == end_to_end.first.stdout
    assert end_to_end.after_first.keys() == end_to_end.after_second.keys()
    for table, rows in end_to_end.after_first.items():
        assert rows == end_to_end.after_second[table], table
    assert len(end_to_end.after_first["raw.events"]) > 5_000
