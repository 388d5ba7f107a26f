"""The brief's definitions once more, naively: reads every landing file and recomputes what the ledger claims.

Shares no code with the simulator but the contract, which decides what a valid event is.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from analytics_dagster.schemas import AnalyticsEvent, TenantConfiguration

METRIC = {"music": "plays", "shop": "orders", "saas": "feature_uses", "content": "reads"}
ACTION = {"music": "track_play", "shop": "order_placed", "saas": "feature_used", "content": "article_read"}


@dataclass
class Recomputed:
    kpis: dict[tuple[str, date, str], tuple[Decimal, str]] = field(default_factory=dict)
    accounts: dict[tuple[date, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    usage: dict[tuple[str, date], tuple[int, int]] = field(default_factory=dict)
    served: dict[str, list[tuple[date, AnalyticsEvent]]] = field(default_factory=lambda: defaultdict(list))
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
        if not event.metadata.is_test and (event.metadata.tenant_id, day) not in held:
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


def sessions(events: Sequence[AnalyticsEvent], zone: ZoneInfo) -> list[list[datetime]]:
    """By the session rule, in local time."""
    by_actor: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        if engaged(event) and (who := actor(event)) is not None:
            by_actor[who].append(event.metadata.timestamp)
    found: list[list[datetime]] = []
    for moments in by_actor.values():
        previous = None
        for moment in sorted(moments):
            if (
                previous is None
                or moment - previous > timedelta(minutes=30)
                or activity_day(moment, zone) != activity_day(previous, zone)
            ):
                found.append([])
            found[-1].append(moment)
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
        values[day]["new_subscribers"] += event.event_name == "subscription_started"
        values[day]["lost_subscribers"] += event.event_name == "subscription_cancelled"
        if event.event_name in {"payment_succeeded", "payment_refunded"}:
            sign = 1 if event.event_name == "payment_succeeded" else -1
            revenue[day] += sign * Decimal(event.properties["amount"])
        if event.event_name == "experiment_exposed":
            told.exposed[name][event.properties["variant"]] += 1
    for moments in sessions(events, zone):
        day = moments[0].astimezone(zone).date()
        values[day]["sessions"] += 1
        values[day]["engagement_seconds"] += (moments[-1] - moments[0]) // timedelta(seconds=1)
    units = {"active_users": "users", "sessions": "sessions", "engagement_seconds": "seconds"}
    units |= {METRIC[kind]: "count", "new_subscribers": "users", "lost_subscribers": "users"}
    for day, counted in values.items():
        counted["active_users"] = len(actors[day])
        for metric, unit in units.items():
            told.kpis[name, day, metric] = (Decimal(counted[metric]), unit)
        told.kpis[name, day, "revenue"] = (revenue[day], tenant.currency)
    for month, count in billed.items():
        told.usage[name, month] = (count, len(months[month]))
