"""Which runs the due work makes: no gaps covered that are not due, nothing due left out."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.defs.requests import RunPlan, daily_runs, month_runs, tenant_runs

DAY = date(2026, 2, 27)
REGISTERED = ["zed", "acme", "mid-1", "kirana"]


def test_days_without_a_gap_are_one_run():
    days = [DAY + timedelta(days=n) for n in (2, 0, 1, 1, 5)]
    assert daily_runs(days) == [
        RunPlan("daily", "2026-02-27", "2026-03-01"),
        RunPlan("daily", "2026-03-04", "2026-03-04"),
    ]


def test_nothing_due_is_no_run():
    assert daily_runs([]) == tenant_runs("publish", [], REGISTERED) == month_runs("monthly", [], REGISTERED) == []


@given(st.sets(st.integers(0, 60)))
def test_daily_runs_cover_the_due_days_and_no_other(offsets):
    days = {DAY + timedelta(days=n) for n in offsets}
    plans = daily_runs(sorted(days))
    everyday = [DAY + timedelta(days=n) for n in range(-2, 63)]
    assert {day for day in everyday if any(plan.covers(day) for plan in plans)} == days


@given(st.sets(st.sampled_from(REGISTERED)))
def test_tenant_runs_follow_the_order_of_registration(due):
    covered = []
    for plan in tenant_runs("publish", sorted(due), REGISTERED):
        first, last = REGISTERED.index(plan.first), REGISTERED.index(plan.last)
        assert first <= last, "a reversed range would succeed with no partition"
        covered += REGISTERED[first : last + 1]
    assert sorted(covered) == sorted(due)


def test_months_are_runs_of_their_own():
    due = [("acme", date(2026, 2, 1)), ("zed", date(2026, 2, 1)), ("kirana", date(2026, 3, 1))]
    assert month_runs("monthly", due, REGISTERED) == [
        RunPlan("monthly", "2026-02-01|zed", "2026-02-01|acme"),
        RunPlan("monthly", "2026-03-01|kirana", "2026-03-01|kirana"),
    ]


def test_a_run_says_what_it_covers():
    assert RunPlan("deploy").title == "deploy"
    assert RunPlan("deploy").tags == {}
    assert RunPlan("daily", "2026-02-27", "2026-02-27").title == "daily 2026-02-27"
    assert RunPlan("daily", "2026-02-27", "2026-03-01").title == "daily 2026-02-27 … 2026-03-01"
    assert RunPlan("daily", "2026-02-27", "2026-03-01").tags == {
        "dagster/asset_partition_range_start": "2026-02-27",
        "dagster/asset_partition_range_end": "2026-03-01",
    }
