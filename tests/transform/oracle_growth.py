"""Who comes, stays and leaves, computed from the definitions in plain Python."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

from analytics_dagster.schemas.funnels import Funnel
from analytics_dagster.tenancy.declared import declare_funnels

if TYPE_CHECKING:
    import psycopg
    from histories import Event, Rows

COLUMNS = {
    "feature_adoption": "tenant_id, week, feature, users, uses, active_users, adoption",
    "funnel_steps": "tenant_id, day, funnel, breakdown, step, event_name, users, conversion, median_seconds",
    "lifecycle": "tenant_id, granularity, period, active_users, new_users, retained_users, resurrected_users,"
    " dormant_users",
    "retention_cohorts": "tenant_id, granularity, cohort_period, period, period_number, cohort_users, active_users,"
    " retention",
    "retention_unbounded": "tenant_id, granularity, cohort_period, period_number, cohort_users, users, retention",
    "user_journeys": "tenant_id, day, place, path, steps, sessions, users, share",
}
FOLLOWED = {"day": 30, "week": 52, "month": 24}
FUNNELS: list[dict[str, Any]] = [
    {
        "funnel": "everywhere",
        "description": "All kinds, the longest window.",
        "kinds": ["music", "shop", "saas", "content"],
        "window_hours": 168,
        "breakdown": "device",
        "steps": [
            {"event_name": "page_viewed"},
            {"event_name": "search_performed"},
            {"event_name": "payment_succeeded"},
        ],
    },
    {
        "funnel": "own",
        "description": "Conditions, the same event again, as many steps as can be.",
        "tenants": ["zurich", "lord-howe", "apia"],
        "window_hours": 1,
        "steps": [
            {"event_name": "payment_succeeded", "where": {"channel": "email"}},
            {"event_name": "payment_succeeded"},
            {"event_name": "payment_succeeded", "where": {"completed": True}},
            *[{"event_name": "page_viewed"}] * 3,
        ],
    },
]


def declare(connection: "psycopg.Connection") -> None:
    declare_funnels(connection, [Funnel.model_validate_json(json.dumps(funnel)) for funnel in FUNNELS])


def rows(served: "list[Event]") -> "dict[str, Rows]":
    engaged = [event for event in served if event.engaged]
    found: dict[str, Rows] = {mart: set() for mart in COLUMNS}
    for granularity in FOLLOWED:
        periods: dict[str, dict[str | None, set[int]]] = defaultdict(lambda: defaultdict(set))
        for event in engaged:
            periods[event.tenant.tenant_id][event.actor].add(_number(granularity, event.wall.date()))
        for tenant, by_user in periods.items():
            found["lifecycle"] |= set(_lifecycle(tenant, granularity, by_user))
            for mart, row in _retention(tenant, granularity, by_user):
                found[mart].add(row)
    found["feature_adoption"] = _adoption(engaged)
    found["funnel_steps"] = _funnel_steps(served)
    found["user_journeys"] = _journeys(engaged)
    return found


def _number(granularity: str, day: date) -> int:
    """Periods are counted on, so that neighbours differ by one."""
    if granularity == "month":
        return day.year * 12 + day.month - 1
    return day.toordinal() if granularity == "day" else (day.toordinal() - 1) // 7


def _first_day(granularity: str, number: int) -> date:
    if granularity == "month":
        return date(number // 12, number % 12 + 1, 1)
    return date.fromordinal(number if granularity == "day" else number * 7 + 1)


def _lifecycle(tenant: str, granularity: str, by_user: dict[str | None, set[int]]) -> Iterator[tuple[Any, ...]]:
    for period in set().union(*by_user.values()):
        stages: dict[str, int] = defaultdict(int)
        for active in by_user.values():
            now, before = period in active, period - 1 in active
            if now and before:
                stages["retained"] += 1
            elif now:
                stages["new" if period == min(active) else "resurrected"] += 1
            elif before:
                stages["dormant"] += 1
        counts = [stages[stage] for stage in ("new", "retained", "resurrected", "dormant")]
        yield (tenant, granularity, _first_day(granularity, period), sum(counts[:3]), *counts)


def _retention(
    tenant: str, granularity: str, by_user: dict[str | None, set[int]]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    cohorts = defaultdict(list)
    for active in by_user.values():
        cohorts[min(active)].append(active)
    for cohort, members in cohorts.items():
        of = (tenant, granularity, _first_day(granularity, cohort))
        size = len(members)
        for number in range(FOLLOWED[granularity] + 1):
            period = cohort + number
            exact = sum(period in active for active in members)
            unbounded = sum(max(active) >= period for active in members)
            if exact:
                first_day = _first_day(granularity, period)
                yield "retention_cohorts", (*of, first_day, number, size, exact, _share(exact, size))
            if unbounded:
                yield "retention_unbounded", (*of, number, size, unbounded, _share(unbounded, size))


def _adoption(engaged: "list[Event]") -> "Rows":
    active, uses = defaultdict(set), defaultdict(list)
    for event in engaged:
        day = event.wall.date()
        week = (event.tenant.tenant_id, day - timedelta(days=day.weekday()))
        active[week].add(event.actor)
        feature = _feature(event)
        if feature:
            uses[*week, feature].append(event.actor)
    return {
        (*key, len(set(actors)), len(actors), len(active[key[:2]]), _share(len(set(actors)), len(active[key[:2]])))
        for key, actors in uses.items()
    }


def _feature(event: "Event") -> str | None:
    if event.tenant.kind != "saas":
        return event.event_name
    feature = event.properties.get("feature")
    usable = event.event_name == "feature_used" and isinstance(feature, str) and len(feature) <= 100
    return feature if usable else None


def _funnel_steps(served: "list[Event]") -> "Rows":
    by_actor: dict[Any, list[Event]] = defaultdict(list)
    for event in sorted(served, key=lambda event: (event.at, event.event_id.encode())):
        if event.actor:
            by_actor[event.tenant, event.actor].append(event)
    times: dict[Any, list[list[int]]] = defaultdict(list)
    for (tenant, _), events in by_actor.items():
        for number, funnel in enumerate(FUNNELS):
            if tenant.kind in funnel.get("kinds", ()) or tenant.tenant_id in funnel.get("tenants", ()):
                started = set()
                for place, event in enumerate(events):
                    if _is_step(event, funnel["steps"][0]) and event.wall.date() not in started:
                        started.add(event.wall.date())
                        breakdown = event.properties.get(funnel.get("breakdown", ""))
                        usable = isinstance(breakdown, str) and len(breakdown) <= 100
                        key = (tenant.tenant_id, event.wall.date(), number, breakdown if usable else "")
                        times[key].append(_seconds(events[place:], funnel))
    rows = set()
    for (tenant_id, day, number, breakdown), users in times.items():
        for step, declared in enumerate(FUNNELS[number]["steps"], start=1):
            reached = [seconds[step - 1] for seconds in users if len(seconds) >= step]
            middle = Decimal(str(median(reached))) if reached else None
            of = (tenant_id, day, FUNNELS[number]["funnel"], breakdown, step, declared["event_name"])
            rows.add((*of, len(reached), _share(len(reached), len(users)), middle))
    return rows


def _seconds(events: "list[Event]", funnel: dict[str, Any]) -> list[int]:
    """From the first event, which starts the funnel, to each step that is reached."""
    end = events[0].at + timedelta(hours=funnel["window_hours"])
    seconds: list[int] = []
    for event in events:
        step = len(seconds)
        if event.at <= end and step < len(funnel["steps"]) and _is_step(event, funnel["steps"][step]):
            seconds.append((event.at - events[0].at) // timedelta(seconds=1))
    return seconds


def _is_step(event: "Event", step: dict[str, Any]) -> bool:
    wanted = step.get("where", {}).items()
    return event.event_name == step["event_name"] and all(
        name in event.properties and json.dumps(event.properties[name]) == json.dumps(value) for name, value in wanted
    )


def _journeys(engaged: "list[Event]") -> "Rows":
    by_actor, days = defaultdict(list), defaultdict(list)
    for event in engaged:
        by_actor[event.tenant.tenant_id, event.actor].append(event)
    for (tenant, actor), events in by_actor.items():
        for session in _sessions(sorted(events, key=lambda event: (event.at, event.event_id.encode()))):
            steps = [name for name, _ in groupby(session, key=lambda event: event.event_name)][:4]
            days[tenant, session[0].wall.date()].append((tuple(steps), actor))
    rows = set()
    for day, taken in days.items():
        sessions = Counter(" > ".join(steps) for steps, _ in taken)
        users = Counter(" > ".join(steps) for steps, _ in set(taken))
        top = sorted(sessions, key=lambda path: (-sessions[path], path.encode()))[:20]
        for place, path in enumerate(top, start=1):
            counts = (path.count(" > ") + 1, sessions[path], users[path], _share(sessions[path], len(taken)))
            rows.add((*day, place, path, *counts))
    return rows


def _sessions(events: "list[Event]") -> "Iterator[list[Event]]":
    """In order of time; a session ends with 30 minutes of silence, and at 04:00 on the wall."""
    session: list[Event] = []
    for event in events:
        activity_days = {(one.wall - timedelta(hours=4)).date() for one in [*session[-1:], event]}
        if session and (event.at - session[-1].at > timedelta(minutes=30) or len(activity_days) > 1):
            yield session
            session = []
        session.append(event)
    if session:
        yield session


def _share(part: int, whole: int) -> Decimal:
    return (Decimal(part) / whole).quantize(Decimal("0.000001"), ROUND_HALF_UP)
