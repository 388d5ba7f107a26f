"""One tenant's window: person after person is lived, written down, spoilt here and there, and counted.

Every line that is written passes through `_put` and is booked beside it: the ledger cannot drift from
the files. What is generated is in `life`, what is counted in `truth`.
"""

from collections import defaultdict
from collections.abc import Callable
from itertools import cycle
from random import Random
from typing import NamedTuple

from analytics_dagster.sample.clock import DAY as DAY_LENGTH
from analytics_dagster.sample.clock import MINUTE, Calendar
from analytics_dagster.sample.faults import DRAWN, Fault, broken_release, malformed, renewed, wrong_type
from analytics_dagster.sample.intended import TESTER, Witness, intended
from analytics_dagster.sample.landing import Landing
from analytics_dagster.sample.life import ENGAGEMENT, Bundle, Intent, Life, Setting
from analytics_dagster.sample.lines import Wire, line, uuid, wire
from analytics_dagster.sample.people import Person, draw_person
from analytics_dagster.sample.personas import PERSONAS, price_level
from analytics_dagster.sample.truth import Books, TenantTruth
from analytics_dagster.sample.wording import Properties
from analytics_dagster.schemas import AnalyticsChannelType as Channel
from analytics_dagster.schemas import AnalyticsEventType as Type
from analytics_dagster.schemas import TenantConfiguration

BETWEEN_FAULTS = (35, 100)  # sound lines from one drawn fault to the next

_STORM = 24  # events that the broken release sends besides
_NAMED_EVERY = 20  # of its events, one still says who it was
_COLLECTED_EVERY = 7


class Loads(NamedTuple):
    """The loading days, as day numbers, and the load of this tenant that is to be held, if any."""

    first: int
    last: int
    held: int | None

    def serves(self, load_day: int) -> bool:
        """A held tenant stands still: what comes later waits for the load that is held."""
        return self.held is None or load_day < self.held


class _Sound(NamedTuple):
    """A line that is as it should be, and what it says."""

    event: Wire
    data: bytes
    intent: Intent
    person: Person
    bundle: Bundle


