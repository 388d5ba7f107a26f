"""A load against the earlier ones: the same in one run or day by day, and as a plain computation says."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_dagster.quality import history
from analytics_dagster.quality.history import frame
from analytics_dagster.quality.measures import ABSOLUTE, COMPARISONS, RELATIVE
from analytics_dagster.quality.profiling import Profile
from analytics_dagster.warehouse import connect

DAY = date(2026, 3, 1)


@pytest.fixture(scope="module")
def database(server, template) -> Iterator[psycopg.Connection]:
    """One for all tests of this module; each takes its changes back."""
    name = sql.Identifier("test_of_history")
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template {}").format(name, sql.Identifier(template)))
    with connect(replace(server, database="test_of_history")) as connection:
        connection.execute("insert into quality.judgements (run_id, stage) values ('x', 'loads')")
        connection.commit()
        yield connection
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def stored(database) -> Iterator[psycopg.Connection]:
    with database.transaction(force_rollback=True):
        yield database


def store(connection, profiles):
    """As the gate records what it judged."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.loads (tenant_id, load_day, content, measures, state, judgement_id)"
            " select %s, %s, %s, %s, 'passed', max(judgement_id) from quality.judgements"
            " on conflict (tenant_id, load_day) do update set measures = excluded.measures",
            [(p.tenant_id, p.load_day, p.content, Jsonb(p.measures | {"mix": p.mix})) for p in profiles],
        )


def profile(days_after=0, tenant="one", mix=None, **measures):
    empty = dict.fromkeys(ABSOLUTE)
    return Profile(DAY + timedelta(days=days_after), tenant, "1/1/0/0", empty | measures, mix or {})


def judged(connection, *profiles):
    """The last row of the frame, whatever order they are given in."""
    return frame(connection, profiles[::-1]).iloc[-1]


# --- a load with a known history


@pytest.mark.parametrize(
    ("values", "usual"),
    [
        ([10, 20, 90], 20),  # the same weekday of the last weeks
        ([10, 20], 15),
        ([10], math.nan),
        ([None, 10], math.nan),  # what was not observed is no history
        ([1000, 10, 20, 30, 40, 50, 60, 70, 80], 45),  # the first is nine weeks old
    ],
)
def test_the_same_weekday_is_usual(stored, values, usual):
    earlier = [profile(-7 * back, accepted=v) for back, v in zip(range(len(values), 0, -1), values, strict=True)]
    row = judged(stored, *earlier, profile(accepted=90))
    assert row.volume_ratio == pytest.approx(90 / usual, nan_ok=True)
    assert row.history == min(len(values), 8)


@pytest.mark.parametrize(
    ("values", "usual"),
    [
        ([10, 20, 30, 40, 90, *[None] * 9], 30),
        ([10, 20, 30, 40, *[None] * 10], math.nan),
        ([10, 20, 30, 40, 90, *[None] * 8], math.nan),  # not two weeks yet: a first weekend would look like an accident
    ],
)
def test_else_the_last_loads_are_usual(stored, values, usual):
    earlier = [profile(-back, accepted=v) for back, v in enumerate(values, start=1)]
    assert judged(stored, *earlier, profile(accepted=90)).volume_ratio == pytest.approx(90 / usual, nan_ok=True)


def test_only_the_last_fourteen_loads_are(stored):
    # no weekday is met: loads on other days than the judged one's
    days = [back for back in range(1, 40) if back % 7]
    earlier = [profile(-back, accepted=50 if place < 14 else 5000) for place, back in enumerate(days)]
    assert judged(stored, *earlier, profile(accepted=50)).volume_ratio == 1


def test_loads_of_more_than_eight_weeks_ago_are_no_history(stored):
    old = [profile(-57 - back, accepted=5, mix={"a": 1}) for back in range(10)]
    row = judged(stored, *old, profile(accepted=5, mix={"a": 1}))
    assert row.history == 0
    assert row[list(RELATIVE)].isna().all()


def even(**measures):
    return [profile(-back, **measures) for back in range(1, 15)]


