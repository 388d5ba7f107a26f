"""The gate on a real PostgreSQL: who is held, for what, and that judging again replaces the verdicts."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from analytics_dagster.quality.gate import run_gate
from analytics_dagster.quality.rollup import READABLE_AMOUNT
from analytics_dagster.quality.suites import SuiteError, expected_text, read_suite
from analytics_dagster.warehouse import connect

SUITE = Path(__file__).parents[2] / "expectations" / "raw_events.json"
DAY = date(2026, 3, 1)


class Loads:
    """Fills the raw tables as a load would, with just what the gate looks at."""

    def __init__(self, url):
        self.url = url

    def tenant(self, tenant_id):
        with connect(self.url) as c:
            c.execute(
                "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
                " configuration) values (%s, %s, 'music', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
                [tenant_id, f"'; drop table {tenant_id} --"],
            )

    def load(self, tenant_id, *, day=DAY, accepted=10, duplicate=0, quarantined=0, events=()):
        with connect(self.url) as c:
            batch = c.execute(
                "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'x', gen_random_uuid(), 1)"
                " returning batch_id",
                [day],
            ).fetchone()[0]
            received = accepted + duplicate + quarantined
            c.execute(
                "insert into raw.accounts values (%s, %s, %s, %s, %s, %s, %s)",
                [batch, tenant_id, day, received, accepted, duplicate, quarantined],
            )
            for event in events:
                row = {"name": "track_play", "type": "user_action", "user": "u", "at": day, "amount": None} | event
                c.execute(
                    "insert into raw.events (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id,"
                    " is_test, properties, load_day, batch_id, line_number)"
                    " values (%s, gen_random_uuid(), %s, %s, 'api', %s, %s, false, %s, %s, %s, 1)",
                    [
                        tenant_id,
                        row["type"],
                        row["name"],
                        row["at"],
                        row["user"],
                        Jsonb({} if row["amount"] is None else {"amount": row["amount"]}),
                        day,
                        batch,
                    ],
                )

    def holds(self):
        with connect(self.url) as c:
            return c.execute("select load_day, tenant_id, reasons from quality.holds order by 1, 2").fetchall()


@pytest.fixture
def loads(warehouse):
    loads = Loads(warehouse)
    for tenant in ("calm", "broken"):
        loads.tenant(tenant)
    return loads


PAYMENT = {"name": "payment_succeeded", "type": "transaction"}


@pytest.mark.parametrize(
    ("expectation", "load"),
    [
        ("most_lines_are_well_formed", {"accepted": 4, "quarantined": 6}),
        ("engagement_has_an_actor", {"events": [{"user": None}, {"user": None}, {}]}),
        ("events_are_not_from_the_future", {"events": [{"at": DAY + timedelta(days=3)}, {}]}),
        ("payments_have_an_amount", {"events": [PAYMENT | {"amount": "9.99"}, PAYMENT | {"amount": "free"}]}),
    ],
)
def test_a_tenant_that_fails_is_held_alone_and_for_this_reason(loads, expectation, load):
    loads.load("calm", events=[{}, PAYMENT | {"amount": "9.99"}])
    loads.load("broken", **load)
    report = run_gate(loads.url, SUITE, [DAY])
    assert report.judged == 2
    assert [(hold.tenant_id, len(hold.reasons)) for hold in report.holds] == [("broken", 1)]
    assert report.holds[0].reasons[0].startswith(expectation)
    assert loads.holds() == [(DAY, "broken", list(report.holds[0].reasons))]


def test_a_warning_holds_nobody(loads):
    loads.load("calm", accepted=0, duplicate=10)
    report = run_gate(loads.url, SUITE, [DAY])
    assert {v.expectation for v in report.verdicts if not v.passed} == {"something_was_accepted", "most_lines_are_new"}
    assert report.holds == ()


def test_a_repaired_load_is_released_and_other_days_stay_held(loads):
    later = DAY + timedelta(days=1)
    loads.load("broken", accepted=1, quarantined=9)
    loads.load("broken", day=later, accepted=1, quarantined=9)
    run_gate(loads.url, SUITE, [DAY, later])
    assert [day for day, *_ in loads.holds()] == [DAY, later]
    loads.load("broken", accepted=100)  # the missing lines came
    run_gate(loads.url, SUITE, [DAY])
    assert [day for day, *_ in loads.holds()] == [later]


def test_judging_again_changes_nothing(loads):
    loads.load("broken", accepted=1, quarantined=9)

    def state():
        with connect(loads.url) as c:
            return (
                c.execute("select * from quality.results order by 1, 2, 3").fetchall(),
                c.execute("select * from quality.holds order by 1, 2").fetchall(),
            )

    run_gate(loads.url, SUITE, [DAY])
    first = state()
    run_gate(loads.url, SUITE, [DAY])
    assert state() == first


def test_a_run_narrowed_to_one_tenant_leaves_the_others_verdicts(loads):
    for tenant in ("calm", "broken"):
        loads.load(tenant, accepted=1, quarantined=9)
    run_gate(loads.url, SUITE, [DAY])
    report = run_gate(loads.url, SUITE, [DAY], tenants=["calm"])
    assert {v.tenant_id for v in report.verdicts} == {"calm"}
    assert [tenant for _, tenant, _ in loads.holds()] == ["broken", "calm"]


def test_nothing_loaded_is_nothing_judged(loads):
    assert run_gate(loads.url, SUITE, [DAY]).verdicts == ()


def test_lines_of_no_tenant_are_judged_by_nobody(loads):
    loads.load("(unknown)", accepted=0, quarantined=50)
    assert run_gate(loads.url, SUITE, [DAY]).judged == 0


@pytest.mark.parametrize("text", ["no json", "[]", '{"name": "x"}', '{"name": "x", "expectations": [{"type": "y"}]}'])
def test_an_unreadable_suite_names_its_file(tmp_path, text):
    file = tmp_path / "suite.json"
    file.write_text(text)
    with pytest.raises(SuiteError, match=r"suite\.json"):
        read_suite(file)


def test_two_expectations_of_one_name_are_refused(tmp_path):
    suite = json.loads(SUITE.read_text())
    suite["expectations"].append(suite["expectations"][0])
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(suite))
    with pytest.raises(SuiteError, match="share"):
        read_suite(file)


def test_an_expectation_on_a_column_that_is_not_there_is_named(loads, tmp_path):
    suite = json.loads(SUITE.read_text())
    suite["expectations"][0]["kwargs"]["column"] = "moon_phase"
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(suite))
    loads.load("calm")
    with pytest.raises(SuiteError, match=r"something_was_accepted(.|\n)*one of the columns"):
        run_gate(loads.url, file, [DAY])


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"column": "x", "min_value": 1, "max_value": 2}, "1 <= x <= 2"),
        ({"column": "x", "min_value": 0.5}, "x >= 0.5"),
        ({"column": "x", "max_value": 0.5}, "x <= 0.5"),
        ({"column": "x", "value_set": ["a"]}, 'x: {"value_set": ["a"]}'),
    ],
)
def test_what_is_expected_is_said_in_words(kwargs, text):
    assert expected_text(kwargs) == text


@pytest.mark.parametrize(("broken", "calm", "fault"), [(3, 2, True), (3, 8, False), (2, 0, False)])
def test_many_failing_tenants_are_the_platforms_fault(loads, broken, calm, fault):
    for number in range(broken):
        loads.tenant(f"b{number}")
        loads.load(f"b{number}", accepted=1, quarantined=9)
    for number in range(calm):
        loads.tenant(f"c{number}")
        loads.load(f"c{number}")
    assert run_gate(loads.url, SUITE, [DAY]).platform_faults == ((DAY,) if fault else ())


def test_the_gate_and_dbt_read_the_same_amounts():
    macro = Path(__file__).parents[2] / "dbt_project" / "macros" / "definitions.sql"
    assert f"~ '{READABLE_AMOUNT}'" in macro.read_text()
