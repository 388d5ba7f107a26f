"""The gate on a real PostgreSQL: who is held and for what, what ends a hold, and that judging again changes nothing."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_dagster.quality import gate
from analytics_dagster.quality.gate import Flag, GateReport, Hold, is_platform_fault, run_gate
from analytics_dagster.quality.holding import Decision
from analytics_dagster.quality.releasing import release
from analytics_dagster.quality.suites import MARTS_SUITE, SuiteError
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import WarehouseUrl, connect

SUITES = PROJECT_ROOT / "expectations"
DAY = date(2026, 3, 1)
LATER = DAY + timedelta(days=1)
BAD = {"accepted": 1, "quarantined": 9}


class Loads:
    """Fills the raw tables as a load would, with just what the gate looks at."""

    def __init__(self, url: WarehouseUrl, suites: Path = SUITES) -> None:
        self.url = url
        self.suites = suites

    def tenant(self, tenant_id, status="active", **quality):
        with connect(self.url) as c:
            c.execute(
                "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, status,"
                " configuration) values (%s, %s, 'music', 'free', 'UTC', 'EUR', 'free', 'eu', %s, %s)",
                [tenant_id, f"'; drop table {tenant_id} --", status, Jsonb({"quality": quality} if quality else {})],
            )

    def load(self, tenant_id, *, day=DAY, accepted=10, duplicate=0, quarantined=0, events=()):
        with connect(self.url) as c:
            (batch,) = c.execute(
                "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'x', gen_random_uuid(), 1)"
                " returning batch_id",
                [day],
            ).fetchone()
            received = accepted + duplicate + quarantined
            c.execute(
                "insert into raw.accounts values (%s, %s, %s, %s, %s, %s, %s)",
                [batch, tenant_id, day, received, accepted, duplicate, quarantined],
            )
            noon = datetime.combine(day, time(12), UTC)
            for number, event in enumerate(events):
                row = {"name": "track_play", "type": "user_action", "user": "u", "amount": None} | event
                c.execute(
                    "insert into raw.events (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id,"
                    " is_test, properties, load_day, batch_id, line_number)"
                    " values (%s, %s, %s, %s, 'api', %s, %s, false, %s, %s, %s, %s)",
                    [
                        tenant_id,
                        f"{batch}-{number}",
                        row["type"],
                        row["name"],
                        row.get("at", noon + timedelta(minutes=number)),
                        row["user"],
                        Jsonb({"page": 1} if row["amount"] is None else {"amount": row["amount"]}),
                        day,
                        batch,
                        number,
                    ],
                )

    def judge(self, *days, tenants=None, run_id="a run"):
        return run_gate(self.url, self.suites, days or [DAY], tenants, run_id=run_id, declared=["track_play"])

    def rows(self, query, *parameters):
        with connect(self.url) as c:
            return c.execute(query, parameters).fetchall()

    def holds(self):
        return self.rows("select load_day, tenant_id from quality.holds order by 1, 2")

    def state(self, tenant_id="broken", day=DAY):
        found = self.rows("select state from quality.loads where (tenant_id, load_day) = (%s, %s)", tenant_id, day)
        return found[0][0] if found else None


@pytest.fixture(scope="module")
def shared(server: WarehouseUrl, template: str) -> Iterator[WarehouseUrl]:
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database gate template {}").format(sql.Identifier(template)))
    yield replace(server, database="gate")
    with connect(server, autocommit=True) as connection:
        connection.execute("drop database gate with (force)")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What takes no long judging, for stories in which it does not matter by what a load fails."""
    folder = tmp_path_factory.mktemp("few expectations")
    suite = json.loads((SUITES / "raw_events.json").read_text())
    rules = {"most_lines_are_well_formed", "something_was_accepted"}
    suite["expectations"] = [each for each in suite["expectations"] if each["meta"]["name"] in rules]
    (folder / "raw_events.json").write_text(json.dumps(suite))
    return folder


@pytest.fixture
def loads(shared: WarehouseUrl, few: Path) -> Loads:
    loads = emptied(shared, few)
    for tenant in ("calm", "broken"):
        loads.tenant(tenant)
    return loads


@pytest.fixture
def all_suites(loads: Loads) -> Loads:
    loads.suites = SUITES
    return loads


