"""What a judgement makes of a load: each row of the tables is a story."""

from datetime import date
from decimal import Decimal

import pytest

from analytics_dagster.quality.holding import Decision, Known, decide_load, decide_marts, reason, reasons, score
from analytics_dagster.quality.verdicts import Verdict

DAY = date(2026, 3, 1)
FAILS, EARLIER = ("it fails",), ("it failed",)
A, B = "10/10/0/0", "20/20/0/0"


def verdict(severity="critical", *, passed=False, observed=0.5, tenant="calm", name="shares_are_small", day=DAY):
    return Verdict(day, tenant, "raw_events", name, severity, observed, "share <= 0.1", passed)


@pytest.mark.parametrize(
    ("story", "critical", "known", "state", "held_by", "why"),
    [
        ("never judged, good", (), Known(), "passed", None, ()),
        ("never judged, bad", FAILS, Known(), "held", "loads", FAILS),
        ("good again", (), Known(A, "passed"), "passed", None, ()),
        ("bad data came", FAILS, Known(B, "passed"), "held", "loads", FAILS),
        ("bad data came to what was flagged", FAILS, Known(B, "flagged"), "held", "loads", FAILS),
        ("the rule was tightened", FAILS, Known(A, "passed"), "flagged", None, FAILS),
        ("still flagged", FAILS, Known(A, "flagged"), "flagged", None, FAILS),
        ("the rule was relaxed", (), Known(A, "flagged"), "passed", None, ()),
        ("still held", FAILS, Known(A, "held", "loads", EARLIER), "held", "loads", FAILS),
        ("other data, held on", FAILS, Known(B, "held", "loads", EARLIER), "held", "loads", FAILS),
        ("repaired", (), Known(B, "held", "loads", EARLIER), "passed", None, ()),
        ("passes by a relaxed rule", (), Known(A, "held", "loads", EARLIER), "passed", None, ()),
        (
            "a hold from before loads were remembered",
            FAILS,
            Known(None, None, "loads", EARLIER),
            "held",
            "loads",
            FAILS,
        ),
        ("its hold was deleted by hand", FAILS, Known(A, "held"), "held", "loads", FAILS),
        ("released by a person", FAILS, Known(A, "released", released=True), "released", None, ()),
        ("released, and passes now", (), Known(A, "released", released=True), "released", None, ()),
        ("released, then other bad data", FAILS, Known(B, "released"), "held", "loads", FAILS),
        ("released, then other good data", (), Known(B, "released"), "passed", None, ()),
        ("back to what was released", FAILS, Known(B, "held", "loads", EARLIER, released=True), "released", None, ()),
        ("its marts were bad, the load is the same", (), Known(A, "held", "marts", EARLIER), "held", "marts", EARLIER),
        ("its marts were bad, the load too now", FAILS, Known(A, "held", "marts", EARLIER), "held", "marts", EARLIER),
        ("its marts were bad, good data came", (), Known(B, "held", "marts", EARLIER), "passed", None, ()),
        ("its marts were bad, bad data came", FAILS, Known(B, "held", "marts", EARLIER), "held", "loads", FAILS),
        ("its marts were bad, released", (), Known(A, "released", released=True), "released", None, ()),
    ],
)
def test_a_load_is_judged(story, critical, known, state, held_by, why):
    expected = Decision(DAY, "calm", state, held_by, why, failing=bool(critical))
    assert decide_load(DAY, "calm", A, critical, known) == expected, story


@pytest.mark.parametrize(
    ("story", "critical", "known", "state", "held_by", "why"),
    [
        ("good", (), Known(A, "passed"), "passed", None, ()),
        ("good, and flagged as a load", (), Known(A, "flagged"), "flagged", None, ()),
        ("good, never judged as a load", (), Known(), None, None, ()),
        ("bad", FAILS, Known(A, "passed"), "held", "marts", FAILS),
        ("bad, never judged as a load", FAILS, Known(), "held", "marts", FAILS),
        ("bad still", FAILS, Known(A, "held", "marts", EARLIER), "held", "marts", FAILS),
        ("good after all", (), Known(A, "held", "marts", EARLIER), "passed", None, ()),
        ("released by a person", FAILS, Known(A, "released", released=True), "released", None, ()),
        ("held as a load, not built without it yet", (), Known(A, "held", "loads", EARLIER), "held", "loads", EARLIER),
        ("held as a load, and bad marts", FAILS, Known(A, "held", "loads", EARLIER), "held", "loads", EARLIER),
    ],
)
def test_its_marts_are_judged(story, critical, known, state, held_by, why):
    expected = Decision(DAY, "calm", state, held_by, why, failing=bool(critical))
    assert decide_marts(DAY, "calm", critical, known) == expected, story


def test_a_load_that_is_spared_is_not_held_for_its_marts_and_not_let_go():
    for state in ("passed", "flagged", None):
        known = Known(A, state)
        assert decide_marts(DAY, "calm", FAILS, known, spared=True) == Decision(DAY, "calm", state, failing=True)
    known = Known(A, "held", "marts", EARLIER)
    assert decide_marts(DAY, "calm", FAILS, known, spared=True).held_by == "marts"
    assert decide_marts(DAY, "calm", (), known, spared=True).state == "passed"


def test_reasons_are_the_critical_failures_in_words():
    found = [
        verdict(),
        verdict(name="something_came", observed=None),
        verdict("warning"),
        verdict(passed=True),
        verdict(tenant="other", observed=1234567.0),
    ]
    assert reasons(found) == {
        (DAY, "calm"): (
            "raw_events.shares_are_small: expected share <= 0.1, observed 0.5",
            "raw_events.something_came: expected share <= 0.1, observed nothing",
        ),
        (DAY, "other"): (reason(found[-1]),),
    }


@pytest.mark.parametrize(
    ("verdicts", "points", "judged", "critical", "warning"),
    [
        ([], "100", 0, 0, 0),
        ([verdict(passed=True), verdict("warning", passed=True)], "100", 2, 0, 0),
        ([verdict(), verdict("warning")], "0", 2, 1, 1),
        ([verdict(), verdict("warning", passed=True)], "28.57", 2, 1, 0),
        ([verdict("warning"), verdict(passed=True)], "71.43", 2, 0, 1),
        ([verdict("info"), verdict(passed=True)], "83.33", 2, 0, 0),
        ([verdict("warning"), verdict(passed=True, observed=None)], "0", 1, 0, 1),
        ([verdict(observed=None), verdict("info", passed=True)], "16.67", 2, 1, 0),
    ],
)
def test_a_score_weighs_what_failed_of_what_there_was_to_observe(verdicts, points, judged, critical, warning):
    found = score(verdicts)
    assert (found.score, found.judged, found.failed_critical, found.failed_warning) == (
        Decimal(points),
        judged,
        critical,
        warning,
    )
