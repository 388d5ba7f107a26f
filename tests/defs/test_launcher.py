"""The launcher on a real instance: what is due is run once, what fails stops what stands on it and nothing else."""

import json
import os
from datetime import timedelta

import dagster as dg
import pytest
from small_day import DAY, USERS, music
from small_day import SOME_TENANTS as TENANTS

from analytics_dagster import registration
from analytics_dagster.ingest.quarantine import Choice, Edit, replay
from analytics_dagster.tenancy import load_tenant_files, moving
from analytics_dagster.tenancy.files import configured
from analytics_dagster.warehouse import connect

pytestmark = pytest.mark.slow

NEVER = "add constraint never check (false) not valid"


@pytest.fixture
def dbt_calls(monkeypatch):
    from dbt.cli.main import dbtRunner

    calls = []
    really = dbtRunner.invoke

    def counted(self, arguments, **named):
        calls.append(arguments)
        return really(self, arguments, **named)

    monkeypatch.setattr(dbtRunner, "invoke", counted)
    return calls


def test_a_day_of_all_tenants_is_one_call_of_dbt(platform, dbt_calls):
    platform.land()
    assert platform.run_all(), platform.messages
    assert [arguments[0] for arguments in dbt_calls] == ["build"]

    titles = [message["title"] for message in platform.told("run_success")]
    assert titles == [
        f"daily {DAY}",
        f"publish {TENANTS[0]} … {TENANTS[-1]}",
        "train",
        f"monthly 2026-02-01|{TENANTS[0]} … 2026-02-01|{TENANTS[-1]}",
    ]
    assert platform.rows("select count(*), sum(value) from marts.kpi_daily where metric = 'revenue'") == [(3, 120)]
    assert {note is not None for (note,) in platform.rows("select note from ml.training_runs")} == {True}
    assert platform.rows("select count(*) from compliance.reports") == [(3,)]
    assert platform.materialized("marts", "kpi_daily") == {DAY.isoformat()}
    assert platform.materialized("billing_report") == {f"2026-02-01|{tenant}" for tenant in TENANTS}

    assert platform.run_all()
    assert platform.messages == [], "nothing is due"
    assert len(dbt_calls) == 1

    platform.land(name="late")
    assert platform.run_all()
    assert len(dbt_calls) == 2
    assert platform.rows("select sum(value) from marts.kpi_daily where metric = 'revenue'") == [(240,)]


def test_a_backfill_restates_days_in_one_run_for_all_or_for_some(platform, dbt_calls):
    before, day = DAY - timedelta(days=1), DAY
    platform.land(day=before, name="b")
    platform.land(day=day)
    assert platform.run_all(), platform.messages
    good = platform.rows("select * from marts.usage_daily order by 1, 2")
    platform.execute("update marts.usage_daily set events = 1000000")

    assert platform.backfill(before, day, "kirana", "tonewave"), platform.messages
    wrong = "select distinct tenant_id from marts.usage_daily where events = 1000000"
    assert {tenant for (tenant,) in platform.rows(wrong)} == {*TENANTS} - {"kirana", "tonewave"}
    assert platform.backfill(before, day), platform.messages
    assert platform.rows("select * from marts.usage_daily order by 1, 2") == good
    assert [message["title"] for message in platform.told("run_success")] == [f"daily {before} … {day}"]
    assert len(dbt_calls) == 3

    # narrowed, a day with new files stays due for everybody else
    platform.land(name="late")
    assert platform.backfill(day, day, "kirana"), platform.messages
    revenue = f"select tenant_id from marts.kpi_daily where metric = 'revenue' and day = '{day}' and value = 80"
    assert platform.rows(revenue) == [("kirana",)]
    assert platform.run_all(), platform.messages
    assert len(platform.rows(revenue)) == len(TENANTS)