def emptied(shared: WarehouseUrl, suites: Path) -> Loads:
    with connect(shared) as connection:
        connection.execute(
            "truncate raw.batches, raw.accounts, raw.events, tenancy.tenants, quality.judgements, quality.results,"
            " quality.loads, quality.scores, quality.holds, quality.releases, pipeline.build_changes cascade"
        )
    return Loads(shared, suites)


@pytest.fixture
def stricter(tmp_path: Path, few: Path) -> Path:
    """The same, with one rule that nothing can keep."""
    folder = tmp_path / "expectations"
    shutil.copytree(few, folder)
    file = folder / "raw_events.json"
    suite = json.loads(file.read_text())
    (rule,) = [each for each in suite["expectations"] if each["meta"]["name"] == "something_was_accepted"]
    rule["severity"] = "critical"
    rule["kwargs"] = {"column": "accepted", "min_value": 1e9}
    file.write_text(json.dumps(suite))
    return folder


PAYMENT = {"name": "payment_succeeded", "type": "transaction"}
GOOD = [{}, PAYMENT | {"amount": "9.99"}]


@pytest.mark.parametrize(
    ("expectation", "load"),
    [
        ("raw_events.most_lines_are_well_formed", {"accepted": 4, "quarantined": 6}),
        ("raw_events.engagement_has_an_actor", {"events": [{"user": None}, {"user": None}, {}]}),
        (
            "raw_events.events_are_not_from_the_future",
            {"events": [{"at": datetime(2026, 3, 4, 9, tzinfo=UTC)}, *[{}] * 9]},
        ),
        ("staging_payments.payments_have_an_amount", {"events": [PAYMENT | {"amount": a} for a in ("9.99", "free")]}),
    ],
)
def test_a_tenant_that_fails_is_held_alone_and_for_this_reason(all_suites, expectation, load):
    loads = all_suites
    loads.load("calm", events=GOOD)
    loads.load("broken", **load)
    report = loads.judge()
    assert report.judged == 2
    ((day, tenant, reasons),) = [(hold.load_day, hold.tenant_id, hold.reasons) for hold in report.holds]
    assert (day, tenant, len(reasons)) == (DAY, "broken", 1)
    assert reasons[0].startswith(f"{expectation}: expected ")
    assert ", observed 0." in reasons[0]
    assert loads.rows("select load_day, tenant_id, reasons from quality.holds") == [(DAY, "broken", list(reasons))]
    assert (loads.state(), loads.state("calm")) == ("held", "passed")


def test_every_suite_but_that_of_the_marts_is_judged_and_what_fails_has_a_sample(all_suites):
    loads = all_suites
    loads.load("broken", events=[{"user": None}, {"user": None}, {}])
    report = loads.judge(run_id="run 7")
    assert {v.suite for v in report.verdicts} == {file.stem for file in SUITES.glob("*.json")} - {MARTS_SUITE}
    (failed,) = [v for v in report.verdicts if v.expectation == "engagement_has_an_actor"]
    without_actor = loads.rows("select event_id from raw.events where user_id is null order by 1")
    assert [(event_id,) for event_id in failed.sample] == without_actor
    assert {v.sample for v in report.verdicts if v.passed} == {()}
    assert loads.rows("select run_id, stage from quality.judgements") == [("run 7", "loads")]
    assert loads.rows("select count(*) from quality.results") == [(len(report.verdicts),)]


def test_a_warning_holds_nobody_and_a_first_load_is_judged_by_absolute_rules_only(all_suites):
    loads = all_suites
    loads.load("calm", accepted=0, duplicate=10)
    report = loads.judge()
    failed = {v.expectation for v in report.verdicts if not v.passed}
    assert {"something_was_accepted", "most_lines_are_new"} <= failed
    assert report.holds == ()
    (compared,) = [v for v in report.verdicts if v.expectation == "the_volume_has_not_collapsed"]
    assert (compared.passed, compared.observed) == (True, None)
    assert "no history" in compared.note


def test_a_load_is_compared_with_its_own_history(all_suites):
    loads = all_suites
    days = [DAY - timedelta(days=number) for number in range(20, -1, -1)]
    for day in days[:-1]:
        loads.load("broken", day=day, accepted=1000)
        loads.load("calm", day=day, accepted=10)
    loads.load("broken", accepted=10)
    loads.load("calm", accepted=10)
    report = loads.judge(*days)
    assert loads.holds() == [(DAY, "broken")]
    # the last days one by one, it is the same
    at_once = loads.rows("select load_day, tenant_id, state from quality.loads order by 1, 2")
    with connect(loads.url) as connection:
        connection.execute("truncate quality.loads, quality.holds, quality.scores, quality.releases")
    assert loads.judge(*days[:-2]).holds == ()
    assert loads.judge(days[-2]).holds == ()
    assert loads.judge(days[-1]).holds == report.holds
    assert loads.rows("select load_day, tenant_id, state from quality.loads order by 1, 2") == at_once


