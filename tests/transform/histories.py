"""Random histories of events, and the core marts computed from them in plain Python: the definitions, said twice."""

import random
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

# each oracle_<domain>.py says COLUMNS, the columns of its marts, and rows(served events), what is to be in them; one
# that counts test traffic too says WITH_TESTS, and declare(connection) is for what has to stand beside the tenants
ORACLES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("oracle_*.py"))]
UTC = ZoneInfo("UTC")
LOADS = [date(2024, 5, 1) + timedelta(days=number) for number in range(5)]
PRIMARY = {
    "music": ("track_play", "plays"),
    "shop": ("order_placed", "orders"),
    "saas": ("feature_used", "feature_uses"),
    "content": ("article_read", "reads"),
}
GAPS = [timedelta(0), timedelta(seconds=1), timedelta(minutes=10), timedelta(minutes=29, seconds=59.4)]
GAPS += [timedelta(minutes=30), timedelta(minutes=30, milliseconds=1), timedelta(minutes=45)]
AMOUNTS: list[Any] = ["9.99", "0.10", "100", 12, 3.5, "+1.5", "-2", "0.1234567"]
BAD_AMOUNTS: list[Any] = [
    None,
    "",
    "nine",
    "1,50",
    "NaN",
    "Infinity",
    "1e5",
    "0x1F",
    " 1",
    "1\n2",
    [],
    {},
    True,
    "9" * 13,
]

COMMON = [
    ("user_action", "search_performed"),
    ("page_view", "page_viewed"),
    ("user_action", "support_ticket_opened"),
    ("campaign", "campaign_touched"),
    ("experiment", "experiment_exposed"),
    ("transaction", "payment_succeeded"),
    ("transaction", "payment_succeeded"),
    ("transaction", "payment_refunded"),
    ("transaction", "payment_failed"),
    ("transaction", "order_placed"),  # where it is no engagement
    ("subscription", "subscription_started"),
    ("subscription", "subscription_renewed"),
    ("subscription", "subscription_cancelled"),
    ("system", "app_error"),
]
OF_KIND = {
    "music": [("user_action", "track_play"), ("user_action", "track_skip"), ("user_action", "playlist_changed")],
    "shop": [
        ("user_action", "order_placed"),
        ("page_view", "product_viewed"),
        ("user_action", "cart_changed"),
        ("user_action", "cart_abandoned"),
    ],
    "saas": [("user_action", "feature_used"), ("system", "api_called"), ("user_action", "report_exported")],
    "content": [("user_action", "article_read"), ("user_action", "article_closed"), ("user_action", "article_shared")],
}
WORDS: dict[str, list[Any]] = {
    "track_id": ["t1", "t2", "t3"],
    "product_id": ["p1", "p2", "p3"],
    "article_id": ["a1", "a2", "a3"],
    "order_id": ["o1", "o2", "o3", "o4"],
    "items": [1, 2, 5],
    "duration_seconds": [0, 30, 200],
    "position_seconds": [1, 12],
    "read_seconds": [5, 60],
    "duration_ms": [40, 900],
    "completed": [True, False],
    "feature": ["ledger", "forecast", "audit"],
    "quantity": [1, 50, 400],
    "endpoint": ["/v1/entries"],
    "topic": ["billing", "login"],
    "campaign": ["wave-1", "wave-2"],
    "channel": ["email", "search", "social"],
    "cost": ["0.02", "0.35", 2],
    "experiment": ["autoplay", "checkout"],
    "variant": ["A", "B"],
    "plan": ["solo", "duo"],
    "code": ["E101", "E204"],
    "device": ["phone", "desktop"],
    "path": ["/home", "/offers"],
    "currency": ["EUR", "USD"],
}
ODD: list[Any] = [None, "", "é" * 200, -1, 1.5, True, [], {}, "0", "99999999999999999999"]


@dataclass(frozen=True)
class Tenant:
    tenant_id: str
    name: str
    kind: str
    time_zone: str
    currency: str
    around: date  # where its history lies: nights in which the clocks change