@pytest.mark.parametrize(
    ("name", "usual", "own", "expected"),
    [
        ("volume_deviation", {"accepted": 400}, {"accepted": 360}, -1),  # a tenth is more than the root
        ("volume_deviation", {"accepted": 25}, {"accepted": 40}, 3),  # the root is more than a tenth
        ("users_deviation", {"users": 0}, {"users": 3}, 3),  # and never less than one
        ("quarantined_deviation", {"quarantined": 0}, {"quarantined": 2}, 2),
        ("revenue_ratio", {"revenue": 200.0}, {"revenue": 50.0}, 0.25),
        ("revenue_ratio", {"revenue": 0.0}, {"revenue": 50.0}, math.nan),
        ("revenue_ratio", {"revenue": -1.0}, {"revenue": 50.0}, math.nan),
        ("late_ratio", {"late_share": 0.04}, {"late_share": 0.2}, 5),
        ("late_ratio", {"late_share": 0.0}, {"late_share": 0.2}, 20),  # a share of nothing is no divisor
        ("late_ratio", {"late_share": 0.04}, {"late_share": None}, math.nan),
        ("largest_amount_ratio", {"largest_amount": 20.0}, {"largest_amount": 50.0}, 2.5),
    ],
)
def test_a_load_is_compared_with_what_is_usual(stored, name, usual, own, expected):
    assert judged(stored, *even(**usual), profile(**own))[name] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("usual", "own", "compared"),
    [
        (19, 19, set()),
        (20, 19, {"volume_ratio"}),
        (20, 0, {"volume_ratio"}),
        (5, 20, {"volume_ratio", "late_ratio", "mix_shift"}),
    ],
)
def test_of_few_events_only_their_number_says_something_where_more_were_usual(stored, usual, own, compared):
    earlier = even(accepted=usual, late_share=0.1, mix={"play": 1})
    row = judged(stored, *earlier, profile(accepted=own, late_share=0.1, mix={"play": 1}))
    assert {name for name in ("volume_ratio", "late_ratio", "mix_shift") if not math.isnan(row[name])} == compared


def test_an_uneven_history_makes_less_of_a_difference(stored):
    earlier = [profile(-7 * back, accepted=value) for back, value in enumerate((100, 200, 300, 400, 500), start=1)]
    row = judged(stored, *earlier, profile(accepted=600))
    assert row.volume_deviation == pytest.approx(300 / (1.4826 * 100))


def test_the_largest_is_of_all_eight_weeks_and_not_the_usual(stored):
    earlier = [profile(-back, largest_amount=20.0) for back in range(1, 56)]
    row = judged(stored, profile(-56, largest_amount=100.0), *earlier, profile(largest_amount=50.0))
    assert row.largest_amount_ratio == 0.5


def test_a_shifted_mix_and_a_new_name(stored):
    earlier = [profile(-back, mix={"play": 60, "skip": 40}) for back in range(1, 6)]
    row = judged(stored, *earlier, profile(mix={"play": 60, "tarck_play": 40}))
    assert row.mix_shift == pytest.approx(0.4)
    assert row.new_name_share == pytest.approx(0.4)
    assert math.isnan(judged(stored, *earlier[1:], profile(mix={"play": 1})).mix_shift)
    assert math.isnan(judged(stored, *earlier, profile()).new_name_share)
    assert math.isnan(judged(stored, *earlier[1:], profile(-5), profile(mix={"play": 1})).mix_shift)


def test_a_name_is_new_again_after_twenty_eight_loads(stored):
    loads = [profile(-30, mix={"old": 1}), *(profile(-back, mix={"play": 1}) for back in range(1, 29))]
    assert judged(stored, *loads, profile(mix={"old": 1})).new_name_share == 1
    assert judged(stored, *loads[:-1], profile(mix={"old": 1})).new_name_share == 0


# --- what is read


def test_a_given_profile_stands_for_the_stored_one_of_its_load(stored):
    store(stored, [profile(-7 * back, accepted=1000, mix={"x": 9}) for back in (1, 2, 3)])
    given = [profile(-7 * back, accepted=10) for back in (1, 2, 3)]
    assert judged(stored, *given, profile(accepted=20)).volume_ratio == 2
    assert judged(stored, profile(accepted=20)).volume_ratio == 0.02


def test_what_is_stored_of_the_judged_load_and_of_later_ones_is_not_looked_at(stored):
    store(stored, [profile(days, accepted=10**6, mix={"x": 5}) for days in range(60)])
    row = judged(stored, profile(accepted=1, mix={"y": 1}))
    assert row.history == 0
    assert row[list(RELATIVE)].isna().all()


def test_other_tenants_are_no_history(stored):
    store(stored, [profile(-back, "two", accepted=10, mix={"x": 5}) for back in range(1, 30)])
    assert judged(stored, profile(accepted=1, mix={"y": 1})).history == 0


def test_a_stored_profile_may_lack_a_measure_or_the_mix(stored):
    store(stored, [profile(-back, accepted=50) for back in range(1, 15)])
    stored.execute("update quality.loads set measures = measures - 'mix' - 'users'")
    row = judged(stored, profile(accepted=50, users=1, mix={"y": 1}))
    assert (row.history, row.volume_ratio) == (14, 1)
    assert math.isnan(row.users_deviation)


def test_every_column_is_there_and_of_one_type(stored):
    for profiles in ([], [profile()]):
        found = frame(stored, profiles)
        assert [*found.columns] == ["load_day", "tenant_id", *ABSOLUTE, *RELATIVE, "history"]
        assert {*found[[*ABSOLUTE, *RELATIVE]].dtypes} == {np.dtype("float64")}
        assert found.history.dtype == np.int64
    assert [*found.load_day] == [DAY]


