"""The suite files and the adapter: each expectation fails on what it is for, and every fault of a file has its place.

All hand-made loads are judged in one validation; judging costs by expectation and not by row.
"""

import json
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics_dagster.quality import suites as adapter
from analytics_dagster.quality.measures import MEASURES, RELATIVE
from analytics_dagster.quality.suite_files import Expectation, Suite
from analytics_dagster.quality.suites import (
    MARTS_SUITE,
    NO_HISTORY,
    OWN_THRESHOLD,
    SuiteError,
    expected_text,
    is_relative,
    judge,
    read_suites,
)
from analytics_dagster.quality.verdicts import Verdict

FOLDER = Path(__file__).parents[2] / "expectations"
DAY = date(2026, 3, 1)
SUITES = tuple(suite for suite in read_suites(FOLDER) if suite.name != MARTS_SUITE)
EXPECTATIONS = {expectation.key: expectation for suite in SUITES for expectation in suite.expectations}

NOTHING = math.nan
# For each expectation a value of a faulty load, and one of a load that is odd and sound.
LOADS: dict[str, tuple[float, float]] = {
    "raw_events.something_was_accepted": (0, 1),
    "raw_events.most_lines_are_well_formed": (0.6, 0.3),
    "raw_events.refused_lines_are_as_few_as_usual": (20, 5),
    "raw_events.engagement_has_an_actor": (0, 0.8),
    "raw_events.events_are_not_from_the_future": (1, 0.01),
    "raw_events.most_lines_are_new": (0.66, 0.4),
    "raw_events.the_volume_has_not_collapsed": (1 / 12, 0.4),
    "raw_events.the_volume_is_not_far_below_usual": (-8, -4),
    "raw_events.the_volume_is_not_a_fraction_of_usual": (0.1, 0.4),
    "raw_events.the_volume_is_not_a_multiple_of_usual": (6, 3),
    "raw_events.the_newest_event_is_known": (NOTHING, 1),
    "raw_events.the_newest_event_is_of_the_days_end": (16, 12),
    "raw_events.most_events_are_of_their_day": (0.8, 0.3),
    "raw_events.event_times_have_a_time_of_day": (1, 0.1),
    "raw_events.events_spread_over_the_day": (1, 0.6),
    "raw_events.properties_did_not_vanish": (100, 5),
    "raw_events.most_events_are_not_tests": (1, 0.1),
    "raw_events.the_event_mix_was_not_replaced": (0.99, 0.5),
    "raw_events.the_event_mix_is_about_the_usual": (0.6, 0.4),
    "raw_events.most_event_names_were_seen_before": (0.9, 0.2),
    "raw_events.most_events_are_declared": (0.9, 0.2),
    "staging_users.users_are_not_far_below_usual": (-7, -3),
    "staging_users.users_are_not_far_above_usual": (20, 4),
    "staging_users.actors_are_recognised_again": (0.17, 0.5),
    "staging_users.one_actor_does_not_act_for_many": (19, 2),
    "staging_users.no_actor_outweighs_all_others": (1, 0.65),
    "staging_users.somebody_is_logged_in": (1, 0.6),
    "staging_users.visitors_belong_to_one_user": (1, 0.3),
    "staging_sessions.sessions_do_not_fall_apart": (0.2, 0.6),
    "staging_sessions.sessions_do_not_grow_together": (6, 1.6),
    "staging_sessions.not_all_sessions_are_of_one_event": (1, 0.3),
    "staging_sessions.sessions_have_a_length": (0.9, 0.02),
    "staging_sessions.sessions_end_within_half_a_day": (0.25, 0.02),
    "staging_payments.payments_have_an_amount": (0, 0.95),
    "staging_payments.amounts_are_above_zero": (1, 0.2),
    "staging_payments.amounts_are_of_the_usual_size": (100, 5),
    "staging_payments.amounts_are_about_the_usual_size": (15, 5),
    "staging_payments.the_largest_amount_is_plausible": (100, 3),
    "staging_payments.amounts_have_the_precision_of_money": (0.1, 0),
    "staging_payments.payments_are_in_the_currency_of_the_tenant": (1, 0.3),
    "staging_payments.payments_are_told_once": (0.5, 0.15),
    "staging_payments.payments_have_an_owner": (1, 0.1),
    "staging_payments.most_payments_succeed": (1, 0.5),
    "staging_payments.few_payments_are_refunds": (0.5, 0.2),
    "staging_payments.refunds_follow_payments": (1, 0.2),
    "staging_payments.payments_are_not_far_below_usual": (-5, -2),
    "staging_payments.payments_are_not_far_above_usual": (12, 5),
}
BOTH_ENDS = {
    "staging_payments.amounts_are_of_the_usual_size": 0.001,
    "staging_payments.amounts_are_about_the_usual_size": 0.05,
}