def test_a_replayed_line_reaches_the_marts(platform):
    """Quarantined, built without it, corrected and replayed: its day is judged and built again, and published."""
    spoilt = []

    def misname(tenant, event):
        if tenant == "kirana" and event["event_name"] == "payment_succeeded":
            spoilt.append(dict(event))
            event["event_name"] = "Payment Succeeded"

    platform.land(spoil=misname)
    assert platform.run_all(), platform.messages
    revenue = "select coalesce(sum(value), 0) from marts.kpi_daily where metric = 'revenue' and tenant_id = 'kirana'"
    assert platform.rows(revenue) == [(0,)]
    assert platform.run_all()
    assert platform.messages == [], "nothing is due"

    entries = platform.rows("select entry_id, path, line_number from raw.quarantine join raw.batches using (batch_id)")
    edits = {
        entry_id: Edit(path, line, json.dumps(event).encode(), "export")
        for (entry_id, path, line), event in zip(sorted(entries, key=lambda entry: entry[2]), spoilt, strict=True)
    }
    with connect(platform.url) as connection:
        report = replay(connection, Choice(entry_ids=tuple(edits)), actor="ann", edits=edits)
    assert (report.accepted, report.load_days) == (USERS, (DAY,))
    shares = (
        "select observed from quality.results where tenant_id = 'kirana' and expectation = 'most_lines_are_well_formed'"
        " order by judgement_id"
    )
    assert platform.rows(shares) == [(0.5,)]

    assert platform.run_all(), platform.messages
    titles = [message["title"] for message in platform.told("run_success")]
    assert titles == [f"daily {DAY}", f"publish {TENANTS[0]} … {TENANTS[-1]}"]
    assert platform.rows(revenue) == [(10 * USERS,)]
    assert platform.rows(shares) == [(0.5,), (0,)], "judged again in the same run"
    assert platform.run_all()
    assert platform.messages == [], "the build saw the replay"


