"""Usage against a plain Python count over the very events that were inserted."""

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from billing_books import LOADED, MAY, Happened, utc

from analytics_dagster.billing import months_with_data
from analytics_dagster.billing.metering import usage


def counted_by_hand(events, tenant_id, time_zone, month, front=date.max):
    zone = ZoneInfo(time_zone)
    served, actors = 0, set()
    for event in events:
        local = event.at.astimezone(zone).date()
        if (
            event.tenant_id == tenant_id
            and (local.year, local.month) == (month.year, month.month)
            and not event.is_test
            and event.load_day < front
        ):
            served += 1
            actor = event.user_id if event.user_id is not None else event.anonymous_id
            if event.event_type in {"user_action", "page_view"} and actor is not None:
                actors.add(actor)
    return served, len(actors)


def some_events(seed, around, how_many=400):
    rng = random.Random(seed)  # noqa: S311 - a repeatable sample, no secret
    return [
        Happened(
            at=around + timedelta(seconds=rng.randint(-3 * 86400, 34 * 86400)),
            user_id=rng.choice([None, "ada", "bob", "eve"]),
            anonymous_id=rng.choice([None, "v1", "v2"]),
            event_type=rng.choice(["user_action", "page_view", "transaction", "system"]),
            is_test=rng.random() < 0.1,
            load_day=LOADED + timedelta(days=rng.randint(0, 3)),
            tenant_id=rng.choice(["lofi-lounge", "lofi-lounge", "other"]),
        )
        for _ in range(how_many)
    ]


@pytest.mark.parametrize(
    "time_zone",
    ["UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Sydney", "Pacific/Kiritimati", "Pacific/Pago_Pago"],
)
def test_it_agrees_with_a_count_by_hand(books, connection, time_zone):
    books.tenant(time_zone=time_zone)
    books.tenant("other", time_zone=time_zone)
    events = some_events(time_zone, utc(2025, 5, 1))
    front = LOADED + timedelta(days=1)
    books.events(*events)
    books.hold(front, "too many duplicates")
    books.hold(front + timedelta(days=2), "too many duplicates")
    books.build()
    for month in (date(2025, 4, 1), MAY, date(2025, 6, 1)):
        month_of_usage = usage(connection, "lofi-lounge", month)
        expected = counted_by_hand(events, "lofi-lounge", time_zone, month, front)
        assert (month_of_usage.events, month_of_usage.active_users) == expected
        assert expected[0] > 0
        assert month_of_usage.as_of == LOADED
        if month == MAY:
            assert [load.load_day - front for load in month_of_usage.held_loads] == [
                timedelta(days=n) for n in range(3)
            ]
            assert sum(load.events for load in month_of_usage.held_loads) == month_of_usage.held > 0
        for day in month_of_usage.days:
            assert day.events == day.accepted - day.test - day.held
            assert day.first_seen <= day.active_users
        # the other tenant's own hold is none of ours
        assert usage(connection, "other", month).held_loads == ()
        assert (usage(connection, "other", month).events) == counted_by_hand(events, "other", time_zone, month)[0]


@pytest.mark.parametrize(
    ("time_zone", "month", "first_moment"),
    [
        ("Asia/Kolkata", MAY, utc(2025, 4, 30, 18, 30)),
        ("America/Los_Angeles", MAY, utc(2025, 5, 1, 7)),
        ("Pacific/Kiritimati", MAY, utc(2025, 4, 30, 10)),
        ("Pacific/Pago_Pago", MAY, utc(2025, 5, 1, 11)),
        # clocks go back over the first midnight of the month: it begins with the earlier of the two
        ("America/Havana", date(2020, 11, 1), utc(2020, 11, 1, 4)),
        # ... and forward: the month begins at 01:00
        ("America/Asuncion", date(2017, 10, 1), utc(2017, 10, 1, 4)),
    ],
)
def test_the_edge_of_a_month_is_the_tenants_midnight(books, connection, time_zone, month, first_moment):
    books.tenant(time_zone=time_zone)
    books.events(
        Happened(first_moment - timedelta(microseconds=1), "before"),
        Happened(first_moment, "first"),
        Happened(first_moment + timedelta(minutes=30), "first"),
    )
    inside = usage(connection, "lofi-lounge", month)
    before = usage(connection, "lofi-lounge", (month - timedelta(days=1)).replace(day=1))
    assert (inside.events, inside.active_users, inside.days[0].events) == (2, 1, 2)
    assert (before.events, before.days[-1].events) == (1, 1)


