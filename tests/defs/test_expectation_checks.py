"""The expectations as Dagster shows them: each a check on its asset, a held tenant a failing partition of its own."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dagster as dg
import pytest
from small_day import DAY
from small_day import SOME_TENANTS as TENANTS

from analytics_dagster.quality.suite_files import MARTS_SUITE, read_suites
from analytics_dagster.settings import PROJECT_ROOT

EXPECTATIONS = {
    expectation.name: expectation
    for suite in read_suites(PROJECT_ROOT / "expectations")
    for expectation in suite.expectations
}
BEFORE = DAY - timedelta(days=1)
GATE = dg.AssetCheckKey(dg.AssetKey("quality_gate"), "the_platform_is_sound")


def key_of(name: str) -> dg.AssetCheckKey:
    suite = EXPECTATIONS[name].suite
    own = {"raw_events": ["raw_events"], MARTS_SUITE: ["tenant_marts"]}
    return dg.AssetCheckKey(dg.AssetKey(own.get(suite, ["staging", "stg_events"])), name)


def evaluated(platform, *keys):
    """Of each check: its newest evaluation."""
    records = platform.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    return {key.name: record.evaluation for key, record in records.items() if record.event}


def held_partitions(platform):
    """Of each tenant: whether its partition passes, as far as its newest materialization was looked at."""
    key = dg.AssetCheckKey(dg.AssetKey("tenant_marts"), "no_load_is_held")
    found = platform.instance.event_log_storage.get_asset_check_partition_info([key])
    assert all(info.is_current for info in found)
    return {info.partition_key: info.latest_execution_status.value for info in found}


def test_every_expectation_is_a_check_on_its_asset(code_location):
    graph = code_location.defs.resolve_asset_graph()
    assert {key_of(name) for name in EXPECTATIONS} <= set(graph.asset_check_keys)
    for name, expectation in EXPECTATIONS.items():
        check = graph.get_check_spec(key_of(name))
        assert expectation.notes in check.description
        assert check.metadata["severity"] == expectation.severity
        assert not check.blocking
    assert graph.get_check_spec(GATE).blocking


def test_what_is_run_when_is_checked_then(code_location):
    def checked(job):
        return {key.name for key in code_location.defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys}

    of_marts = {name for name, expectation in EXPECTATIONS.items() if expectation.suite == MARTS_SUITE}
    assert checked("daily") & EXPECTATIONS.keys() == EXPECTATIONS.keys() - of_marts
    assert checked("publish") & EXPECTATIONS.keys() == of_marts
    assert checked("publish") >= {"no_load_is_held", "readers_see_only_their_own"}
    assert not checked("deploy") & EXPECTATIONS.keys()


@pytest.mark.slow
def test_one_tenant_fails_at_loading_and_one_before_publication(platform):
    """A tenant without actors is held by its load; one that sends nothing of the day itself by what its marts are."""

    def spoil(day):
        def wrong(tenant, event):
            if tenant == "kirana" and day == DAY:
                event["metadata"]["user_id"] = None
            if tenant == "tonewave" and day == DAY:
                event["metadata"]["timestamp"] = f"{BEFORE}T13:00:00+00:00"

        return wrong

    platform.execute(
        'update tenancy.tenants set configuration = configuration || \'{"quality": {'
        '"published_marts.key_figures_reach_the_last_load": {"severity": "critical", "max_value": 0}}}\''
        " where tenant_id = 'tonewave'"
    )
    for day in (BEFORE, DAY):
        platform.land(day, name=f"d{day.day}", spoil=spoil(day))
    assert platform.run_all(), platform.messages

    titles = [message["title"] for message in platform.told("run_success")]
    assert titles[:4] == [
        f"daily {BEFORE} … {DAY}",
        f"publish {TENANTS[0]} … {TENANTS[-1]}",
        f"daily {DAY}",
        titles[3],
    ]
    assert titles[3].startswith("publish ")
    held = platform.rows("select tenant_id, load_day, stage from quality.holds order by 1")
    assert held == [("kirana", DAY, "loads"), ("tonewave", DAY, "marts")]
    published = dict(platform.rows("select tenant_id, as_of from tenancy.publications"))
    assert published == {tenant: BEFORE if tenant in {"kirana", "tonewave"} else DAY for tenant in TENANTS}
    (reasons,) = platform.rows("select reasons from quality.holds where tenant_id = 'kirana'")[0]
    assert any("engagement_has_an_actor" in reason for reason in reasons)
    served = platform.rows("select max(events) from marts.usage_daily where tenant_id = 'tonewave'")
    assert served == [(8,)], "the load was in the marts, and is out again"

    assert held_partitions(platform) == {
        tenant: "FAILED" if tenant in {"kirana", "tonewave"} else "SUCCEEDED" for tenant in TENANTS
    }
    # the newest run judged the second day alone: its checks tell of it, and of nobody else
    checks = evaluated(platform, *map(key_of, EXPECTATIONS))
    assert checks.keys() == EXPECTATIONS.keys()
    failing = checks["engagement_has_an_actor"]
    assert (failing.passed, failing.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert failing.metadata["judged"].value == len(TENANTS)
    assert failing.metadata["failing"].value == 1
    assert f"| {DAY} | kirana | held | 0 |" in failing.metadata["failing loads"].value
    page = unquote(urlsplit(failing.metadata["Data Docs"].value).path)
    assert "kirana" in Path(page).read_text()
    critical = {name for name, check in checks.items() if check.severity == dg.AssetCheckSeverity.ERROR}
    assert {name for name in critical if not checks[name].passed} >= {"engagement_has_an_actor"}
    for name in critical:
        assert EXPECTATIONS[name].severity == "critical"
        assert "tonewave" not in checks[name].metadata["failing loads"].value

    # which tenant was refused before, the first publication told
    (record,) = [
        record
        for record in platform.instance.event_log_storage.get_asset_check_execution_history(
            key_of("key_figures_reach_the_last_load"), limit=5
        )
        if record.evaluation and not record.evaluation.passed
    ]
    assert record.evaluation.severity == dg.AssetCheckSeverity.ERROR, "critical for this tenant"
    told = record.evaluation.metadata["failing loads"].value
    assert f"| {DAY} | tonewave | held | 1 | days_behind &lt;= 0 | by a threshold of this tenant |" in told
    first = [m for m in platform.told("message") if m["step"] == "tenant_marts"]
    assert any("the marts of tonewave are not published" in message["text"] for message in first)


@pytest.mark.slow
def test_a_platform_fault_builds_and_publishes_nothing_and_says_why(platform):
    def nobody(_tenant, event):
        event["metadata"]["user_id"] = None

    platform.settings.data_docs_dir.write_text("in the way")
    platform.land(spoil=nobody)
    assert not platform.run_all()
    assert any("the Data Docs were not written" in message["text"] for message in platform.told("message"))
    (failure,) = platform.told("run_failure")
    assert any("the_platform_is_sound" in reason for reason in failure["reasons"]), failure
    assert "dbt_tables" not in [message["step"] for message in platform.told("step_start")]
    assert platform.rows("select count(*) from quality.holds") == [(3,)]
    assert platform.rows("select count(*) from marts.kpi_daily") == [(0,)]
    assert platform.rows("select count(*) from tenancy.publications") == [(0,)]

    checks = evaluated(platform, GATE, key_of("engagement_has_an_actor"))
    assert f"| {DAY} | 3 | 3 |" in checks["the_platform_is_sound"].metadata["days"].value
    table = checks["engagement_has_an_actor"].metadata["failing loads"].value
    assert [tenant for tenant in TENANTS if f"| {tenant} | held |" not in table] == []