def test_a_load_repaired_by_new_files_is_released_and_other_days_stay_held(loads):
    for day in (DAY, LATER, LATER + timedelta(days=1)):
        loads.load("broken", day=day, **BAD)
    loads.judge(DAY, LATER, LATER + timedelta(days=1))
    assert [day for day, _ in loads.holds()] == [DAY, LATER, LATER + timedelta(days=1)]
    loads.load("broken", accepted=100)  # the missing lines came
    assert loads.judge(DAY).holds == ()
    assert [day for day, _ in loads.holds()] == [LATER, LATER + timedelta(days=1)]
    assert loads.rows("select load_day, how from quality.releases") == [(DAY, "passed")]


def test_a_load_repaired_by_a_replay_is_released(loads):
    loads.load("broken", **BAD)
    loads.judge()
    with connect(loads.url) as connection:
        connection.execute("update raw.accounts set accepted = 10, quarantined = 0")
    loads.judge()
    assert (loads.holds(), loads.state()) == ([], "passed")


def test_a_load_that_was_taken_out_is_held_no_more(loads):
    loads.load("broken", **BAD)
    loads.load("broken", day=LATER, **BAD)
    loads.judge(DAY, LATER)
    with connect(loads.url) as connection:
        connection.execute("delete from raw.accounts where load_day = %s", [DAY])
    assert loads.judge(DAY, tenants=["calm"]).judged == 0
    assert len(loads.holds()) == 2
    assert loads.judge(DAY).judged == 0
    assert (loads.holds(), loads.state()) == ([(LATER, "broken")], None)


def test_judging_again_changes_nothing(loads):
    loads.load("broken", **BAD)
    loads.load("calm", duplicate=90)

    def state():
        verdicts = "tenant_id, suite, expectation, severity, observed, expected, passed, note, sample"
        return [
            loads.rows(f"select distinct {verdicts} from quality.results order by 1, 2, 3"),
            loads.rows("select * from quality.holds"),
            loads.rows("select * from quality.scores order by 1"),
            loads.rows("select tenant_id, content, measures, state from quality.loads order by 1"),
            loads.rows("select * from pipeline.build_changes order by 1, 2, 3"),
        ]

    first_report = loads.judge()
    first = state()
    again = loads.judge()
    assert state() == first
    assert again.decisions == first_report.decisions
    assert again.judgement_id > first_report.judgement_id
    assert loads.rows("select count(*) from quality.releases") == [(0,)]


def test_a_run_narrowed_to_one_tenant_leaves_the_others(loads):
    for tenant in ("calm", "broken"):
        loads.load(tenant, **BAD)
    loads.judge()
    loads.load("calm", accepted=100)
    loads.load("broken", accepted=100)
    report = loads.judge(tenants=["calm", "'; drop table quality.holds; --"])
    assert {v.tenant_id for v in report.verdicts} == {"calm"}
    assert loads.holds() == [(DAY, "broken")]


def test_nothing_loaded_and_lines_of_nobody_are_not_judged(loads):
    assert loads.judge() == GateReport()
    loads.tenant("gone", "offboarded")
    loads.load("(unknown)", accepted=0, quarantined=50)
    loads.load("gone", **BAD)
    loads.load("calm", accepted=0)
    assert loads.judge() == GateReport()
    assert loads.rows("select * from quality.judgements") == []


def test_a_rule_that_was_tightened_flags_what_was_let_pass_and_holds_what_comes(loads, stricter):
    loads.load("calm")
    loads.judge()
    loads.suites = stricter
    loads.load("broken")
    report = loads.judge()
    assert [(flag.tenant_id, flag.reasons) for flag in report.flagged] == [
        ("calm", ("raw_events.something_was_accepted: expected accepted >= 1e+09, observed 10",))
    ]
    assert [hold.tenant_id for hold in report.holds] == ["broken"]
    assert (loads.holds(), loads.state("calm")) == ([(DAY, "broken")], "flagged")
    loads.load("calm")
    assert [hold.tenant_id for hold in loads.judge().holds] == ["broken", "calm"]