def test_each_actor_counts_once_a_month_and_on_the_first_day(books, connection):
    books.tenant()
    books.events(
        *[Happened(utc(2025, 5, day), "ada") for day in (3, 4, 9)],
        Happened(utc(2025, 5, 4), "bob"),
        Happened(utc(2025, 5, 5), None, "visitor"),
        Happened(utc(2025, 5, 6), None, None),
        Happened(utc(2025, 5, 7), "payer", event_type="transaction"),
    )
    month = usage(connection, "lofi-lounge", MAY)
    assert (month.events, month.active_users) == (7, 3)
    assert [(d.active_users, d.first_seen) for d in month.days[2:9]] == [
        (1, 1), (2, 1), (1, 1), (0, 0), (0, 0), (0, 0), (1, 0),
    ]  # fmt: skip
    assert len(month.days) == 31


def test_loads_that_are_kept_back_are_named_even_when_they_were_loaded_in_another_month(books, connection):
    books.tenant()
    books.events(
        Happened(utc(2025, 5, 31), "ada", load_day=date(2025, 6, 2)),
        Happened(utc(2025, 5, 30), "ada", load_day=date(2025, 6, 2), is_test=True),
        Happened(utc(2025, 5, 2), "bob", load_day=date(2025, 5, 3)),
        Happened(utc(2025, 4, 2), "bob", load_day=date(2025, 5, 4)),
        Happened(utc(2025, 4, 3), "bob", load_day=date(2025, 5, 5)),
        Happened(utc(2025, 6, 2), "bob", load_day=date(2025, 6, 3)),
        Happened(utc(2025, 5, 9), "bob", load_day=date(2025, 6, 3), is_test=True),
    )
    books.hold(date(2025, 5, 4), "nothing of May in it", "odd")
    books.hold(date(2025, 6, 2), "late")
    named = [
        ("2025-05-04", 0, ("nothing of May in it", "odd")),
        ("2025-05-05", 0, ("waits for the held load of 2025-05-04",)),
        ("2025-06-02", 1, ("late",)),
    ]

    def may():
        found = usage(connection, "lofi-lounge", MAY)
        return found, [(load.load_day.isoformat(), load.events, load.reasons) for load in found.held_loads]

    month, told = may()
    assert told == named
    assert (month.events, month.as_of) == (2, date(2025, 6, 3)), "the marts have them until the next build"
    books.build()
    month, told = may()
    assert told == named
    assert (month.accepted, month.test, month.held, month.events) == (4, 2, 1, 1)
    assert month.as_of == date(2025, 5, 3)
    connection.execute("delete from quality.holds")
    month, told = may()
    assert [reasons for *_, reasons in told] == [("released, and waits for the next build",)] * 3
    assert usage(connection, "lofi-lounge", date(2025, 3, 1)).held_loads == ()


def test_a_tenant_without_anything_has_used_nothing(books, connection):
    books.tenant()
    month = usage(connection, "lofi-lounge", MAY)
    assert (month.quantities, month.as_of, month.held_loads) == ({"events": 0, "active_users": 0}, None, ())


def test_the_index_on_time_is_used(books, connection):
    from analytics_dagster.billing.metering import DAYS

    books.tenant()
    days = [utc(2020, 1, 1) + timedelta(hours=7 * n) for n in range(8000)]
    books.events(*[Happened(at, "ada") for at in days])
    connection.execute("analyze raw.events")
    plan = connection.execute("explain " + DAYS, {"tenant_id": "lofi-lounge", "month": MAY}).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "events_by_time" in text
    assert "Seq Scan on events" not in text


def test_months_with_data(books, connection):
    assert months_with_data(connection) == []
    books.tenant()
    books.tenant("kolkata", time_zone="Asia/Kolkata")
    assert months_with_data(connection) == []
    books.events(
        Happened(utc(2025, 1, 31, 23), "ada"),  # January in UTC
        Happened(utc(2024, 11, 30, 20), "ada", tenant_id="kolkata"),  # December in Kolkata
        Happened(utc(2025, 4, 30, 23, 59), "ada"),
        Happened(utc(2199, 1, 1), "time traveller"),
        Happened(utc(2025, 6, 9), "ghost", tenant_id="unregistered"),
    )
    assert months_with_data(connection) == [date(2024, 12, 1), date(2025, 1, 1), date(2025, 4, 1)]
