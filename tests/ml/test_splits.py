"""No training label looks into the time that the test asks about."""

from datetime import date, timedelta

import ml_population
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.ml.reports import NotEnoughDataError
from analytics_dagster.ml.splits import MIN_HISTORY, TRAIN_CUTOFFS, load_split, plan_split

FIRST = date(2026, 1, 1)


@given(days=st.integers(0, 400), horizon=st.integers(1, 60))
def test_training_ends_before_the_test_begins(days: int, horizon: int) -> None:
    as_of = FIRST + timedelta(days=days - 1)
    if days < MIN_HISTORY + 2 * horizon:
        with pytest.raises(NotEnoughDataError, match=f"{days} days of history, {MIN_HISTORY + 2 * horizon} are"):
            plan_split(FIRST, as_of, horizon)
        return
    plan = plan_split(FIRST, as_of, horizon)
    last_training_label = max(plan.train) + timedelta(days=horizon)
    first_test_label = plan.test + timedelta(days=1)
    assert last_training_label < first_test_label
    assert plan.test + timedelta(days=horizon) == as_of
    assert 1 <= len(plan.train) <= TRAIN_CUTOFFS
    assert min(plan.train) - FIRST >= timedelta(days=MIN_HISTORY - 1)


def test_ninety_days_give_several_cutoffs() -> None:
    as_of = FIRST + timedelta(days=88)
    assert len(plan_split(FIRST, as_of, 21).train) == 4
    assert len(plan_split(FIRST, as_of, 28).train) == 2


def test_outcomes_are_those_of_the_horizon(connection: psycopg.Connection) -> None:
    ml_population.create_marts(connection)
    test = FIRST + timedelta(days=60)
    days = {0: 1, 60: 2, 61: 4, 70: 8, 71: 16, 72: 32}  # day -> events; the horizon is days 61 to 70
    ml_population.insert(
        connection,
        [
            ("melody", "ann", FIRST + timedelta(days=day), count, 0, 0, 0, 1, f"{count}.50", 0, 0)
            for day, count in days.items()
        ],
    )
    ml_population.insert(connection, [("melody", "bob", test, 1, 0, 0, 0, 0, "0", 0, 0)])
    split = load_split(connection, test + timedelta(days=10), 10, seen_within=90)
    assert split.plan.test == test
    outcomes = split.test.set_index("user_id")[["events_after", "revenue_after"]].to_dict("index")
    assert outcomes == {
        "ann": {"events_after": 12, "revenue_after": 13},
        "bob": {"events_after": 0, "revenue_after": 0},
    }


def test_the_newest_day_may_still_be_arriving(connection: psycopg.Connection) -> None:
    ml_population.create_marts(connection)
    ml_population.insert(connection, ml_population.simulate(40))
    assert load_split(connection, None, 21, seen_within=14).plan.as_of == ml_population.LAST_DAY - timedelta(days=1)


def test_a_held_tenant_does_not_teach_that_everybody_leaves(connection: psycopg.Connection) -> None:
    ml_population.create_marts(connection)
    ml_population.insert(connection, ml_population.simulate(80))
    held_since = ml_population.LAST_DAY - timedelta(days=10)
    connection.execute("delete from marts.fct_user_days where tenant_id = 'kiosk' and day > %s", [held_since])
    split = load_split(connection, None, 21, seen_within=14)
    assert "kiosk" not in set(split.test["tenant_id"])
    assert "kiosk" in set(split.train["tenant_id"])