def load(tenant_id: str, *, history: int = 30, **measures: float) -> dict[str, Any]:
    """A load of which nothing is known but this; that its newest event is known is nothing to speak of."""
    known = dict.fromkeys(MEASURES, NOTHING) | {"hours_behind": 1.0}
    return {"load_day": DAY, "tenant_id": tenant_id, "history": history, **known, **measures}


def failed(verdicts: list[Verdict], tenant_id: str) -> set[str]:
    return {f"{v.suite}.{v.expectation}" for v in verdicts if v.tenant_id == tenant_id and not v.passed}


@pytest.fixture(scope="module")
def judged() -> list[Verdict]:
    faulty = [load(f"faulty {key}", **{EXPECTATIONS[key].column: value}) for key, (value, _) in LOADS.items()]
    odd = [load(f"odd {key}", **{EXPECTATIONS[key].column: value}) for key, (_, value) in LOADS.items()]
    other_end = [load(f"low {key}", **{EXPECTATIONS[key].column: value}) for key, value in BOTH_ENDS.items()]
    return judge(pd.DataFrame([*faulty, *odd, *other_end, load("new", history=2), load("quiet")]), SUITES)


def test_each_expectation_is_tried_on_a_faulty_load_and_on_a_sound_one() -> None:
    assert LOADS.keys() == EXPECTATIONS.keys()
    assert {key for key, e in EXPECTATIONS.items() if {"min_value", "max_value"} <= e.kwargs.keys()} == {*BOTH_ENDS}


@pytest.mark.parametrize("key", LOADS)
def test_an_expectation_fails_on_what_it_is_for_and_on_nothing_else(judged: list[Verdict], key: str) -> None:
    same_column = {other for other, e in EXPECTATIONS.items() if e.column == EXPECTATIONS[key].column}
    assert key in failed(judged, f"faulty {key}") <= same_column
    assert failed(judged, f"odd {key}") == set()
    if key in BOTH_ENDS:
        assert key in failed(judged, f"low {key}") <= same_column


def test_what_is_not_there_to_observe_passes_and_says_when_history_is_missing(judged: list[Verdict]) -> None:
    assert failed(judged, "new") == failed(judged, "quiet") == set()
    notes = {(v.tenant_id, v.expectation): v.note for v in judged if v.tenant_id in {"new", "quiet"}}
    for expectation in EXPECTATIONS.values():
        assert notes["new", expectation.name] == (NO_HISTORY if is_relative(expectation.column) else "")
        assert notes["quiet", expectation.name] == ""
    observed = {v.expectation: v.observed for v in judged if v.tenant_id == "quiet"}
    assert observed.pop("the_newest_event_is_known") == observed.pop("the_newest_event_is_of_the_days_end") == 1.0
    assert {*observed.values()} == {None}


def test_a_verdict_says_what_was_observed_and_expected(judged: list[Verdict]) -> None:
    (verdict,) = [
        v
        for v in judged
        if v.tenant_id == "faulty raw_events.engagement_has_an_actor" and v.expectation == "engagement_has_an_actor"
    ]
    assert verdict == Verdict(
        DAY,
        verdict.tenant_id,
        "raw_events",
        "engagement_has_an_actor",
        "critical",
        0.0,
        "identified_share >= 0.5",
        False,
    )
    assert len(judged) == len(EXPECTATIONS) * len({v.tenant_id for v in judged})


def test_the_suites_are_of_the_gated_tables_and_speak_of_known_measures() -> None:
    assert {suite.name for suite in SUITES} == {measure.suite for measure in MEASURES.values()}
    for suite in SUITES:
        assert {MEASURES[column].suite for column in suite.columns} == {suite.name}
        assert {*suite.document} == {"name", "expectations"}
        for expectation in suite.expectations:
            assert suite.measure_of(expectation.name) == expectation.column
            assert expectation.notes.endswith(".")
    assert len({expectation.type for expectation in EXPECTATIONS.values()}) >= 4
    assert [name for name in MEASURES if is_relative(name)] == [*RELATIVE]


