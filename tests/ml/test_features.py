"""Features are right by hand, and know nothing of the future, of other tenants or of currencies."""

from datetime import date, timedelta
from decimal import Decimal

import ml_population
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from analytics_dagster.ml.features import FEATURES, KEYS, NEVER, features, last_days
from analytics_dagster.ml.reports import NotEnoughDataError

AS_OF = date(2026, 3, 1)
CUTOFFS = [("melody", AS_OF), ("kiosk", AS_OF)]


def user_day(tenant: str, user: str, ago: int, **counts: object) -> tuple[object, ...]:
    names = ["events", "sessions", "engagement_seconds", "actions", "payments", "revenue", "started", "cancelled"]
    assert counts.keys() <= set(names)
    return (tenant, user, AS_OF - timedelta(days=ago), *(counts.get(name, 0) for name in names))


def insert(connection: psycopg.Connection, *rows: tuple[object, ...]) -> None:
    ml_population.insert(connection, list(rows))  # type: ignore[arg-type]


@pytest.fixture
def marts(connection: psycopg.Connection) -> psycopg.Connection:
    ml_population.create_marts(connection)
    return connection


def test_every_feature_by_hand(marts: psycopg.Connection) -> None:
    insert(
        marts,
        user_day("melody", "ann", 40, events=3, sessions=1, actions=1, payments=1, revenue="10", started=1),
        user_day("melody", "ann", 20, events=4, sessions=2, engagement_seconds=600, actions=3),
        user_day("melody", "ann", 10, payments=1, revenue="10"),
        user_day("melody", "ann", 6, events=2, sessions=1, engagement_seconds=90, actions=1),
        user_day("melody", "ann", 2, revenue="-5"),
    )
    [ann] = features(marts, CUTOFFS).to_dict("records")
    assert {name: ann[name] for name in KEYS} == {"tenant_id": "melody", "user_id": "ann", "as_of": AS_OF}
    assert ann["recency"] == 6
    assert ann["tenure"] == 40
    assert [ann[f"active_{days}"] for days in (7, 14, 28)] == [1, 1, 2]
    assert [ann[f"sessions_{days}"] for days in (7, 14, 28)] == [1, 1, 3]
    assert [ann[f"minutes_{days}"] for days in (7, 14, 28)] == [1.5, 1.5, 11.5]
    assert [ann[f"actions_{days}"] for days in (7, 14, 28)] == [1, 1, 4]
    assert ann["active_trend"] == 0
    assert ann["sessions_trend"] < 0
    assert ann["subscribed"] == 1
    assert ann["payment_recency"] == 10
    assert [ann["payments_28"], ann["payments_56"]] == [1, 2]
    assert ann["scale"] == 10
    assert [ann["revenue_28"], ann["revenue_56"]] == [0.5, 1.5]
    assert ann["revenue_last_28"] == 5
    assert [ann["kind"], ann["currency"]] == ["music", "EUR"]


def test_edges_of_the_windows(marts: psycopg.Connection) -> None:
    for ago in (0, 6, 7, 13, 14, 27, 28, 200):
        insert(marts, user_day("melody", "bob", ago, events=1))
    [bob] = features(marts, CUTOFFS).to_dict("records")
    assert [bob[f"active_{days}"] for days in (7, 14, 28)] == [2, 4, 6]
    assert [bob["recency"], bob["tenure"], bob["payment_recency"]] == [0, NEVER, NEVER]


def test_no_payment_ever_and_more_refunds_than_payments(marts: psycopg.Connection) -> None:
    insert(marts, user_day("kiosk", "eve", 1, events=1, revenue="-3"))
    [eve] = features(marts, CUTOFFS).to_dict("records")
    assert [eve["scale"], eve["revenue_28"], eve["revenue_last_28"]] == [0, 0, -3]
    insert(marts, user_day("kiosk", "eve", 2, payments=1, revenue="2"))
    [eve] = features(marts, CUTOFFS).to_dict("records")
    assert [eve["scale"], eve["revenue_28"], eve["revenue_last_28"]] == [2, 0, -1]