TENANTS = [
    Tenant("zurich", "Zürich'; drop table marts.kpi_daily; --", "music", "Europe/Zurich", "CHF", date(2024, 3, 31)),
    Tenant("new-york", 'Ledger "ly" {{ 1/0 }} % \\', "saas", "America/New_York", "USD", date(2023, 11, 5)),
    Tenant("lord-howe", "<script>alert(1)</script>", "shop", "Australia/Lord_Howe", "AUD", date(2024, 4, 7)),
    Tenant("sao_paulo", "São Paulo, autumn", "content", "America/Sao_Paulo", "BRL", date(2018, 2, 18)),
    Tenant("sao-paulo-2", "São Paulo, spring", "content", "America/Sao_Paulo", "BRL", date(2018, 11, 4)),
    Tenant("apia", "A day that never was", "music", "Pacific/Apia", "WST", date(2011, 12, 30)),
    Tenant("st-johns", "Clocks change at 00:01", "shop", "America/St_Johns", "CAD", date(2010, 11, 7)),
    Tenant("0", "\u200b", "saas", "Asia/Kathmandu", "NPR", date(2024, 2, 29)),
    Tenant("edges", "One event changes the day beside its own", "music", "America/St_Johns", "CAD", date(2010, 11, 7)),
    Tenant("silent", "No event at all", "music", "UTC", "EUR", date(2024, 1, 1)),
]


@dataclass(frozen=True)
class Event:
    tenant: Tenant
    event_id: str
    event_type: str
    event_name: str
    at: datetime
    user_id: str | None
    anonymous_id: str | None
    is_test: bool
    properties: dict[str, Any]
    load_day: date

    @property
    def actor(self) -> str | None:
        return self.user_id or self.anonymous_id

    @property
    def engaged(self) -> bool:
        return self.event_type in {"user_action", "page_view"} and self.actor is not None

    @property
    def wall(self) -> datetime:
        return self.at.astimezone(ZoneInfo(self.tenant.time_zone)).replace(tzinfo=None)

    @property
    def primary(self) -> bool:
        return self.event_name == PRIMARY[self.tenant.kind][0]

    @property
    def revenue(self) -> Decimal:
        sign = {"payment_succeeded": 1, "payment_refunded": -1}.get(self.event_name, 0)
        amount = self.properties.get("amount")
        text = str(amount) if isinstance(amount, str | int | float) and amount is not True else ""
        if not sign or not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,20})?", text, re.ASCII):
            return Decimal(0)
        return sign * Decimal(text).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def history(tenant: Tenant, seed: int) -> list[Event]:
    """Bursts of a few actors around midnight and 04:00, each event in any of the loads."""
    if tenant.tenant_id == "edges":
        return edges(tenant)
    chance = random.Random(f"{tenant.tenant_id} {seed}")  # noqa: S311 - the same history each time
    events = []
    for burst in range(0 if tenant.tenant_id == "silent" else 40):
        away = chance.randint(-3, 3) if chance.random() < 0.8 else chance.choice([-200, -70, -40, -8, 9, 35, 66])
        night = datetime.combine(tenant.around, datetime.min.time()) + timedelta(days=away)
        hours = chance.choice([-1, 0, 2, 3, 3.5, 4, chance.uniform(0, 24)])
        at = (night + timedelta(hours=hours)).replace(tzinfo=ZoneInfo(tenant.time_zone)).astimezone(UTC)
        user, visitor = chance.choice(
            [("u1", None), ("u2", "v1"), ("u2", None), (None, "v1"), (None, "u1"), (None, None)]
        )
        for number in range(chance.randint(1, 8)):
            kind, name = chance.choice([*COMMON, *OF_KIND[tenant.kind]])
            events.append(
                Event(
                    tenant=tenant,
                    event_id=f"{chance.choice('Zaé_')}{burst}-{number}",
                    event_type=kind,
                    event_name=name,
                    at=at,
                    user_id=user,
                    anonymous_id=visitor,
                    is_test=chance.random() < 0.1,
                    properties=_properties(chance),
                    load_day=chance.choice(LOADS),
                )
            )
            at += chance.choice(GAPS)
    return events