def test_a_tenant_registered_late_has_its_events_released(platform):
    folder = platform.settings.tenants_dir
    events = [event | {"metadata": event["metadata"] | {"tenant_id": "acme"}} for event in music(DAY)]
    landed = platform.settings.landing_dir / DAY.isoformat() / "acme"
    landed.mkdir(parents=True)
    (landed / "a.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    platform.land()
    assert platform.run_all(), platform.messages
    assert platform.rows("select received, quarantined from raw.accounts where tenant_id = '(unknown)'") == [
        (len(events), len(events))
    ]

    known = (folder / "tonewave.yaml").read_text()
    (folder / "acme.yaml").write_text(known.replace("tenant_id: tonewave", "tenant_id: acme"))
    assert platform.run_all(), platform.messages
    titles = [message["title"] for message in platform.told("run_success")]
    assert titles[:2] == ["deploy", f"daily {DAY}"]
    assert platform.rows("select received, accepted from raw.accounts where tenant_id = 'acme'") == [
        (len(events), len(events))
    ]
    assert platform.rows("select sum(value) from marts.kpi_daily where metric = 'revenue' and tenant_id = 'acme'") == [
        (10 * USERS,)
    ]


def test_progress_is_told_step_by_step(platform):
    platform.land()
    assert platform.run_all()
    kinds = [message["kind"] for message in platform.messages]
    assert kinds[0] == "run_start"
    assert platform.messages[0] == {"kind": "run_start", "title": f"daily {DAY}", "steps": 5}
    steps = [m["step"] for m in platform.told("step_success")]
    assert steps[:2] == ["raw_events", "quality_gate"]
    assert sorted(steps[2:5]) == ["dbt_tables", "expectations_of_loads", "quality_gate_the_platform_is_sound"]
    assert {"kind": "message", "step": "dbt_tables", "text": "restating 3 days of tenants"} in platform.messages


def test_reports_are_made_although_training_fails(platform):
    platform.land()
    platform.execute(f"alter table ml.training_runs {NEVER}")
    assert not platform.run_all()
    (failure,) = platform.told("run_failure")
    assert failure["title"] == "train"
    assert any('violates check constraint "never"' in reason for reason in failure["reasons"])
    assert platform.told("run_success")[-1]["title"].startswith("monthly ")
    assert platform.rows("select count(*) from billing.statements") == [(3,)]
    assert platform.instance.get_run_by_id(failure["run_id"]).status == dg.DagsterRunStatus.FAILURE

    platform.execute("alter table ml.training_runs drop constraint never")
    assert platform.run_all()
    assert [message["title"] for message in platform.told("run_success")] == ["train"]


def test_a_failed_build_stops_what_stands_on_it_and_still_tells_what_succeeded(platform):
    platform.land()
    platform.execute(f"alter table marts.kpi_daily {NEVER}")
    assert not platform.run_all()
    (failure,) = platform.told("run_failure")
    assert [message["title"] for message in platform.told("run_start")] == [f"daily {DAY}"]
    (reason,) = failure["reasons"]
    assert reason.startswith("dbt_tables: ")
    assert "kpi_daily: " in reason
    assert 'violates check constraint "never"' in reason
    assert platform.materialized("marts", "fct_sessions") == {DAY.isoformat()}
    assert platform.materialized("marts", "kpi_daily") == set()
    assert platform.rows("select count(*) from pipeline.built_loads") == [(0,)]

    platform.execute("alter table marts.kpi_daily drop constraint never")
    assert platform.run_all()
    assert platform.told("run_success")[0]["title"] == f"daily {DAY}"
    assert platform.materialized("marts", "kpi_daily") == {DAY.isoformat()}


def test_a_file_that_cannot_be_read_to_its_end_is_told(platform):
    platform.land()
    (platform.settings.landing_dir / DAY.isoformat() / "kirana" / "cut.ndjson.gz").write_bytes(b"\x1f\x8b\x08")
    assert platform.run_all(), platform.messages
    assert any("cut.ndjson.gz" in m["text"] for m in platform.told("message") if m["step"] == "raw_events")
    assert platform.rows("select count(*) from marts.kpi_daily where metric = 'revenue'") == [(3,)]


def test_a_tenant_that_moves_has_its_past_made_anew(platform):
    folder = platform.settings.tenants_dir
    platform.land()
    assert platform.run_all()
    days = "select distinct day from marts.kpi_daily where tenant_id = 'kirana'"
    assert platform.rows(days) == [(DAY,)]

    file = folder / "kirana.yaml"
    file.write_text(file.read_text().replace("Asia/Kolkata", "Pacific/Auckland"))
    assert platform.run_all(), platform.messages
    assert platform.told("run_success")[0]["title"] == "deploy"
    assert platform.rows(days) == [(DAY + timedelta(days=1),)]


def test_a_suspended_tenant_is_built_but_neither_published_nor_reported_until_it_goes_on(platform):
    platform.land()
    with connect(platform.url) as connection:
        moving.suspend(connection, "kirana", actor="ada", reason="unpaid")
    assert platform.run_all(), platform.messages
    others = sorted(set(TENANTS) - {"kirana"})
    published = "select tenant_id from tenancy.publications order by 1"
    assert [tenant for (tenant,) in platform.rows(published)] == others
    assert [tenant for (tenant,) in platform.rows("select tenant_id from billing.statements order by 1")] == others
    assert platform.rows("select count(*) > 0 from marts.kpi_daily where tenant_id = 'kirana'") == [(True,)]
    assert platform.run_all()
    assert platform.messages == [], "nothing is due for it"

    with connect(platform.url) as connection:
        moving.resume(connection, "kirana", actor="ada", reason="paid")
    assert platform.run_all(), platform.messages
    assert [message["title"] for message in platform.told("run_success")] == [
        "publish kirana",
        "monthly 2026-02-01|kirana",
    ]
    assert [tenant for (tenant,) in platform.rows(published)] == sorted(TENANTS)


def test_a_tenant_suspended_during_a_run_does_not_stop_the_others(platform, monkeypatch):
    """After its publication was asked for, and before it is made."""
    from analytics_dagster.defs import publication

    really = publication.publish

    def publish(connection, tenant_id):
        if tenant_id == TENANTS[0]:
            with connect(platform.url) as other:
                moving.suspend(other, "kirana", actor="ada", reason=None)
                moving.offboard(other, "tonewave", actor="ada", reason="left")
        return really(connection, tenant_id)

    monkeypatch.setattr(publication, "publish", publish)
    platform.land()
    assert platform.run_all(), platform.messages
    published = {tenant for (tenant,) in platform.rows("select tenant_id from tenancy.publications")}
    assert published == set(TENANTS) - {"kirana", "tonewave"}
    assert any("kirana is suspended" in message["text"] for message in platform.told("message"))
    reported = {tenant for (tenant,) in platform.rows("select tenant_id from compliance.reports")}
    assert reported == published
    assert platform.instance.get_dynamic_partitions("tenants") == [t for t in TENANTS if t != "tonewave"]


def test_a_run_that_was_asked_for_makes_nothing_for_a_tenant_that_is_not_active(platform, code_location):
    platform.land()
    assert platform.run_all()
    statements = "select count(*), max(xmin::text) from billing.statements where tenant_id = 'kirana'"
    before = platform.rows(statements)
    with connect(platform.url) as connection:
        moving.suspend(connection, "kirana", actor="ada", reason=None)
    for name, key in (("publish", "kirana"), ("score", "kirana"), ("monthly", "2026-02-01|kirana")):
        job = code_location.defs.resolve_job_def(name)
        assert job.execute_in_process(instance=platform.instance, partition_key=key).success
    assert platform.rows(statements) == before
    assert platform.rows("select count(*) from tenancy.publications where tenant_id = 'kirana'") == [(0,)]


def test_beyond_a_limit_is_a_warning_and_nothing_is_dropped(platform):
    platform.execute("update tenancy.tenants set configuration = configuration || '{\"events_per_day\": 3}'")
    platform.land()
    assert platform.run_all(), platform.messages
    assert platform.rows("select count(*), min(observed) from tenancy.limit_breaches") == [(3, 8)]
    assert platform.rows("select sum(accepted) from raw.accounts") == [(24,)]
    assert any("received 8 events, its limit is 3 a day" in message["text"] for message in platform.told("message"))
    key = dg.AssetCheckKey(dg.AssetKey("raw_events"), "tenants_stay_within_limits")
    (record,) = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "events_per_day" in evaluation.metadata["beyond their limits"].value


def test_a_command_tenant_is_published_and_taken_over_by_its_file(platform, tmp_path):
    new = {**load_tenant_files(platform.settings.tenants_dir)[0].model_dump(mode="json"), "tenant_id": "newcomer"}
    with connect(platform.url) as connection:
        registration.add_tenant(connection, configured(new, where="test"), tenants_dir=tmp_path, actor="ada")
    platform.land()
    assert platform.run_all(), platform.messages
    assert platform.instance.get_dynamic_partitions("tenants") == [*TENANTS, "newcomer"]
    assert platform.rows("select count(*) from tenancy.publications where tenant_id = 'newcomer'") == [(1,)]

    (platform.settings.tenants_dir / "newcomer.yaml").write_text(json.dumps(new))
    assert platform.deploy(), platform.messages
    assert any("newcomer was added by a command" in message["text"] for message in platform.told("message"))
    assert platform.rows("select origin from tenancy.tenants where tenant_id = 'newcomer'") == [("file",)]


def test_deploying_again_is_not_due(platform):
    assert platform.deploy()
    assert platform.messages == []
    platform.execute("delete from pipeline.deployments")
    assert platform.deploy()
    assert [message["title"] for message in platform.told("run_success")] == ["deploy"]


def test_a_failed_deployment_starts_nothing(platform):
    platform.land()
    platform.execute("delete from pipeline.deployments")
    platform.execute(f"alter table pipeline.deployments {NEVER}")
    assert not platform.run_all()
    assert [message["title"] for message in platform.told("run_start")] == ["deploy"]
    assert platform.rows("select count(*) from raw.events") == [(0,)]


def test_main_runs_in_a_process_of_its_own(platform):
    """As the command line starts it: by words, with the number of a pipe."""
    from analytics_dagster.defs import launch

    reading, writing = os.pipe()
    assert launch.main(["deploy", str(writing)]) == 0
    assert launch.main(["run", str(writing)]) == 0
    platform.land()
    platform.execute(f"alter table raw.batches {NEVER}")
    assert launch.main(["run", str(writing)]) == 1
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert '"title": "daily 2026-02-28"' in pipe.readline()
