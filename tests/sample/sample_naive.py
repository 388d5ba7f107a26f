"""The brief's definitions once more, naively: reads every landing file and recomputes what the ledger claims.

Shares no code with the simulator but the contract, which decides what a valid event is.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from analytics_dagster.schemas import AnalyticsEvent, TenantConfiguration

METRIC = {"music": "plays", "shop": "orders", "saas": "feature_uses", "content": "reads"}
ACTION = {"music": "track_play", "shop": "order_placed", "saas": "feature_used", "content": "article_read"}
UNITS = {"active_users": "users", "weekly_active_users": "users", "monthly_active_users": "users"}
UNITS |= {"sessions": "sessions", "converted_sessions": "sessions", "engagement_seconds": "seconds"}
UNITS |= {"new_subscribers": "users", "lost_subscribers": "users"}
UNITS |= dict.fromkeys(["payments", "refunds", "events", "app_errors", "test_events"], "count")
# what the files of the sample tenants say
CUSTOM = {
    ("tonewave", "plays_per_listener"): (lambda of: _per(of["plays"], of["active_users"]), "count"),
    ("tonewave", "minutes_per_session"): (lambda of: _per(of["engagement_seconds"], of["sessions"] * 60), "minutes"),
    ("corner-shop", "refunds_per_order"): (lambda of: _per(of["refunds"], of["orders"]), "ratio"),
}


@dataclass
class Recomputed:
    kpis: dict[tuple[str, date, str], tuple[Decimal | None, str]] = field(default_factory=dict)
    accounts: dict[tuple[date, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    usage: dict[tuple[str, date], tuple[int, int]] = field(default_factory=dict)
    served: dict[str, list[tuple[date, AnalyticsEvent]]] = field(default_factory=lambda: defaultdict(list))
    tests: dict[str, list[AnalyticsEvent]] = field(default_factory=lambda: defaultdict(list))
    exposed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def read_lines(path: Path) -> list[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return file.read().splitlines()


def landing_lines(landing: Path) -> Iterator[tuple[date, str | None, bytes]]:
    """(loading day, folder, line), in the order of loading."""
    for path in sorted(p for p in landing.rglob("*") if p.is_file()):
        day, *folder, _ = path.relative_to(landing).parts
        for line in read_lines(path):
            yield date.fromisoformat(day), folder[0] if folder else None, line


def recompute(landing: Path, tenants: Sequence[TenantConfiguration], held: frozenset[tuple[str, date]]) -> Recomputed:
    known = {tenant.tenant_id: tenant for tenant in tenants}
    told = Recomputed()
    first_seen: dict[tuple[str, str], date] = {}
    # all folders of a day come before the next day: sorted by path is sorted by loading day
    for day, folder, line in landing_lines(landing):
        fault, event, account = _judge(line, folder, known)
        books = told.accounts[day, account]
        books["received"] += 1
        if event is None:
            books["quarantined"] += 1
            books[str(fault)] += 1
            continue
        key = (event.metadata.tenant_id, event.metadata.event_id)
        if key in first_seen:
            books["duplicate"] += 1
            books["duplicate_same_day" if first_seen[key] == day else "duplicate_across_days"] += 1
            continue
        first_seen[key] = day
        books["accepted"] += 1
        books["late"] += day - event.metadata.timestamp.date() >= timedelta(days=2)
        books["test"] += event.metadata.is_test
        if not any(event.metadata.tenant_id == tenant_id and day >= since for tenant_id, since in held):
            if event.metadata.is_test:
                told.tests[event.metadata.tenant_id].append(event)
            else:
                told.served[event.metadata.tenant_id].append((day, event))
    for tenant_id, events in told.served.items():
        _measure(told, known[tenant_id], [event for _, event in events])
    return told


def _judge(
    line: bytes, folder: str | None, known: dict[str, TenantConfiguration]
) -> tuple[str | None, AnalyticsEvent | None, str]:
    of_folder = folder if folder in known else "(unknown)"
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return "malformed", None, of_folder
    if not isinstance(parsed, dict):
        return "malformed", None, of_folder
    named = parsed.get("metadata", {}).get("tenant_id")
    account = of_folder if folder is not None or named not in known else named
    try:
        event = AnalyticsEvent.model_validate_json(line)
    except ValidationError:
        return "wrong_type", None, account
    if named not in known:
        return "unknown_tenant", None, account
    if folder is not None and named != folder:
        return "tenant_mismatch", None, account
    return None, event, account


def actor(event: AnalyticsEvent) -> str | None:
    return event.metadata.user_id or event.metadata.anonymous_id


def engaged(event: AnalyticsEvent) -> bool:
    return event.event_type.value in {"user_action", "page_view"}


def _kpis(
    tenant: TenantConfiguration, counted: Counter[str], revenue: Decimal
) -> dict[str, tuple[Decimal | None, str]]:
    units = {**UNITS, METRIC[tenant.kind.value]: "count"}
    told = {metric: (Decimal(counted[metric]), unit) for metric, unit in units.items()}
    told["revenue"] = (revenue, tenant.currency)
    told["arpu"] = (_per(revenue, counted["active_users"]), tenant.currency)
    told["stickiness"] = (_per(counted["active_users"], counted["monthly_active_users"]), "ratio")
    told["conversion"] = (_per(counted["converted_sessions"], counted["sessions"]), "ratio")
    told["error_rate"] = (_per(counted["app_errors"], counted["events"]), "ratio")
    for (owner, metric), (worth, unit) in CUSTOM.items():
        if owner == tenant.tenant_id:
            told[metric] = (worth(counted), unit)
    return told


def _per(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(Decimal("0.000001"), ROUND_HALF_UP) if whole else None


def sessions(events: Sequence[AnalyticsEvent], zone: ZoneInfo) -> list[list[datetime]]:
    return [moments for _, moments in sessions_by_actor(events, zone)]


def sessions_by_actor(events: Sequence[AnalyticsEvent], zone: ZoneInfo) -> list[tuple[str, list[datetime]]]:
    """By the session rule, in local time."""
    by_actor: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        if engaged(event) and (who := actor(event)) is not None:
            by_actor[who].append(event.metadata.timestamp)
    found: list[tuple[str, list[datetime]]] = []
    for who, moments in by_actor.items():
        previous = None
        for moment in sorted(moments):
            if (
                previous is None
                or moment - previous > timedelta(minutes=30)
                or activity_day(moment, zone) != activity_day(previous, zone)
            ):
                found.append((who, []))
            found[-1][1].append(moment)
            previous = moment
    return found


def activity_day(moment: datetime, zone: ZoneInfo) -> date:
    return (moment.astimezone(zone).replace(tzinfo=None) - timedelta(hours=4)).date()


def _measure(told: Recomputed, tenant: TenantConfiguration, events: list[AnalyticsEvent]) -> None:
    zone = ZoneInfo(tenant.time_zone)
    name, kind = tenant.tenant_id, tenant.kind.value
    values: dict[date, Counter[str]] = defaultdict(Counter)
    revenue: dict[date, Decimal] = defaultdict(Decimal)
    actors: dict[date, set[str]] = defaultdict(set)
    months: dict[date, set[str]] = defaultdict(set)
    bought: set[tuple[str | None, datetime]] = set()
    billed: Counter[date] = Counter()
    for event in events:
        day = event.metadata.timestamp.astimezone(zone).date()
        month = day.replace(day=1)
        billed[month] += 1
        values[day]["events"] += 1
        who = actor(event)
        if engaged(event) and who is not None:
            actors[day].add(who)
            months[month].add(who)
        values[day][METRIC[kind]] += event.event_name == ACTION[kind]
        if event.event_name == ACTION[kind]:
            bought.add((who, event.metadata.timestamp))
        values[day]["payments"] += event.event_name == "payment_succeeded"
        values[day]["refunds"] += event.event_name == "payment_refunded"
        values[day]["app_errors"] += event.event_name == "app_error"
        values[day]["new_subscribers"] += event.event_name == "subscription_started"
        values[day]["lost_subscribers"] += event.event_name == "subscription_cancelled"
        if event.event_name in {"payment_succeeded", "payment_refunded"}:
            sign = 1 if event.event_name == "payment_succeeded" else -1
            revenue[day] += sign * Decimal(event.properties["amount"])
        if event.event_name == "experiment_exposed":
            told.exposed[name][event.properties["variant"]] += 1
    for event in told.tests[name]:
        values[event.metadata.timestamp.astimezone(zone).date()]["test_events"] += 1
    for who, moments in sessions_by_actor(events, zone):
        day = moments[0].astimezone(zone).date()
        values[day]["sessions"] += 1
        values[day]["converted_sessions"] += any((who, moment) in bought for moment in moments)
        values[day]["engagement_seconds"] += (moments[-1] - moments[0]) // timedelta(seconds=1)
    for day, counted in values.items():
        for metric, days in (("active_users", 1), ("weekly_active_users", 7), ("monthly_active_users", 30)):
            counted[metric] = len(set().union(*(actors.get(day - timedelta(back), set()) for back in range(days))))
        for metric, kpi in _kpis(tenant, counted, revenue[day]).items():
            told.kpis[name, day, metric] = kpi
    for month, count in billed.items():
        told.usage[name, month] = (count, len(months[month]))
