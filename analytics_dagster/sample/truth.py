"""Counts what is intended while it is generated: KPIs and usage of what is served, the books of each load.

Plain counters, of a size that depends on days and tenants and not on events: people come one after
another, so that distinct users need no set of users. Never reads a file that the simulator wrote.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from analytics_dagster.sample.clock import SECOND, Calendar, as_date
from analytics_dagster.sample.faults import Fault
from analytics_dagster.sample.ledger import Account, Kpi, Usage
from analytics_dagster.sample.life import ENGAGEMENT, Bundle
from analytics_dagster.sample.personas import Persona
from analytics_dagster.schemas.expressions import value_of
from analytics_dagster.schemas.kpis import CustomKpi

_MILLIONTH = Decimal("0.000001")


class Books:
    """What each (loading day, tenant) received and what became of it."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[int, str], Account] = defaultdict(Account)
        self.lines = 0

    def accepted(self, day: int, tenant_id: str, lines: int = 1, fault: Fault | None = None) -> None:
        account = self.accounts[day, tenant_id]
        account.received += lines
        self.lines += lines
        account.accepted += lines
        if fault is not None:
            account.faults[fault] += lines

    def duplicate(self, day: int, tenant_id: str, fault: Fault) -> None:
        account = self.accounts[day, tenant_id]
        account.received += 1
        self.lines += 1
        account.duplicate += 1
        account.faults[fault] += 1

    def quarantined(self, day: int, tenant_id: str, fault: Fault) -> None:
        account = self.accounts[day, tenant_id]
        account.received += 1
        self.lines += 1
        account.quarantined += 1
        account.faults[fault] += 1

    def can_bear(self, day: int, tenant_id: str) -> bool:
        """Whether one more bad line leaves the load clearly sound: only the broken release is to be held."""
        account = self.accounts.get((day, tenant_id))
        return account is not None and (account.quarantined + 1) * 3 <= account.accepted


@dataclass
class _Day:
    active_users: int = 0
    weekly_active_users: int = 0
    monthly_active_users: int = 0
    sessions: int = 0
    converted_sessions: int = 0
    engagement_seconds: int = 0
    actions: int = 0
    payments: int = 0
    refunds: int = 0
    hundredths: int = 0
    started: int = 0
    cancelled: int = 0
    events: int = 0
    errors: int = 0
    test_events: int = 0

    @property
    def happened(self) -> bool:
        """Whether there is an event of the day: others are in the windows of other days only."""
        return self.events + self.test_events > 0


@dataclass
class _Month:
    events: int = 0
    active_users: int = 0


@dataclass
class TenantTruth:
    """The served events of one tenant. `person_done` after each person."""

    calendar: Calendar
    persona: Persona
    currency: str
    custom_kpis: Sequence[CustomKpi] = ()
    exposed: dict[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})
    _days: dict[int, _Day] = field(default_factory=lambda: defaultdict(_Day))
    _months: dict[date, _Month] = field(default_factory=lambda: defaultdict(_Month))
    _active: set[int] = field(default_factory=set)

    def served(self, bundle: Bundle) -> None:
        begin: int | None = None
        end = 0
        converted = False
        for event in bundle.events:
            number = self.calendar.local_day(bundle.day, event.at)
            day = self._days[number]
            self._months[_month(number)].events += 1
            day.events += 1
            if event.type in ENGAGEMENT:
                self._active.add(number)
                begin, end = event.at if begin is None else begin, event.at
                day.actions += event.name == self.persona.action
                converted |= event.name == self.persona.action
            elif event.name == "payment_succeeded":
                day.payments += 1
                day.hundredths += event.hundredths
            elif event.name == "payment_refunded":
                day.refunds += 1
                day.hundredths -= event.hundredths
            elif event.name == "subscription_started":
                day.started += 1
            elif event.name == "subscription_cancelled":
                day.cancelled += 1
            elif event.name == "app_error":
                day.errors += 1
            elif event.name == "experiment_exposed":
                self.exposed[str(event.properties["variant"])] += 1
        if begin is not None:
            first = self._days[self.calendar.local_day(bundle.day, begin)]
            first.sessions += 1
            first.converted_sessions += converted
            first.engagement_seconds += (end - begin) // SECOND

    def tested(self, bundle: Bundle, at: int) -> None:
        self._days[self.calendar.local_day(bundle.day, at)].test_events += 1

    def person_done(self) -> None:
        for number in self._active:
            self._days[number].active_users += 1
        for number in _reached(self._active, 7):
            self._days[number].weekly_active_users += 1
        for number in _reached(self._active, 30):
            self._days[number].monthly_active_users += 1
        for month in {_month(number) for number in self._active}:
            self._months[month].active_users += 1
        self._active.clear()

    def kpis(self) -> dict[tuple[date, str], Kpi]:
        told: dict[tuple[date, str], Kpi] = {}
        for number, day in self._days.items():
            if not day.happened:
                continue
            metrics = self._metrics(day)
            values = {metric: value for metric, (value, _) in metrics.items()}
            metrics |= {kpi.name: (value_of(kpi.parsed(), values), kpi.unit) for kpi in self.custom_kpis}
            told |= {(as_date(number), metric): Kpi(value, unit) for metric, (value, unit) in metrics.items()}
        return told

    def _metrics(self, day: _Day) -> dict[str, tuple[Decimal | None, str]]:
        revenue = Decimal(day.hundredths).scaleb(-2)
        counted = {
            "active_users": (day.active_users, "users"),
            "weekly_active_users": (day.weekly_active_users, "users"),
            "monthly_active_users": (day.monthly_active_users, "users"),
            "sessions": (day.sessions, "sessions"),
            "converted_sessions": (day.converted_sessions, "sessions"),
            "engagement_seconds": (day.engagement_seconds, "seconds"),
            self.persona.metric: (day.actions, "count"),
            "payments": (day.payments, "count"),
            "refunds": (day.refunds, "count"),
            "new_subscribers": (day.started, "users"),
            "lost_subscribers": (day.cancelled, "users"),
            "events": (day.events, "count"),
            "app_errors": (day.errors, "count"),
            "test_events": (day.test_events, "count"),
        }
        return {
            **{metric: (Decimal(value), unit) for metric, (value, unit) in counted.items()},
            "revenue": (revenue, self.currency),
            "arpu": (_ratio(revenue, day.active_users), self.currency),
            "stickiness": (_ratio(day.active_users, day.monthly_active_users), "ratio"),
            "conversion": (_ratio(day.converted_sessions, day.sessions), "ratio"),
            "error_rate": (_ratio(day.errors, day.events), "ratio"),
        }

    def usage(self) -> dict[date, Usage]:
        return {month: Usage(told.events, told.active_users) for month, told in self._months.items()}


@cache
def _month(number: int) -> date:
    return as_date(number).replace(day=1)


def _reached(active: set[int], days: int) -> set[int]:
    """The days whose window of so many days holds an active one."""
    return {number + ahead for number in active for ahead in range(days)}


def _ratio(part: Decimal | int, whole: int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(_MILLIONTH, ROUND_HALF_UP) if whole else None
