"""The KPIs of a day by their definitions: governed ones in both forms, and those that tenants declare."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import histories
import psycopg
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from histories import Event, Rows, Tenant

WITH_TESTS = True
COUNTED = (
    "active_users, weekly_active_users, monthly_active_users, stickiness, sessions, converted_sessions, conversion,"
    " engagement_seconds, plays, orders, feature_uses, reads, payments, refunds, revenue, arpu, new_subscribers,"
    " lost_subscribers, events, app_errors, error_rate, test_events"
)
COLUMNS = {"kpi_daily": "tenant_id, day, metric, value, unit", "kpi_daily_wide": f"tenant_id, day, {COUNTED}"}
UNITS = dict.fromkeys(COUNTED.split(", "), "count")
UNITS |= dict.fromkeys(["stickiness", "conversion", "error_rate"], "ratio")
UNITS |= {"sessions": "sessions", "converted_sessions": "sessions", "engagement_seconds": "seconds"}
UNITS |= dict.fromkeys([name for name in UNITS if name.endswith(("active_users", "subscribers"))], "users")
# operations in postfix order, the same again, and the unit
CUSTOM = {
    ("zurich", "plays_each"): (["plays", "active_users", "/"], lambda m: m["plays"] / m["active_users"], "points"),
    ("apia", "net"): (["revenue", "refunds", "0.25", "*", "-"], lambda m: m["revenue"] - m["refunds"] / 4, "points"),
    ("apia", "of_thirds"): (
        ["sessions", "3", "/", "3", "*", "events", "-"],
        lambda m: m["sessions"] / 3 * 3 - m["events"],
        "points",
    ),
    ("lord-howe", "odd"): (["arpu", "conversion", "/"], lambda m: m["arpu"] / m["conversion"], "points"),
    ("silent", "never"): (["plays"], lambda m: m["plays"], "points"),
}


def declare(connection: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into tenancy.custom_kpis values (%s, %s, '', %s, %s, '')",
            [(*key, Jsonb(operations), unit) for key, (operations, _, unit) in CUSTOM.items()],
        )


def rows(events: "list[Event]") -> "dict[str, Rows]":
    days, active = defaultdict(list), defaultdict(lambda: defaultdict(set))
    for event in events:
        days[event.tenant, event.wall.date()].append(event)
        if event.engaged and not event.is_test:
            active[event.tenant][event.wall.date()].add(event.actor)
    sessions = defaultdict(list)
    for session in histories._sessions([event for event in events if not event.is_test]):
        sessions[session["tenant_id"], session["day"]].append(session)
    long: Rows = set()
    wide: Rows = set()
    for (tenant, day), of_day in days.items():
        told = _metrics(tenant, of_day, sessions[tenant.tenant_id, day], active[tenant], day)
        wide.add((tenant.tenant_id, day, *(told.get(name) for name in UNITS)))
        units = {**UNITS, "revenue": tenant.currency, "arpu": tenant.currency}
        long |= {(tenant.tenant_id, day, name, value, units[name]) for name, value in told.items()}
        long |= {
            (tenant_id, day, name, _custom(formula, told), unit)
            for (tenant_id, name), (_, formula, unit) in CUSTOM.items()
            if tenant_id == tenant.tenant_id
        }
    return {"kpi_daily": long, "kpi_daily_wide": wide}


def _metrics(
    tenant: "Tenant", of_day: "list[Event]", sessions: list[dict], active: dict[date, set], day: date
) -> dict[str, Decimal | None]:
    served = [event for event in of_day if not event.is_test]
    window = [active.get(day - timedelta(days=back), set()) for back in range(30)]

    def named(name: str) -> Decimal:
        return Decimal(sum(event.event_name == name for event in served))

    told: dict[str, Decimal] = {
        "active_users": Decimal(len(window[0])),
        "weekly_active_users": Decimal(len(set().union(*window[:7]))),
        "monthly_active_users": Decimal(len(set().union(*window))),
        "sessions": Decimal(len(sessions)),
        "converted_sessions": Decimal(sum(session["actions"] > 0 for session in sessions)),
        "engagement_seconds": Decimal(sum(session["duration_seconds"] for session in sessions)),
        histories.PRIMARY[tenant.kind][1]: Decimal(sum(event.primary for event in served)),
        "payments": named("payment_succeeded"),
        "refunds": named("payment_refunded"),
        "revenue": sum((event.revenue for event in served), Decimal(0)),
        "new_subscribers": named("subscription_started"),
        "lost_subscribers": named("subscription_cancelled"),
        "events": Decimal(len(served)),
        "app_errors": named("app_error"),
        "test_events": Decimal(len(of_day) - len(served)),
    }
    return told | {
        "stickiness": _share(told["active_users"], told["monthly_active_users"]),
        "conversion": _share(told["converted_sessions"], told["sessions"]),
        "arpu": _share(told["revenue"], told["active_users"]),
        "error_rate": _share(told["app_errors"], told["events"]),
    }


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return rounded(Fraction(part) / Fraction(whole)) if whole else None


def _custom(formula, told: dict[str, Decimal | None]) -> Decimal | None:
    try:
        return rounded(formula({name: Fraction(value) for name, value in told.items() if value is not None}))
    except (KeyError, ZeroDivisionError):
        return None


def rounded(value: Fraction) -> Decimal:
    """To six decimals, half away from zero."""
    with localcontext(prec=2000):
        millionths = abs(value) * 1_000_000
        whole = (2 * millionths.numerator + millionths.denominator) // (2 * millionths.denominator)
        return (Decimal(whole) * (1 if value >= 0 else -1)).scaleb(-6).quantize(Decimal("0.000001"), ROUND_HALF_UP)
