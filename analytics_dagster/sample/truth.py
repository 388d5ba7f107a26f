"""Counts what is intended while it is generated: KPIs and usage of what is served, the books of each load.

Plain counters, of a size that depends on days and tenants and not on events: people come one after
another, so that distinct users need no set of users. Never reads a file that the simulator wrote.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache

from analytics_dagster.sample.clock import SECOND, Calendar, as_date
from analytics_dagster.sample.faults import Fault
from analytics_dagster.sample.ledger import Account, Kpi, Usage
from analytics_dagster.sample.life import ENGAGEMENT, Bundle
from analytics_dagster.sample.personas import Persona


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
    sessions: int = 0
    engagement_seconds: int = 0
    actions: int = 0
    hundredths: int = 0
    started: int = 0
    cancelled: int = 0


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
    exposed: dict[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})
    _days: dict[int, _Day] = field(default_factory=lambda: defaultdict(_Day))
    _months: dict[date, _Month] = field(default_factory=lambda: defaultdict(_Month))
    _active: set[int] = field(default_factory=set)

    def served(self, bundle: Bundle) -> None:
        begin: int | None = None
        end = 0
        for event in bundle.events:
            number = self.calendar.local_day(bundle.day, event.at)
            day = self._days[number]
            self._months[_month(number)].events += 1
            if event.type in ENGAGEMENT:
                self._active.add(number)
                begin, end = event.at if begin is None else begin, event.at
                day.actions += event.name == self.persona.action
            elif event.name == "payment_succeeded":
                day.hundredths += event.hundredths
            elif event.name == "payment_refunded":
                day.hundredths -= event.hundredths
            elif event.name == "subscription_started":
                day.started += 1
            elif event.name == "subscription_cancelled":
                day.cancelled += 1
            elif event.name == "experiment_exposed":
                self.exposed[str(event.properties["variant"])] += 1
        if begin is not None:
            first = self._days[self.calendar.local_day(bundle.day, begin)]
            first.sessions += 1
            first.engagement_seconds += (end - begin) // SECOND

    def person_done(self) -> None:
        for number in self._active:
            self._days[number].active_users += 1
        for month in {_month(number) for number in self._active}:
            self._months[month].active_users += 1
        self._active.clear()

    def kpis(self) -> dict[tuple[date, str], Kpi]:
        told = {}
        for number, day in self._days.items():
            values = {
                "active_users": (day.active_users, "users"),
                "sessions": (day.sessions, "sessions"),
                "engagement_seconds": (day.engagement_seconds, "seconds"),
                self.persona.metric: (day.actions, "count"),
                "new_subscribers": (day.started, "users"),
                "lost_subscribers": (day.cancelled, "users"),
            }
            for metric, (value, unit) in values.items():
                told[as_date(number), metric] = Kpi(Decimal(value), unit)
            told[as_date(number), "revenue"] = Kpi(Decimal(day.hundredths).scaleb(-2), self.currency)
        return told

    def usage(self) -> dict[date, Usage]:
        return {month: Usage(told.events, told.active_users) for month, told in self._months.items()}


@cache
def _month(number: int) -> date:
    return as_date(number).replace(day=1)