class TenantRun:
    def __init__(
        self,
        tenant: TenantConfiguration,
        seed: int,
        loads: Loads,
        landing: Landing,
        books: Books,
        others: list[str],
        witness: Witness | None = None,
    ) -> None:
        self._id = tenant.tenant_id
        self._seed = seed
        self._loads = loads
        self._landing = landing
        self._books = books
        self._others = others
        self._witness = witness
        self.persona = PERSONAS[tenant.kind]
        self._currency = tenant.currency
        # a day more on each side: elsewhere the loading days begin and end on another local date
        window = range(loads.first - 1, loads.last + 2)
        self._calendar = Calendar(tenant.time_zone, window[0] - 1, window[-1] + 1)
        self.trial = range(loads.first, loads.last + 1)[len(window) // 3 : len(window) * 5 // 6]
        self._setting = Setting(self.persona, self._calendar, tenant.currency, window, self.trial)
        self.truth = TenantTruth(self._calendar, self.persona, tenant.currency, tenant.custom_kpis)
        self._rng = Random(f"{seed}/{self._id}/faults")
        self._turns = cycle(DRAWN)
        for _ in range(self._rng.randrange(len(DRAWN))):
            next(self._turns)
        self._wrong_ways = self._rng.randrange(100)
        self._until_fault = 10
        self._in_broken_release = 0
        # copies wait for a sound line of their day to stand beside: so no two files are ever the same
        self._copies: dict[int, list[tuple[Fault, bytes]]] = defaultdict(list)

    def people(self, target: int, met: Callable[[Person], None]) -> int:
        """Lives lived until about `target` lines are booked in all; how many."""
        began, count = self._books.lines, 0
        while count == 0 or self._books.lines + (self._books.lines - began) / count / 2 < target:
            rng = Random(f"{self._seed}/{self._id}/{count}")
            person = draw_person(self.persona, count, self._loads.first, self._loads.last, rng)
            life = Life(person, self._setting, rng)
            for bundle in life.bundles():
                self._receive(person, bundle, rng)
            self.truth.person_done()
            met(person)
            count += 1
        return count

    def housekeeping(self, collector: Landing) -> None:
        """What belongs to nobody: weekly notes of a collector that serves all tenants, in files of its own."""
        for load_day in range(self._loads.first, self._loads.last + 1, _COLLECTED_EVERY):
            at = load_day * DAY_LENGTH + 300 * MINUTE
            day = next(d for d in (load_day, load_day - 1) if at >= self._calendar.start(d))
            # one id for all tenants: it is unique within a tenant and no further
            event_id = uuid(Random(f"{self._seed}/collector/{load_day}"))
            note = Intent(at, Type.SYSTEM, "export_finished", Channel.BACKEND, {"files": 1})
            self._books.accepted(load_day, self._id)
            if self._loads.serves(load_day):
                self.truth.served(Bundle(load_day, day, [note]))
                self._meant(note, None, event_id)
            collector.add(load_day, line(wire(note, self._id, None, event_id)))

    def broken_release(self) -> None:
        """Makes the load that is to be held grossly wrong at any size: the release also repeats itself."""
        load_day, rng = self._loads.held, self._rng
        if load_day is None:
            return
        price = price_level(self._currency) * max(self.persona.prices.values())
        paid: Properties = {"amount": f"{price}.00", "currency": self._currency}  # hundredths, read as whole ones
        for number in range(_STORM):
            at = load_day * DAY_LENGTH + (600 + number) * MINUTE + rng.randrange(MINUTE)
            intent = Intent(at, Type.PAGE_VIEW, "page_viewed", Channel.WEB_APP, {"path": "/home"})
            if number % 8 == 0:
                intent = Intent(at, Type.TRANSACTION, "payment_succeeded", Channel.BACKEND, paid)
            event = wire(intent, self._id, None, uuid(rng))
            self._books.accepted(load_day, self._id)
            self._put(load_day, line(event))

    def _receive(self, person: Person, bundle: Bundle, rng: Random) -> None:
        load_day = bundle.load_day
        if not self._loads.first <= load_day <= self._loads.last:
            return
        held, serves = load_day == self._loads.held, self._loads.serves(load_day)
        late = Fault.LATE if bundle.late else None
        self._books.accepted(load_day, self._id, len(bundle.events), late)
        if serves:
            self.truth.served(bundle)
        offset = self._calendar.offset(bundle.day)
        for intent in bundle.events:
            event_id = uuid(rng)
            event = wire(intent, self._id, person, event_id, offset)
            if held:
                event = self._broken(event, intent)
            elif serves:
                self._meant(intent, person, event_id)
            data = line(event)
            self._put(load_day, data)
            if not held and late is None:
                self._until_fault -= 1
                if self._until_fault <= 0:
                    self._strike(_Sound(event, data, intent, person, bundle))

    def _meant(self, intent: Intent, person: Person | None, event_id: str, *, is_test: bool = False) -> None:
        if self._witness is not None:
            self._witness(intended(self._id, event_id, intent, person, is_test=is_test))

    def _broken(self, event: Wire, intent: Intent) -> Wire:
        engaged = intent.type in ENGAGEMENT
        self._in_broken_release += engaged
        return broken_release(event, nameless=engaged and self._in_broken_release % _NAMED_EVERY != 0)

    def _put(self, load_day: int, data: bytes) -> None:
        copies = self._copies.pop(load_day, ())
        for fault, _ in copies:
            self._books.duplicate(load_day, self._id, fault)
        self._landing.add(load_day, data, *(copy for _, copy in copies))

    def _strike(self, sound: _Sound) -> None:
        self._until_fault = self._rng.randint(*BETWEEN_FAULTS)
        for _ in DRAWN:
            if self._spoil(next(self._turns), sound):
                return

    def _spoil(self, fault: Fault, sound: _Sound) -> bool:
        """Whether this fault can strike here and now; if so, it did."""
        rng, load_day = self._rng, sound.bundle.load_day
        if fault is Fault.DUPLICATE_SAME_DAY:
            self._copies[load_day].append((fault, sound.data))
            return True
        if fault is Fault.DUPLICATE_ACROSS_DAYS:
            again = load_day + rng.randint(1, 9)
            fits = again <= self._loads.last and again != self._loads.held
            if fits:
                self._copies[again].append((fault, sound.data))
            return fits
        if fault is Fault.TEST:
            self._books.accepted(load_day, self._id, fault=fault)
            event_id = uuid(rng)
            if self._loads.serves(load_day):
                self.truth.tested(sound.bundle, sound.intent.at)
                self._meant(sound.intent, sound.person, event_id, is_test=True)
            self._put(load_day, line(renewed(sound.event, event_id, user_id=TESTER, is_test=True)))
            return True
        return self._refused(fault, renewed(sound.event, uuid(rng)), load_day)

    def _refused(self, fault: Fault, event: Wire, load_day: int) -> bool:
        """A line that will be quarantined; it stands in the books of the tenant in whose folder it lies."""
        if fault is Fault.TENANT_MISMATCH and not self._others:
            return False
        if not self._books.can_bear(load_day, self._id):
            return False
        self._books.quarantined(load_day, self._id, fault)
        if fault is Fault.TENANT_MISMATCH:
            other = self._rng.choice(self._others)
            data = line(renewed(event, uuid(self._rng), tenant_id=other))
        elif fault is Fault.MALFORMED:
            data = malformed(event, self._rng)
        else:
            self._wrong_ways += 1
            data = wrong_type(event, self._wrong_ways)
        self._put(load_day, data)
        return True