def test_one_name_at_two_tenants_is_two_people(marts: psycopg.Connection) -> None:
    insert(marts, user_day("melody", "ann", 1, events=1), user_day("kiosk", "ann", 9, events=1))
    found = features(marts, CUTOFFS).set_index("tenant_id")["recency"].to_dict()
    assert found == {"melody": 1, "kiosk": 9}


def test_seen_within_counts_days(marts: psycopg.Connection) -> None:
    insert(marts, user_day("melody", "near", 13, events=1), user_day("melody", "far", 14, events=1))
    assert features(marts, CUTOFFS, seen_within=14)["user_id"].tolist() == ["near"]
    assert features(marts, CUTOFFS).shape[0] == 2


def test_nobody_is_no_error(marts: psycopg.Connection) -> None:
    for cutoffs in ([], CUTOFFS):
        found = features(marts, cutoffs)
        assert found.empty
        assert found.columns.tolist() == [*KEYS, *FEATURES, "currency", "scale", "revenue_last_28"]
    assert last_days(marts) == {}


def test_missing_marts_are_named(connection: psycopg.Connection) -> None:
    with pytest.raises(NotEnoughDataError, match=r"marts\.fct_user_days.*\n.*build the dbt models"):
        features(connection, CUTOFFS)


def a_history(connection: psycopg.Connection) -> None:
    ml_population.create_marts(connection)
    ml_population.insert(connection, ml_population.simulate(60, days=45, last_day=AS_OF + timedelta(days=10)))


future = st.lists(
    st.tuples(
        st.sampled_from(["melody", "kiosk"]),
        st.sampled_from(["melody-person-1", "melody-person-2", "kiosk-person-1", "never seen before"]),
        st.integers(11, 60),
        st.integers(0, 10**6),
        st.decimals(-(10**9), 10**9, places=2),
    ),
    unique_by=lambda row: row[:3],
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(later=future, forget=st.booleans(), double=st.booleans())
def test_nothing_after_the_cutoff_changes_anything(
    connection: psycopg.Connection, later: list[tuple[str, str, int, int, Decimal]], forget: bool, double: bool
) -> None:
    with connection.transaction(force_rollback=True):
        a_history(connection)
        before = features(connection, CUTOFFS)
        assert len(before) > 30
        if forget:
            connection.execute("delete from marts.fct_user_days where day > %s", [AS_OF])
        if double:
            connection.execute("update marts.fct_user_days set events = 99, revenue = 99 where day > %s", [AS_OF])
        insert(
            connection,
            *(
                user_day(t, u, -ago, events=n, actions=n, payments=1, revenue=str(money), cancelled=1)
                for t, u, ago, n, money in later
            ),
        )
        assert_frame_equal(features(connection, CUTOFFS), before)


def test_the_last_day_itself_is_seen(connection: psycopg.Connection) -> None:
    # the property above would also hold if features looked at nothing at all
    a_history(connection)
    before = features(connection, CUTOFFS)
    connection.execute("update marts.fct_user_days set actions = actions + 1 where day = %s", [AS_OF])
    assert not before.equals(features(connection, CUTOFFS))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.integers(2, 10**6))
def test_another_currency_is_the_same_behaviour(connection: psycopg.Connection, factor: int) -> None:
    with connection.transaction(force_rollback=True):
        a_history(connection)
        before = features(connection, CUTOFFS)
        connection.execute("update marts.fct_user_days set revenue = revenue * %s", [factor])
        after = features(connection, CUTOFFS)
        assert_frame_equal(after[[*KEYS, *FEATURES]], before[[*KEYS, *FEATURES]])
        pd.testing.assert_series_equal(after["scale"], before["scale"] * factor)


def test_a_tenant_does_not_feel_another(connection: psycopg.Connection) -> None:
    a_history(connection)
    alone = features(connection, [("kiosk", AS_OF)])
    connection.execute("delete from marts.fct_user_days where tenant_id <> 'kiosk'")
    assert_frame_equal(features(connection, [("kiosk", AS_OF)]), alone)
    assert len(alone) > 3