def _properties(chance: random.Random) -> dict[str, Any]:
    """Of any event, whatever its name: what stands where it should, what is odd, and what is not there at all."""
    told = {"amount": chance.choice(AMOUNTS if chance.random() < 0.6 else BAD_AMOUNTS)}
    for name, values in WORDS.items():
        if chance.random() < 0.9:
            told[name] = chance.choice(values if chance.random() < 0.9 else ODD)
    return told


def edges(tenant: Tenant) -> list[Event]:
    """What chance rarely brings: late events alone on their day, and a clock that goes back over midnight."""

    def event(event_id: str, instant: str, load_day: date) -> Event:
        at = datetime.fromisoformat(instant)
        return Event(tenant, event_id, "page_view", "page_viewed", at, "u", None, False, {}, load_day)

    last = LOADS[4]
    return [
        # 23:50, and much later its neighbour of 00:10: the session of the day before grows
        event("before midnight", "2010-06-01T02:20:00+00:00", LOADS[3]),
        event("after midnight", "2010-06-01T02:40:00+00:00", last),
        # 00:10, and much later its neighbour of 23:50: the session leaves the day after
        event("after another midnight", "2010-07-01T02:40:00+00:00", LOADS[3]),
        event("before another midnight", "2010-07-01T02:20:00+00:00", last),
        # 00:00:30 on the 7th; at 00:01 it is 23:01 on the 6th again
        event("the seventh", "2010-11-07T02:30:30+00:00", LOADS[0]),
        event("the sixth again", "2010-11-07T02:40:00+00:00", LOADS[1]),
    ]


def register(connection: psycopg.Connection, tenants: Iterable[Tenant]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into tenancy.tenants"
            " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
            " values (%s, %s, %s, 'free', %s, %s, 'free', 'eu-west', '{}')",
            [(t.tenant_id, t.name, t.kind, t.time_zone, t.currency) for t in tenants],
        )


def declare(connection: psycopg.Connection) -> None:
    """What the oracles count on beside all of TENANTS."""
    for oracle in ORACLES:
        if hasattr(oracle, "declare"):
            oracle.declare(connection)


def load(connection: psycopg.Connection, events: Iterable[Event]) -> None:
    copy = connection.cursor().copy(
        "copy raw.events (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id,"
        " is_test, properties, load_day, batch_id, line_number) from stdin"
    )
    with copy as rows:
        for number, e in enumerate(events):
            who = (e.user_id, e.anonymous_id, e.is_test)
            what = (e.tenant.tenant_id, e.event_id, e.event_type, e.event_name, "api", e.at)
            rows.write_row((*what, *who, Jsonb(e.properties), e.load_day, 1, number))


Rows = set[tuple[Any, ...]]
COLUMNS = {
    "dim_users": "tenant_id, user_id, person_id, is_known, first_day, last_day, first_active_day,"
    " last_active_day, active_days, sessions, actions, payments, revenue",
    "fct_sessions": "tenant_id, session_id, user_id, day, activity_day, started_at, ended_at, duration_seconds,"
    " events, actions",
    "fct_user_days": "tenant_id, user_id, day, is_known, events, sessions, engagement_seconds, actions, payments,"
    " revenue, subscriptions_started, subscriptions_cancelled",
}


def computed(events: Iterable[Event]) -> dict[str, Rows]:
    """The marts of events whose loads are not held."""
    events = list(events)
    served = [event for event in events if not event.is_test]
    sessions = _sessions(served)
    found = {
        "dim_users": _users(served, sessions),
        "fct_sessions": {tuple(session.values()) for session in sessions},
        "fct_user_days": _user_days(served, sessions),
    }
    for oracle in ORACLES:
        found |= oracle.rows(events if hasattr(oracle, "WITH_TESTS") else served)
    return found


