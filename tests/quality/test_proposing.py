"""Learned bounds: what they come from, who gets bounds of their own, and that a file keeps all but its numbers."""

import json
from datetime import date, timedelta
from random import Random

import pandas as pd
import pytest
import typer
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from analytics_dagster.cli import quality_propose
from analytics_dagster.quality.learning import ENOUGH_DAYS, TooLittleHistoryError, good_loads
from analytics_dagster.quality.proposing import own_thresholds, propose
from analytics_dagster.quality.suite_text import with_bounds
from analytics_dagster.quality.suites import MARTS_SUITE, SuiteError, judge, read_suites
from analytics_dagster.settings import PROJECT_ROOT, load_settings

DAY = date(2026, 3, 1)
SUITE = """{
  "name": "learned",
  "expectations": [
    {
      "type": "expect_column_values_to_be_between",
      "id": "6a6f2e1c-0f53-4a53-9a0e-7f5d3f6f0b01",
      "kwargs": {"column": "bare_share", "max_value": 0.9},
      "severity": "warning",
      "meta": {"name": "events_say_something", "notes": "Its \\"max_value\\": 7 is a word here."}
    },
    {
      "type": "expect_column_values_to_be_between",
      "id": "6a6f2e1c-0f53-4a53-9a0e-7f5d3f6f0b02",
      "kwargs": {"column": "volume_deviation",   "min_value": -6, "max_value": 8.0},
      "severity": "critical",
      "meta": {"name": "volume_is_usual", "notes": "So much as always."}
    },
    {
      "type": "expect_column_values_to_be_between",
      "id": "6a6f2e1c-0f53-4a53-9a0e-7f5d3f6f0b03",
      "kwargs": {"column": "accepted", "min_value": 1},
      "severity": "warning",
      "meta": {"name": "anything_came", "notes": "At all."}
    }
  ]
}
"""


@pytest.fixture
def suites(tmp_path):
    (tmp_path / "learned.json").write_text(SUITE)
    return read_suites(tmp_path)


def loads(tenants=("a", "b", "c", "d"), days=60, **others):
    """Good loads: few of their events are bare, the volume swings a little."""
    rng = Random(5)  # noqa: S311 - the same loads each time
    rows = [
        {
            "load_day": DAY + timedelta(days=day),
            "tenant_id": tenant,
            "bare_share": others.get(tenant, 0.02) * rng.uniform(0.8, 1.2),
            "volume_deviation": rng.gauss(0, 1),
            "accepted": float(rng.randrange(50, 5_000)),
        }
        for tenant in tenants
        for day in range(days)
    ]
    return pd.DataFrame(rows)


def bounds(proposals):
    return {(p.expectation, p.bound): p.proposed for p in proposals}


def test_bounds_lie_a_margin_beyond_the_loads_that_passed(suites):
    frame = loads()
    found = bounds(propose(frame, suites))
    assert frame["bare_share"].max() < found["events_say_something", "max_value"] < 0.06
    assert -6 <= found["volume_is_usual", "min_value"] < frame["volume_deviation"].quantile(0.005)
    assert all(p.would_fail <= p.loads * 0.005 for p in propose(frame, suites))


def test_what_depends_on_the_size_of_a_tenant_is_not_learned(suites):
    assert "anything_came" not in {p.expectation for p in propose(loads(), suites)}


def test_a_critical_bound_never_becomes_looser_for_what_it_held_is_not_in_the_history(suites):
    frame = loads()
    frame["volume_deviation"] *= 10
    found = bounds(propose(frame, suites))
    assert (found["volume_is_usual", "min_value"], found["volume_is_usual", "max_value"]) == (-6, 8)


def test_a_tenant_that_differs_gets_a_bound_of_its_own_and_does_not_move_that_of_the_others(suites):
    usual = bounds(propose(loads(), suites))
    proposals = propose(loads(("a", "b", "c", "d", "strange"), strange=0.5), suites)
    assert bounds(proposals)["events_say_something", "max_value"] == usual["events_say_something", "max_value"]
    own = own_thresholds(proposals)
    assert own.keys() == {"strange"}
    assert 0.6 < own["strange"]["learned.events_say_something"]["max_value"] < 0.9
    assert sum(p.would_fail for p in proposals if p.expectation == "events_say_something") <= 1


def test_a_tenant_whose_bound_is_its_own_already_is_no_pattern_for_the_others(suites):
    known = {"strange": {"learned.events_say_something": {"off": True}}}
    proposals = propose(loads(("a", "b", "c", "d", "strange"), strange=0.5), suites, known)
    assert own_thresholds(proposals) == {}
    assert {p.loads for p in proposals if p.expectation == "events_say_something"} == {240}


def test_loads_that_fail_are_counted_by_both_bounds(suites):
    frame = loads()
    frame.loc[0, "bare_share"] = 0.95
    (told,) = (p for p in propose(frame, suites) if p.expectation == "events_say_something")
    assert (told.fail_now, told.would_fail) == (1, 1)


def test_of_a_measure_that_was_hardly_ever_seen_nothing_is_learned(suites):
    frame = loads()
    frame.loc[20:, "bare_share"] = float("nan")
    assert "events_say_something" not in {p.expectation for p in propose(frame, suites)}