# --- in one run or day by day; and as said in plain Python

NAMES = ("a", "b", "c")


def some_profile(rng: Random, tenant: str, day: int) -> Profile:
    measures = {name: None if rng.random() < 0.2 else float(rng.choice((0, 1, 5, 9, 40, 300))) for name in ABSOLUTE}
    return profile(day, tenant, {name: rng.randrange(1, 9) for name in NAMES if rng.random() < 0.5}, **measures)


@st.composite
def months(draw):
    """Loads of two tenants on some days, dense and sparse."""
    rng = Random(draw(st.integers(0, 10**9)))  # noqa: S311 - any loads, not a secret
    days = range(draw(st.integers(1, 75)))
    keep = draw(st.sampled_from((0.15, 0.6, 1.0)))
    loads = [some_profile(rng, tenant, day) for tenant in ("one", "two") for day in days if rng.random() < keep]
    return rng, loads


@settings(max_examples=6)
@given(month=months(), at_once=st.sampled_from((1, 7, 4096)))
def test_a_month_at_once_is_judged_as_day_by_day(database, month, at_once):
    rng, loads = month
    with pytest.MonkeyPatch.context() as patch, database.transaction(force_rollback=True):
        patch.setattr(history, "LOADS_AT_ONCE", at_once)
        whole = frame(database, rng.sample(loads, len(loads)))
        days = sorted({load.load_day for load in loads})
        daily = []
        for day in days:
            of_day = [load for load in loads if load.load_day == day]
            daily.append(frame(database, of_day))
            store(database, rng.sample(of_day, len(of_day)))
        if days:
            pd.testing.assert_frame_equal(whole, pd.concat(daily, ignore_index=True), check_exact=True)
        # and when all is stored already, a part of it is judged alike
        some = rng.sample(loads, len(loads) // 2)
        if some:
            again = frame(database, some).set_index(history.KEYS)
            pd.testing.assert_frame_equal(again, whole.set_index(history.KEYS).loc[again.index], check_exact=True)


def naive(load: Profile, loads: list[Profile]) -> dict[str, float]:
    earlier = sorted(
        (o for o in loads if o.tenant_id == load.tenant_id and 0 < (load.load_day - o.load_day).days <= 56),
        key=lambda o: o.load_day,
    )
    same = [o for o in earlier if o.load_day.weekday() == load.load_day.weekday()]

    def usual_values(measure: str) -> list[float]:
        values = [v for o in same if (v := o.measures[measure]) is not None]
        if len(values) < 2:
            values = [v for o in earlier[-14:] if (v := o.measures[measure]) is not None]
            if len(values) < 5 or len(earlier) < 14:
                values = []
        return values

    accepted = load.measures["accepted"]
    few = accepted is not None and accepted < 20
    never_more = few and not (usual_values("accepted") and statistics.median(usual_values("accepted")) >= 20)
    found = {"history": len(earlier)}
    for name, comparison in COMPARISONS.items():
        own = load.measures[comparison.of]
        found[name] = math.nan
        values = usual_values(comparison.of)
        if comparison.how == "largest_ratio":
            values = [v for o in earlier if (v := o.measures[comparison.of]) is not None]
            values = [max(values)] if len(values) >= 5 else []
        counted = comparison.how == "deviation" or name == "volume_ratio"
        if own is None or not values or (never_more if counted else few):
            continue
        median = statistics.median(values)
        mad = statistics.median(abs(v - median) for v in values)
        if comparison.how == "deviation":
            found[name] = (own - median) / max(1.4826 * mad, math.sqrt(max(median, 1)), median / 10)
        elif comparison.how == "share_ratio":
            found[name] = own / max(median, 0.01)
        elif median > 0:
            found[name] = own / median
    pooled = sum((Counter(o.mix) for o in earlier[-28:]), Counter())
    found |= {"mix_shift": math.nan, "new_name_share": math.nan}
    if not few and load.mix and sum(bool(o.mix) for o in earlier[-28:]) >= 5:
        own, usual = load.mix, pooled
        total, all_of_them = sum(own.values()), sum(usual.values())
        distances = [abs(own.get(name, 0) / total - usual[name] / all_of_them) for name in own.keys() | usual.keys()]
        found["mix_shift"] = sum(distances) / 2
        found["new_name_share"] = sum(count for name, count in own.items() if not usual[name]) / total
    return found


@settings(max_examples=15)
@given(month=months())
def test_every_comparison_is_as_plain_python_says(database, month):
    _, loads = month
    with database.transaction(force_rollback=True):
        found = frame(database, loads).set_index(["tenant_id", "load_day"])
    for load in loads:
        row = found.loc[(load.tenant_id, load.load_day)]
        for name, value in naive(load, loads).items():
            assert row[name] == pytest.approx(value, nan_ok=True, abs=1e-9), (load, name)