def _sessions(served: list[Event]) -> list[dict[str, Any]]:
    by_actor = defaultdict(list)
    for event in served:
        if event.engaged:
            by_actor[event.tenant.tenant_id, event.actor].append(event)
    sessions = []
    for (tenant_id, actor), events in by_actor.items():
        parts: list[list[Event]] = []
        for event in sorted(events, key=lambda e: (e.at, e.event_id.encode())):
            previous = parts[-1][-1] if parts else None
            same = (
                previous is not None
                and event.at - previous.at <= timedelta(minutes=30)
                and _activity_day(event) == _activity_day(previous)
            )
            if same:
                parts[-1].append(event)
            else:
                parts.append([event])
        sessions += [
            {
                "tenant_id": tenant_id,
                "session_id": part[0].event_id,
                "user_id": actor,
                "day": part[0].wall.date(),
                "activity_day": _activity_day(part[0]),
                "started_at": part[0].at,
                "ended_at": part[-1].at,
                "duration_seconds": (part[-1].at - part[0].at) // timedelta(seconds=1),
                "events": len(part),
                "actions": sum(event.primary for event in part),
            }
            for part in parts
        ]
    return sessions


def _activity_day(event: Event) -> date:
    return (event.wall - timedelta(hours=4)).date()


def _user_days(served: list[Event], sessions: list[dict[str, Any]]) -> Rows:
    groups = defaultdict(list)
    for event in served:
        if event.actor:
            groups[event.tenant.tenant_id, event.actor, event.wall.date()].append(event)
    rows = set()
    for key, events in groups.items():
        own = [s for s in sessions if (s["tenant_id"], s["user_id"], s["day"]) == key]
        rows.add(
            (
                *key,
                any(event.user_id is not None for event in events),
                sum(event.engaged for event in events),
                len(own),
                sum(session["duration_seconds"] for session in own),
                sum(event.primary for event in events),
                _named(events, "payment_succeeded"),
                sum((event.revenue for event in events), Decimal(0)),
                _named(events, "subscription_started"),
                _named(events, "subscription_cancelled"),
            )
        )
    return rows


def _users(served: list[Event], sessions: list[dict[str, Any]]) -> Rows:
    groups, links = defaultdict(list), defaultdict(list)
    for event in served:
        if event.actor:
            groups[event.tenant.tenant_id, event.actor].append(event)
        if event.anonymous_id and event.user_id:
            link = (event.at, event.user_id.encode(), event.user_id)
            links[event.tenant.tenant_id, event.anonymous_id].append(link)
    rows = set()
    for key, events in groups.items():
        days = [event.wall.date() for event in events]
        active_days = {event.wall.date() for event in events if event.engaged}
        known = any(event.user_id is not None for event in events)
        rows.add(
            (
                *key,
                min(links[key])[2] if links[key] and not known else key[1],
                known,
                min(days),
                max(days),
                min(active_days, default=None),
                max(active_days, default=None),
                len(active_days),
                sum((s["tenant_id"], s["user_id"]) == key for s in sessions),
                sum(event.primary for event in events),
                _named(events, "payment_succeeded"),
                sum((event.revenue for event in events), Decimal(0)),
            )
        )
    return rows


def _named(events: list[Event], name: str) -> int:
    return sum(event.event_name == name for event in events)


def columns_of_marts() -> dict[str, str]:
    """Of those that `computed` knows."""
    told = dict(COLUMNS)
    for oracle in ORACLES:
        told |= oracle.COLUMNS
    return told


def stored(connection: psycopg.Connection) -> dict[str, Rows]:
    """The marts as they are, each row once."""
    found = {}
    for table, columns in sorted(columns_of_marts().items()):
        rows = connection.execute(f"select {columns} from marts.{table}").fetchall()
        found[table] = set(rows)
        assert len(found[table]) == len(rows)
    return found