def test_the_six_first_expectations_kept_their_names() -> None:
    assert {
        "something_was_accepted",
        "most_lines_are_well_formed",
        "engagement_has_an_actor",
        "events_are_not_from_the_future",
        "payments_have_an_amount",
        "most_lines_are_new",
    } <= {expectation.name for expectation in EXPECTATIONS.values()}


def test_new_bounds_can_be_written_into_a_suites_document(tmp_path: Path) -> None:
    (suite,) = [suite for suite in SUITES if suite.name == "staging_sessions"]
    document = json.loads(json.dumps(suite.document))
    document["expectations"][0]["kwargs"]["min_value"] = 0.25
    (tmp_path / "staging_sessions.json").write_text(json.dumps(document))
    (written,) = read_suites(tmp_path)
    changed = [new for old, new in zip(suite.expectations, written.expectations, strict=True) if old != new]
    assert [expectation.expected for expectation in changed] == ["events_per_session_ratio >= 0.25"]
    with pytest.raises(SuiteError, match=r"has no expectation gone.*\n.*it has sessions_do_not_fall_apart"):
        written.expectation("gone")


@pytest.mark.parametrize(
    ("threshold", "verdict"),
    [
        ({"max_value": 0.7}, ("critical", "quarantined_share <= 0.7", True, OWN_THRESHOLD)),
        ({"max_value": 0.6}, ("critical", "quarantined_share <= 0.6", True, OWN_THRESHOLD)),
        ({"max_value": 0.55, "severity": "info"}, ("info", "quarantined_share <= 0.55", False, OWN_THRESHOLD)),
        ({"min_value": 0.1}, ("critical", "0.1 <= quarantined_share <= 0.5", False, OWN_THRESHOLD)),
        ({"severity": "warning"}, ("warning", "quarantined_share <= 0.5", False, OWN_THRESHOLD)),
        ({"off": True}, None),
    ],
)
def test_a_threshold_is_its_tenants_alone(threshold: dict[str, Any], verdict: tuple[object, ...] | None) -> None:
    frame = pd.DataFrame([load(tenant, quarantined_share=0.6) for tenant in ("own", "other")])
    thresholds = {
        "own": {"raw_events.most_lines_are_well_formed": threshold},
        "absent": {"raw_events.x": {"off": True}},
    }
    verdicts = judge(frame, of("raw_events.most_lines_are_well_formed"), thresholds)
    said = {v.tenant_id: (v.severity, v.expected, v.passed, v.note) for v in verdicts}
    assert said.pop("other") == ("critical", "quarantined_share <= 0.5", False, "")
    assert said == ({} if verdict is None else {"own": verdict})


def of(key: str) -> list[Suite]:
    """One expectation of one suite."""
    return [Suite(EXPECTATIONS[key].suite, FOLDER, (EXPECTATIONS[key],), {})]


def test_a_note_of_missing_history_and_one_of_an_own_threshold_stand_together() -> None:
    thresholds = {"new": {"raw_events.the_volume_has_not_collapsed": {"min_value": 0.5}}}
    (verdict,) = judge(
        pd.DataFrame([load("new", history=0)]), of("raw_events.the_volume_has_not_collapsed"), thresholds
    )
    assert verdict.note == f"{NO_HISTORY}; {OWN_THRESHOLD}"


def test_great_expectations_is_asked_once_and_sees_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(measures: pd.DataFrame, expectations: list[Expectation]) -> Any:
        asked.append((measures, expectations))
        return validated(measures, expectations)

    validated = adapter._validated
    monkeypatch.setattr(adapter, "_validated", spy)
    key = "raw_events.most_lines_are_well_formed"
    frame = pd.DataFrame([load(f"tenant {number}", quarantined_share=0.6) for number in range(6)]).set_index(
        pd.Index(["same label"] * 6)
    )
    thresholds = {f"tenant {number}": {key: {"max_value": (0.7, 0.8)[number % 2]}} for number in range(5)}
    verdicts = judge(frame, of(key), thresholds)
    assert [v.passed for v in verdicts] == [True] * 5 + [False]
    ((measures, rules),) = asked
    assert {*measures.dtypes} == {np.dtype("float64")}
    assert [*measures.columns] == ["quarantined_share"]
    assert [*measures.index] == [*range(6)]
    assert [rule.kwargs["max_value"] for rule in rules] == [0.5, 0.7, 0.8]