def test_a_tenant_may_have_thresholds_of_its_own(loads):
    loads.tenant("lax", **{"raw_events.most_lines_are_well_formed": {"off": True}})
    loads.load("lax", **BAD)
    loads.load("broken", **BAD)
    report = loads.judge()
    assert [hold.tenant_id for hold in report.holds] == ["broken"]
    assert not [v for v in report.verdicts if (v.tenant_id, v.expectation) == ("lax", "most_lines_are_well_formed")]


def test_what_a_person_released_is_judged_again_and_stays_released(loads):
    loads.load("broken", **BAD)
    loads.judge()
    with connect(loads.url) as connection:
        release(connection, "broken", DAY, actor="ann", reason="it is right")
    report = loads.judge()
    assert (report.holds, report.flagged, loads.holds(), loads.state()) == ((), (), [], "released")
    loads.load("broken", **BAD)  # twice as much of the same is another load
    assert [hold.tenant_id for hold in loads.judge().holds] == ["broken"]


def test_two_gates_at_once_take_turns(loads, monkeypatch):
    """Else the one that looked first could write last, and hold a load that is repaired."""
    for day in (DAY, LATER):
        for tenant in ("calm", "broken"):
            loads.load(tenant, day=day, **BAD)
    loads.judge(DAY, LATER)
    measured = gate.profiles
    looked = []

    def repaired_after_the_first_look(*arguments, **more):
        found = measured(*arguments, **more)
        if not looked:
            looked.append(None)
            for tenant in ("calm", "broken"):
                loads.load(tenant, accepted=100)
        return found

    monkeypatch.setattr(gate, "profiles", repaired_after_the_first_look)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(loads.judge, DAY, LATER) for _ in range(2)]
        reports = [run.result() for run in runs]
    assert sorted(len(report.holds) for report in reports) == [2, 4]
    assert loads.holds() == [(LATER, "broken"), (LATER, "calm")]
    assert loads.rows("select count(*) from quality.releases") == [(2,)]


def test_an_expectation_on_a_measure_that_is_not_there_is_named(loads, stricter):
    file = stricter / "raw_events.json"
    file.write_text(file.read_text().replace('"column": "accepted"', '"column": "moon_phase"'))
    loads.suites = stricter
    loads.load("calm")
    with pytest.raises(SuiteError, match="something_was_accepted"):
        loads.judge()
    assert loads.rows("select * from quality.judgements") == []


def decided(*states, day=DAY, failing=True):
    return tuple(
        Decision(day, f"{state} {number}", state, failing=failing and state != "passed")
        for number, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("story", "decisions", "faults"),
    [
        ("three of five", decided(*["held"] * 3, "passed", "passed"), [DAY]),
        ("three of ten", decided(*["held"] * 3, *["passed"] * 7), []),
        ("both of two", decided("held", "held"), []),
        ("flagged ones fail, too", decided("held", "flagged", "flagged", "passed"), [DAY]),
        ("released ones do not", decided("held", "held", "released", "released", "passed"), []),
        ("held for their marts, and pass", decided(*["held"] * 4, failing=False), []),
        ("days stand for themselves", decided(*["held"] * 2) + decided(*["held"] * 3, day=LATER), [LATER]),
        ("nobody", (), []),
    ],
)
def test_many_failing_tenants_are_the_platforms_fault(story, decisions, faults):
    assert GateReport(decisions=decisions).platform_faults(0.3) == tuple(faults), story


def test_how_many_are_many_is_chosen():
    half = GateReport(decisions=decided("held", "held", "passed", "passed"))
    assert half.platform_faults(0.4, tenants=2) == (DAY,)
    assert half.platform_faults(0.5, tenants=2) == ()
    assert [is_platform_fault(count, 10, 0.3) for count in (3, 4)] == [False, True]


def test_a_report_lists_holds_and_flags_with_their_reasons():
    held, flagged = (Decision(DAY, "t", state, reasons=("why",)) for state in ("held", "flagged"))
    report = GateReport(decisions=(held, flagged, *decided("passed", "released")))
    assert report.holds == (Hold(DAY, "t", ("why",)),)
    assert report.flagged == (Flag(DAY, "t", ("why",)),)
    assert report.judged == 4