def test_a_share_that_may_be_anything_gets_no_bound(suites):
    frame = loads()
    frame["bare_share"] = [number % 101 / 100 for number in range(len(frame))]
    assert "events_say_something" not in {p.expectation for p in propose(frame, suites)}


def test_a_file_changes_in_its_numbers_only():
    text = with_bounds(
        SUITE, {("events_say_something", "max_value"): 0.05, ("volume_is_usual", "max_value"): 4}, where=""
    )
    assert text == SUITE.replace('"max_value": 0.9}', '"max_value": 0.05}').replace("8.0}", "4}")


@pytest.mark.parametrize("file", sorted((PROJECT_ROOT / "expectations").glob("*.json")), ids=lambda file: file.name)
def test_every_suite_of_the_project_can_be_written_with_other_bounds(file):
    text = file.read_text()
    assert with_bounds(text, {}, where=str(file)) == text
    document = json.loads(text)
    asked = {
        (one["meta"]["name"], bound): 17.5
        for one in document["expectations"]
        for bound in ("min_value", "max_value")
        if bound in one["kwargs"]
    }
    written = json.loads(with_bounds(text, asked, where=str(file)))
    for one in document["expectations"]:
        one["kwargs"] |= {bound: 17.5 for bound in ("min_value", "max_value") if bound in one["kwargs"]}
    assert written == document


def test_bounds_that_stand_elsewhere_are_not_guessed():
    text = SUITE.replace('"severity": "critical"', '"severity": "critical", "max_value": 3')
    with pytest.raises(SuiteError, match="cannot be told apart"):
        with_bounds(text, {}, where="learned.json")


def test_the_proposed_suite_passes_the_loads_it_was_learned_from(suites, tmp_path):
    frame = loads()
    changes = bounds(propose(frame, suites))
    folder = tmp_path / "proposed"
    folder.mkdir()
    (folder / "learned.json").write_text(with_bounds(SUITE, changes, where=""))
    verdicts = judge(frame, read_suites(folder))
    assert sum(not verdict.passed for verdict in verdicts) <= 2
    frame["bare_share"] = 0.3  # which the bound of before let pass
    assert sum(not verdict.passed for verdict in judge(frame, read_suites(folder))) >= len(frame)


def remember(connection, days, state="passed"):
    judgement = connection.execute(
        "insert into quality.judgements (run_id, stage) values ('x', 'loads') returning judgement_id"
    ).fetchone()
    for day in range(days):
        connection.execute(
            "insert into quality.loads values (%s, %s, 'c', %s, %s, %s)",
            ["calm", DAY + timedelta(days=day), Jsonb({"accepted": 50, "mix": {"x": 50}}), state, *judgement],
        )


def test_a_short_history_is_said_to_be_too_short(connection):
    remember(connection, ENOUGH_DAYS - 1)
    with pytest.raises(TooLittleHistoryError, match=r"20 loading days.*21 are needed"):
        good_loads(connection)


def test_held_loads_are_no_pattern_but_belong_to_the_history(connection):
    remember(connection, ENOUGH_DAYS + 4)
    connection.execute("update quality.loads set state = 'held' where load_day = %s", [DAY + timedelta(days=10)])
    frame = good_loads(connection)
    assert len(frame) == ENOUGH_DAYS + 3
    assert DAY + timedelta(days=10) not in set(frame["load_day"])
    assert frame["history"].max() >= 14
    assert (frame["volume_deviation"].dropna() == 0).all()
    assert frame["volume_deviation"].notna().sum() > 0


@pytest.fixture
def command(warehouse, tmp_path, monkeypatch):
    settings = load_settings(state_dir=tmp_path / "state")
    monkeypatch.setattr(quality_propose, "prepared", lambda: (settings, warehouse))
    app = typer.Typer()
    app.callback()(lambda: None)
    quality_propose.register(app)
    return lambda *words: CliRunner().invoke(app, ["propose", *words])


def test_the_command_shows_bounds_and_writes_only_where_it_is_told(command, connection, tmp_path):
    remember(connection, ENOUGH_DAYS + 20)
    connection.commit()
    before = {file.name: file.read_text() for file in (PROJECT_ROOT / "expectations").glob("*.json")}
    shown = command("--suite", "raw_events")
    assert shown.exit_code == 0, shown.output
    assert "raw_events.the_volume_is_not_a_multiple_of_usual" in shown.output
    assert "staging_" not in shown.output
    assert list(tmp_path.rglob("*.json")) == []
    written = command("--output", str(tmp_path / "proposed"))
    assert written.exit_code == 0, written.output
    files = {file.name: file.read_text() for file in (tmp_path / "proposed").iterdir()}
    assert files.keys() == before.keys() - {f"{MARTS_SUITE}.json"}
    changed = sum(
        one != other
        for name, text in files.items()
        for one, other in zip(text.splitlines(), before[name].splitlines(), strict=True)
    )
    assert changed > 0
    assert {file.name: file.read_text() for file in (PROJECT_ROOT / "expectations").glob("*.json")} == before


def test_a_suite_that_there_is_not_is_refused_with_those_that_there_are(command):
    refused = command("--suite", "moon")
    assert refused.exit_code == 2
    assert "staging_payments" in refused.output
