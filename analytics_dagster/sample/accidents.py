"""What goes wrong with a tenant's whole day of events, whatever they are about. Money is in `accidents_of_payments`."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256

from analytics_dagster.sample.lines import line, uuid
from analytics_dagster.sample.spoiling import Catalogue, Event, Line, Scene, actor, at, each, moved, told

ENGAGEMENT = ("user_action", "page_view")
BACKLOG, CUT = 0.8, 0.6  # shares of the lines

incident = Catalogue()


def engagement(lines: Sequence[Line], change: Callable[[Event], Event]) -> list[Line]:
    return each(lines, lambda event: change(event) if event["event_type"] in ENGAGEMENT else event)


@incident("An upload breaks off: one line in twelve arrives.", "volume_deviation volume_ratio users_deviation")
def volume_collapse(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return list(lines[::12])


@incident(
    "An export is replayed five times, each time under ids of its own.",
    "volume_deviation volume_ratio repeated_payment_share events_per_user_ratio",
)
def export_replayed(lines: Sequence[Line], scene: Scene) -> list[Line]:
    again = [one for _ in range(5) for one in lines]
    return [*lines, *each(again, lambda event: told(event, event_id=uuid(scene.rng)))]


@incident("A server's clock is three days fast.", "future_share")
def clock_ahead(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: moved(event, at(event) + timedelta(days=3)))


@incident("Instead of today, most of what comes is a backlog of two weeks ago.", "late_share late_ratio")
def old_backlog(lines: Sequence[Line], scene: Scene) -> list[Line]:
    return each(
        lines, lambda event: moved(event, at(event) - timedelta(days=14)) if scene.rng.random() < BACKLOG else event
    )


@incident("A release drops everybody's ids.", "identified_share")
def ids_lost(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: told(event, user_id=None, anonymous_id=None))


@incident("A release forgets who is logged in: everybody is a visitor.", "anonymous_share anonymous_ratio")
def accounts_lost(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    def as_visitor(event: Event) -> Event:
        return told(event, user_id=None, anonymous_id=f"device-{sha256(actor(event).encode()).hexdigest()[:10]}")

    return engagement(lines, as_visitor)


@incident(
    "Every event carries the user of a bot.",
    "dominant_actor_share dominant_actor_ratio users_deviation events_per_user_ratio",
)
def one_user_for_all(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: told(event, user_id="guest", anonymous_id=None))


@incident(
    "A browser forgets its id with each event.",
    "users_deviation events_per_user_ratio anonymous_ratio single_event_share events_per_session_ratio",
)
def new_visitor_each_event(lines: Sequence[Line], scene: Scene) -> list[Line]:
    return engagement(lines, lambda event: told(event, user_id=None, anonymous_id=f"device-{uuid(scene.rng)}"))


@incident("All devices report the same id.", "shared_visitor_share")
def one_device_for_all(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    def of_device(event: Event) -> bool:
        return event["event_type"] in ENGAGEMENT or bool(event["metadata"].get("anonymous_id"))

    same = {"anonymous_id": "00000000-0000-0000-0000-000000000000"}
    return each(lines, lambda event: told(event, **same) if of_device(event) else event)


@incident("Timestamps lose their time of day.", "midnight_share busiest_hour_share busiest_hour_ratio")
def dates_only(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: moved(event, datetime.combine(at(event), time(), UTC)))


@incident("Events carry the hour of the nightly upload instead of their own.", "busiest_hour_share busiest_hour_ratio")
def all_in_one_hour(lines: Sequence[Line], scene: Scene) -> list[Line]:
    begin = datetime.combine(scene.load_day, time(7), UTC)
    return each(lines, lambda event: moved(event, begin + timedelta(milliseconds=scene.rng.randrange(3_600_000))))


@incident("The export stops at eight in the morning.", "hours_behind volume_deviation volume_ratio")
def stopped_in_the_morning(lines: Sequence[Line], scene: Scene) -> list[Line]:
    end = datetime.combine(scene.load_day, time(8), UTC)
    return [one for one in lines if isinstance(one, bytes) or at(one) < end]


@incident("A session's events all carry the moment of its upload.", "zero_length_share")
def moments_of_upload(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    last: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))
    for one in lines:
        if not isinstance(one, bytes):
            last[actor(one)] = max(last[actor(one)], at(one))
    return engagement(lines, lambda event: moved(event, last[actor(event)]))


@incident(
    "A page left open reports itself every twenty minutes, all day.", "long_session_share volume_deviation mix_shift"
)
def pages_left_open(lines: Sequence[Line], scene: Scene) -> list[Line]:
    begin = datetime.combine(scene.load_day, time(1), UTC)
    open_pages: dict[str, Event] = {}
    for one in lines:
        if not isinstance(one, bytes) and one["event_type"] in ENGAGEMENT and actor(one):
            open_pages.setdefault(actor(one), one)
    beats: list[Line] = [
        moved(
            {**told(page, event_id=uuid(scene.rng)), "event_type": "page_view", "event_name": "page_viewed"}
            | {"properties": {"path": "/home"}},
            begin + timedelta(minutes=20 * number),
        )
        for page in list(open_pages.values())[::3]
        for number in range(60)
    ]
    return [*lines, *beats]


@incident(
    "A client sends its events without any properties.",
    "bare_share bare_ratio quarantined_share quarantined_deviation",
)
def properties_emptied(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: {**event, "properties": {}})


@incident("A release renames every action.", "new_name_share mix_shift undeclared_share")
def names_changed(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return engagement(lines, lambda event: {**event, "event_name": f"{event['event_name']}_v2"})


@incident("A tracker reports every action as a page view.", "mix_shift new_name_share")
def all_actions_page_views(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    seen = {"event_type": "page_view", "event_name": "page_viewed", "properties": {"path": "/"}}
    return engagement(lines, lambda event: {**event, **seen})


@incident("Six lines of ten are cut off.", "quarantined_share quarantined_deviation volume_deviation volume_ratio")
def lines_cut_off(lines: Sequence[Line], scene: Scene) -> list[Line]:
    def cut(one: Line) -> Line:
        whole = one if isinstance(one, bytes) else line(one)
        return whole[: len(whole) // 2] + b"\n" if scene.rng.random() < CUT else one

    return [cut(one) for one in lines]


@incident("A day's file is sent three times.", "duplicate_share duplicate_ratio")
def sent_again(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return [*lines, *reversed(lines), *lines]


@incident("A test flag is stuck: production looks like a test.", "test_share volume_deviation volume_ratio")
def stuck_test_flag(lines: Sequence[Line], _scene: Scene) -> list[Line]:
    return each(lines, lambda event: told(event, is_test=True))
