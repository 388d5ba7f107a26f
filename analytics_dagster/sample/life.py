"""What a person does, day by day, and when it arrives: the intentions that become lines and truth.

A session is one bundle: its events arrive together, when the app uploads them at its end. Sessions obey
the session rule by construction: pauses inside are below 25 minutes, between sessions above 35, and
none spans 04:00 local. How an intention is written down is in `lines`.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from analytics_dagster.sample.clock import MINUTE, SECOND, Calendar, utc_day
from analytics_dagster.sample.people import Person
from analytics_dagster.sample.personas import CHANCES, Persona, price_level
from analytics_dagster.sample.wording import Properties, money, properties
from analytics_dagster.schemas import AnalyticsChannelType as Channel
from analytics_dagster.schemas import AnalyticsEventType as Type

ENGAGEMENT = frozenset({Type.USER_ACTION, Type.PAGE_VIEW})
LATEST = 20  # days until an offline device is online again, at most
EARLIEST = 2  # an event counts as late from so many UTC days on

_BETWEEN = 36 * MINUTE
_QUIET = 20 * MINUTE  # on both sides of 04:00
_LONGEST_PAUSE = 24 * 60
_MOST_STEPS = 24
_MOST_SESSIONS = 4
_RENEWAL = 30
_CHANNELS = (("email", 2), ("push", 1), ("search", 35), ("social", 28), ("partner", 60))


class Intent(NamedTuple):
    at: int
    type: Type
    name: str
    source: Channel
    properties: Properties
    hundredths: int = 0  # of money, where it is a payment or a refund


class Bundle(NamedTuple):
    """What arrives together."""

    load_day: int
    day: int  # the activity day in which it happened
    events: list[Intent]
    late: bool = False


class Due(NamedTuple):
    name: str
    hundredths: int
    properties: Properties


class Setting(NamedTuple):
    """Where the people of a tenant live."""

    persona: Persona
    calendar: Calendar
    currency: str
    window: range  # local days
    trial: range  # those of the experiment


class Life:
    """The window of one person's life."""

    def __init__(self, person: Person, setting: Setting, rng: Random) -> None:
        self._person = person
        self._persona = setting.persona
        self._calendar = setting.calendar
        self._window = setting.window
        self._trial = setting.trial
        self._currency = setting.currency
        self._rng = rng
        self._due: dict[int, list[Due]] = defaultdict(list)
        self._exposed = False

    def bundles(self) -> Iterator[Bundle]:
        self._plan_subscription()
        for day in self._window:
            if self._person.present(day):
                yield from self._lived(day)
            for due in self._due.pop(day, ()):
                yield from self._billed(day, due)

    def _lived(self, day: int) -> Iterator[Bundle]:
        person, persona, rng = self._person, self._persona, self._rng
        if day == person.joined or rng.random() < CHANCES.campaign_a_day:
            yield self._alone(day, self._moment(day), Type.CAMPAIGN, "campaign_touched", self._campaign())
        weekday = persona.weekdays[(day + 3) % 7]  # 1970-01-01 was a Thursday
        rate = persona.sessions_per_day * person.engagement * weekday * person.appetite(day)
        sessions = min(_MOST_SESSIONS, max(poisson(rate, rng), int(day == person.joined)))
        free = self._calendar.start(day) + _QUIET
        for start in sorted(self._moment(day) for _ in range(sessions)):
            begin = max(start, free)
            if begin >= self._calendar.end(day) - _QUIET:
                return
            session = self._session(day, begin)
            yield session
            for event in session.events:
                if event.name == "order_placed":
                    yield self._paid_order(day, event)
            free = session.events[-1].at + _BETWEEN
        if sessions and rng.random() < CHANCES.service_event_a_day:
            name = rng.choice(persona.services)
            yield self._alone(
                day, self._moment(day), Type.SYSTEM, name, properties(name, person, person.vigour(day), rng)
            )

    def _session(self, day: int, begin: int) -> Bundle:
        person, persona, rng = self._person, self._persona, self._rng
        vigour = person.vigour(day)
        events: list[Intent] = []
        if day in self._trial and not self._exposed and person.user_id is not None:
            self._exposed = True
            told: Properties = {"experiment": persona.experiment, "variant": person.variant}
            events.append(Intent(begin, Type.EXPERIMENT, "experiment_exposed", person.source, told))
        treated = self._exposed and day in self._trial and person.variant == "B"
        share = persona.action_share * (1 + persona.effect * treated) * (0.7 + 0.3 * vigour)
        mean = (persona.steps_per_session - 1) * (0.4 + 0.6 * vigour) * math.sqrt(person.engagement)
        steps = min(_MOST_STEPS, 1 + poisson(mean, rng))
        at, latest = begin, self._calendar.end(day) - _QUIET
        low, high = persona.pause
        for _ in range(steps):
            name, kind = self._step(share, vigour)
            events.append(Intent(at, kind, name, person.source, properties(name, person, vigour, rng)))
            pause = rng.uniform(low, _LONGEST_PAUSE if rng.random() < CHANCES.long_pause else high)
            at += int(pause * SECOND)
            if at > latest:
                break
        uploaded = utc_day(events[-1].at + int(rng.uniform(2, 240) * SECOND))
        late = rng.random() < CHANCES.offline
        if late:  # counted from the first event, so that every event of the session is late, and 20 days at most
            uploaded = utc_day(events[0].at) + EARLIEST + 1 + int((LATEST - EARLIEST) * rng.random())
        return Bundle(uploaded, day, events, late)

    def _step(self, share: float, vigour: float) -> tuple[str, Type]:
        rng, persona = self._rng, self._persona
        chance = rng.random()
        if chance < share:
            return persona.action, Type.USER_ACTION
        if chance > 1 - CHANCES.ticket - CHANCES.ticket_of_the_leaving * (1 - vigour):
            return "support_ticket_opened", Type.USER_ACTION
        weights = [s.weight * (1 + 4 * (1 - vigour) * (s.name == persona.rejection)) for s in persona.steps]
        step = rng.choices(persona.steps, weights)[0]
        return step.name, step.type

    def _paid_order(self, day: int, order: Intent) -> Bundle:
        persona, rng = self._persona, self._rng
        hundredths = max(100, int(persona.order * price_level(self._currency) * rng.lognormvariate(0, 0.7)))
        paid = {**self._amount(hundredths), "order_id": order.properties["order_id"], "method": "card"}
        if rng.random() < CHANCES.order_refunded:
            self._due[day + 1 + int(9 * rng.random())].append(Due("payment_refunded", hundredths, paid))
        at = order.at + int(rng.uniform(5, 90) * SECOND)
        return self._alone(day, at, Type.TRANSACTION, "payment_succeeded", paid, hundredths)

    def _plan_subscription(self) -> None:
        person, rng = self._person, self._rng
        if person.subscribed is None or person.subscribed > person.left:
            return
        plan, method = person.plan, rng.choice(("card", "direct_debit", "wallet"))
        renewals = range(person.subscribed, min(person.left, self._window[-1]) + 1, _RENEWAL)
        for number, day in enumerate(day for day in renewals if day in self._window):
            if number == 1 and person.changes_plan:
                plan = self._persona.plan_after(plan)
            price = self._persona.prices[plan] * price_level(self._currency)
            told: Properties = {"plan": plan}
            paid = {**self._amount(price), **told, "method": method}
            first = day == person.subscribed
            due = [Due("subscription_started" if first else "subscription_renewed", 0, told)]
            if rng.random() < CHANCES.payment_failed:
                due.append(Due("payment_failed", 0, {**paid, "reason": "insufficient_funds"}))
            due.append(Due("payment_succeeded", price, paid))
            self._due[day].extend(due)
            if rng.random() < CHANCES.renewal_refunded:
                refund = Due("payment_refunded", price, {**paid, "reason": "goodwill"})
                self._due[day + 1 + int(6 * rng.random())].append(refund)
        self._due[person.left].append(Due("subscription_cancelled", 0, {"plan": plan}))

    def _billed(self, day: int, due: Due) -> Iterator[Bundle]:
        kind = Type.SUBSCRIPTION if due.name.startswith("subscription_") else Type.TRANSACTION
        yield self._alone(day, self._moment(day), kind, due.name, due.properties, due.hundredths)

    def _campaign(self) -> Properties:
        channel, cost = self._rng.choice(_CHANNELS)
        cost *= price_level(self._currency)
        return {"campaign": f"wave-{1 + int(6 * self._rng.random())}", "channel": channel, "cost": money(cost)}

    def _amount(self, hundredths: int) -> Properties:
        return {"amount": money(hundredths), "currency": self._currency}

    def _alone(self, day: int, at: int, kind: Type, name: str, told: Properties, hundredths: int = 0) -> Bundle:
        source = Channel.API if name == "api_called" else Channel.BACKEND
        return Bundle(utc_day(at), day, [Intent(at, kind, name, source, told, hundredths)])

    def _moment(self, day: int) -> int:
        """A time of this activity day, by the rhythm of the hours."""
        rng = self._rng
        hour = rng.choices(range(24), self._persona.hours)[0]
        at = self._calendar.start(day) + int(((hour - 4) % 24 + rng.random()) * 60) * MINUTE
        return min(at + int(MINUTE * rng.random()), self._calendar.end(day) - 1)


def poisson(mean: float, rng: Random) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