def test_nothing_to_judge_gives_no_verdicts() -> None:
    assert judge(pd.DataFrame([load("a")]).head(0), SUITES) == []


def test_a_frame_without_history_and_with_plain_nothings_can_be_judged() -> None:
    frame = pd.DataFrame({"load_day": DAY, "tenant_id": ["a", "b"], "volume_ratio": [None, 0.01]}, dtype=object)
    verdicts = judge(frame, of("raw_events.the_volume_has_not_collapsed"))
    assert [(v.tenant_id, v.observed, v.passed, v.note) for v in verdicts] == [
        ("a", None, True, ""),
        ("b", 0.01, False, ""),
    ]


def test_a_measure_that_there_is_not_is_named_with_what_was_meant() -> None:
    frame = pd.DataFrame([load("a")]).rename(columns={"volume_ratio": "volume_ration"})
    with pytest.raises(
        SuiteError, match=r"the_volume_has_not_collapsed: kwargs\.column: there is no measure volume_rat"
    ):
        judge(frame, SUITES)
    with pytest.raises(
        SuiteError, match=r"raw_events.json\)\n.*did you mean volume_ration\? measures are history, rec"
    ):
        judge(frame, SUITES)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_be_between", {}),
        ("expect_column_values_to_be_between", {"min_value": "a", "max_value": "b"}),
        ("expect_column_values_to_match_strftime_format", {"strftime_format": "%Y"}),  # of numbers
        ("expect_column_values_to_be_even", {}),
    ],
)
def test_what_great_expectations_cannot_judge_is_an_error_with_a_remedy(kind: str, kwargs: dict[str, Any]) -> None:
    odd = Expectation("own", "odd", kind, {"column": "accepted", **kwargs}, "info", "", "")
    with pytest.raises(SuiteError, match="cannot judge expectation odd") as refused:
        judge(pd.DataFrame([load("a", accepted=1)]), [Suite("own", FOLDER, (odd,), {})])
    assert refused.value.remedy.startswith("correct its kwargs")


SOUND: dict[str, Any] = {
    "type": "expect_column_values_to_be_between",
    "id": "6a6f2e1c-0f53-4a53-9a0e-7f5d3f6f0a01",
    "kwargs": {"column": "accepted", "min_value": 1},
    "severity": "warning",
    "meta": {"name": "something_came", "notes": "Or nothing."},
}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in SOUND.items() if name != field}


def kwargs(**changes: object) -> dict[str, Any]:
    return {**SOUND, "kwargs": {**SOUND["kwargs"], **changes}}


@pytest.mark.parametrize(
    ("expectation", "fault"),
    [
        (without("type"), "expectation something_came: type: is missing: add it"),
        (without("id"), "expectation something_came: id: is missing"),
        (without("severity"), "expectation something_came: severity: is missing"),
        (without("meta"), "expectation 1: meta: is missing"),
        ({**SOUND, "meta": {"name": "a"}}, "expectation a: meta.notes: is missing"),
        ({**SOUND, "meta": {"name": "No Name", "notes": "a"}}, "expectation No Name: meta.name: string should match"),
        (
            {**SOUND, "meta": {**SOUND["meta"], "note": "a"}},
            "meta.note: is not known here: remove it, or use one of name",
        ),
        ({**SOUND, "sevrity": "info"}, "something_came: sevrity: is not known here: remove it, or use one of type, id"),
        ({**SOUND, "severity": "fatal"}, "something_came: severity: input should be 'critical', 'warning' or 'info'"),
        ({**SOUND, "id": "1"}, "something_came: id: input should be a valid UUID"),
        (
            {**SOUND, "type": "expect_column_max_to_be_between"},
            "type: expect_column_max_to_be_between is not supported: use one of expect_column_values_to_be_between, ",
        ),
        (kwargs(mostly=0.9), "kwargs.mostly: is not known here: remove it, or use one of column, min_value"),
        (kwargs(max_value="3"), "kwargs.max_value: input should be a valid number"),
        (kwargs(min_value=None), "kwargs.min_value: input should be given, or max_value: nothing is asked for"),
        (kwargs(max_value=0), "kwargs.min_value: input should not be above max_value: nothing could pass"),
        (kwargs(column="a b"), "kwargs.column: string should match"),
        ({**SOUND, "type": "expect_column_values_to_be_in_set"}, "kwargs.value_set: is missing"),
        (
            {**SOUND, "type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": []}},
            "kwargs.value_set: list should have at least 1 item",
        ),
        ({**SOUND, "type": "expect_column_values_to_not_be_null"}, "kwargs.min_value: is not known here"),
        ("something", "expectations.0: input should be"),
    ],
)
def test_a_fault_of_an_expectation_is_told_with_its_place(tmp_path: Path, expectation: object, fault: str) -> None:
    (tmp_path / "own.json").write_text(json.dumps({"name": "own", "expectations": [expectation]}))
    with pytest.raises(SuiteError) as refused:
        read_suites(tmp_path)
    assert "the suites cannot be used: own.json: " in refused.value.problem
    assert fault in refused.value.problem
    assert refused.value.where == str(tmp_path)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "own.json: is not JSON"),
        ("[]", "own.json: (file): input should be an object"),
        ("{}", "own.json: name: is missing: add it; own.json: expectations: is missing"),
        ('{"name": "own", "expectations": []}', "own.json: expectations: list should have at least 1 item"),
        (json.dumps({"name": "other", "expectations": [SOUND]}), "own.json: name: says 'other': it is the name of the"),
        (json.dumps({"name": "own", "expectations": [SOUND], "data": 1}), "own.json: data: is not known here"),
    ],
)
def test_a_fault_of_a_file_is_told(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(SuiteError) as refused:
        read_suites(tmp_path)
    assert fault in refused.value.problem


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write: Callable[[str, list[dict[str, Any]]], int] = lambda name, expectations: (  # noqa: E731
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "expectations": expectations}))
    )
    write("one", [without("id"), kwargs(column="A")])
    write("two", [without("severity")])
    (tmp_path / "three.json").mkdir()
    with pytest.raises(SuiteError) as refused:
        read_suites(tmp_path)
    for fault in (
        "one.json: expectation",
        "id: is missing",
        "kwargs.column",
        "two.json: ",
        "three.json: cannot be read",
    ):
        assert fault in refused.value.problem


def test_a_name_and_an_id_are_unique_over_all_files(tmp_path: Path) -> None:
    again = {**SOUND, "id": "6a6f2e1c-0f53-4a53-9a0e-7f5d3f6f0a02", "meta": {"name": "again", "notes": "a"}}
    for name, expectations in {
        "one": [SOUND],
        "two": [{**again, "meta": SOUND["meta"]}, {**again, "id": SOUND["id"]}],
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "expectations": expectations}))
    with pytest.raises(SuiteError) as refused:
        read_suites(tmp_path)
    assert "one.something_came and two.something_came share the name something_came: change one" in str(refused.value)
    assert f"one.something_came and two.again share the id {SOUND['id']}: change one" in str(refused.value)


def test_a_folder_without_suites_is_no_gate(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="there is no suite file"):
        read_suites(tmp_path)


@pytest.mark.parametrize(
    ("kind", "kwargs", "text"),
    [
        ("be_between", {"min_value": 1}, "a >= 1"),
        ("be_between", {"min_value": 1, "strict_min": True}, "a > 1"),
        ("be_between", {"max_value": 0.05}, "a <= 0.05"),
        ("be_between", {"max_value": 2, "strict_max": True}, "a < 2"),
        ("be_between", {"min_value": 0, "max_value": 2.5, "strict_max": True}, "0 <= a < 2.5"),
        ("be_in_set", {"value_set": [0, 0.5]}, "a is one of 0, 0.5"),
        ("not_be_in_set", {"value_set": [1]}, "a is not one of 1"),
        ("not_be_null", {}, "a is known"),
        ("be_null", {}, "a is not known"),
    ],
)
def test_what_is_expected_reads_like_a_sentence(kind: str, kwargs: dict[str, Any], text: str) -> None:
    assert expected_text(f"expect_column_values_to_{kind}", {"column": "a", **kwargs}) == text
