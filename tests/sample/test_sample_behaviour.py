"""What the sample is for: people who show that they will leave, a day's rhythm, an effect to be found."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_naive import Recomputed, actor, engaged

from analytics_dagster.sample.clock import Calendar, as_date, day_number, iso, utc_day
from analytics_dagster.sample.faults import WRONG_WAYS, malformed, wrong_type
from analytics_dagster.sample.life import ENGAGEMENT, Life, Setting, poisson
from analytics_dagster.sample.lines import line, uuid
from analytics_dagster.sample.people import draw_person
from analytics_dagster.sample.personas import PERSONAS
from analytics_dagster.sample.wording import money
from analytics_dagster.schemas import AnalyticsEvent, TenantConfiguration, TenantKind

Acts = dict[tuple[str, str], list[tuple[date, AnalyticsEvent]]]


@pytest.fixture(scope="module")
def found(small) -> Recomputed:
    return small.found


@pytest.fixture(scope="module")
def acts(found: Recomputed) -> Acts:
    """Everybody's engagement."""
    told: Acts = defaultdict(list)
    for tenant_id, events in found.served.items():
        for _, event in events:
            if engaged(event) and (who := actor(event)) is not None:
                told[tenant_id, who].append((event.metadata.timestamp.date(), event))
    return told


@pytest.mark.parametrize("kind", TenantKind)
def test_whoever_leaves_shows_it_before(kind: TenantKind) -> None:
    """In their last two weeks against three weeks before: seen in many lives, without writing them down."""
    persona, window = PERSONAS[kind], range(20_300, 20_390)
    calendar = Calendar("Europe/Berlin", window[0] - 1, window[-1] + 1)
    near, far = Counter[str](), Counter[str]()
    for index in range(700):
        rng = Random(f"{kind}/{index}")  # noqa: S311  (the simulator draws from the same)
        person = draw_person(persona, index, window[0], window[-1], rng)
        if person.left > window[-1] or person.left - max(person.joined, window[0]) < 42:
            continue
        for bundle in Life(person, Setting(persona, calendar, "EUR", window, window), rng).bundles():
            weeks = (person.left - bundle.day) // 7
            seen = near if weeks < 2 else far if 4 <= weeks < 6 else None
            engagement = [event for event in bundle.events if event.type in ENGAGEMENT]
            if seen is not None and engagement:
                seen["sessions"] += 1
                seen["events"] += len(engagement)
                seen["rejections"] += sum(event.name == persona.rejection for event in engagement)
                seen["tickets"] += sum(event.name == "support_ticket_opened" for event in engagement)
    assert near["sessions"] < 0.75 * far["sessions"]
    assert near["events"] / near["sessions"] < 0.95 * far["events"] / far["sessions"]
    assert near["rejections"] / near["events"] > 1.2 * far["rejections"] / far["events"]
    assert near["tickets"] / near["events"] > 2 * far["tickets"] / far["events"]
    # and some give no sign at all: what is to come cannot be known
    assert near["sessions"] > 0.2 * far["sessions"]


def test_leaving_can_be_learnt_and_not_known(small, acts: Acts) -> None:
    """The area under the curve of one crude feature; a model with all of them reaches 0.8 to 0.85."""
    cut, horizon, recent = small.plan.last_day - timedelta(days=21), timedelta(days=21), timedelta(days=14)
    gone, stayed = [], []
    for events in acts.values():
        days = {day for day, _ in events}
        seen = sum(cut - recent < day <= cut for day in days)
        if seen:
            silent = not any(cut < day <= cut + horizon for day in days)
            (gone if silent else stayed).append(seen)
    assert len(gone) > 15
    wins = sum((a < b) + (a == b) / 2 for a in gone for b in stayed)
    assert 0.62 < wins / (len(gone) * len(stayed)) < 0.92


def test_the_experiment_has_its_effect(small, found: Recomputed, tenants: Sequence[TenantConfiguration]) -> None:
    """All tenants together: alone each is too small to see it at this size."""
    excess = []
    for experiment in small.ledger.experiments:
        counts = {"A": Counter[str](), "B": Counter[str]()}
        since: dict[str, tuple[str, datetime]] = {}
        for _, event in sorted(found.served[experiment.tenant_id], key=lambda e: e[1].metadata.timestamp):
            who = actor(event)
            if event.event_name == "experiment_exposed":
                since[who] = (event.properties["variant"], event.metadata.timestamp)
            elif engaged(event) and who in since and event.metadata.timestamp.date() <= experiment.last_day:
                counts[since[who][0]]["steps"] += 1
                counts[since[who][0]]["actions"] += event.event_name == experiment.action
        if experiment.tenant_id == "tonewave":
            a, b = (counts[v]["actions"] / counts[v]["steps"] for v in "AB")
            excess.append(b / a - 1)
            assert experiment.effect == 0.15
            assert experiment.action == "track_play"
    assert excess == [pytest.approx(0.15, abs=0.1)]
    assert len(small.ledger.experiments) == len(tenants)


def test_offices_rest_and_night_owls_play(found: Recomputed) -> None:
    weekdays, hours = Counter[int](), Counter[int]()
    for _, event in found.served["ledgerly"]:
        weekdays[event.metadata.timestamp.astimezone(ZoneInfo("America/New_York")).weekday()] += engaged(event)
    for _, event in found.served["tonewave"]:
        hours[event.metadata.timestamp.astimezone(ZoneInfo("Europe/Berlin")).hour] += engaged(event)
    assert weekdays[5] + weekdays[6] < weekdays[1]
    assert hours[4] + hours[5] < hours[21] / 2


@given(
    zone=st.sampled_from(["Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    second=st.integers(0, 730 * 86_400),
)
def test_calendar_agrees_with_the_wall_clock(zone: str, second: int) -> None:
    """Every moment of two years lies in the activity day, and on the local date, that its wall clock says."""
    first = day_number(date(2025, 1, 1))
    calendar = Calendar(zone, first - 2, first + 733)
    at = first * 86_400_000 + second * 1000 + 7
    wall = datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).replace(tzinfo=None)
    day = day_number((wall - timedelta(hours=4)).date())
    assert calendar.start(day) <= at < calendar.end(day)
    assert as_date(calendar.local_day(day, at)) == wall.date()
    moment = datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=7000)
    assert datetime.fromisoformat(iso(at)) == datetime.fromisoformat(iso(at, calendar.offset(day))) == moment
    assert as_date(utc_day(at)) == moment.date()


@given(st.integers(0, 10**12))
def test_money_is_written_with_two_decimals(hundredths: int) -> None:
    whole, _, part = money(hundredths).partition(".")
    assert (int(whole) * 100 + int(part), len(part)) == (hundredths, 2)


def test_every_spoilt_line_breaks_the_contract() -> None:
    rng = Random(1)  # noqa: S311  (the simulator draws from the same)
    sound = {
        "metadata": {"event_id": uuid(rng), "tenant_id": "a", "source": "api", "timestamp": "2025-01-01T00:00:00Z"},
        "event_type": "system",
        "event_name": "x",
        "properties": {},
    }  # fmt: skip
    AnalyticsEvent.model_validate_json(line(sound))
    lines = [wrong_type(sound, way) for way in range(WRONG_WAYS)] + [malformed(sound, rng) for _ in range(50)]
    assert len(set(lines[:WRONG_WAYS])) == WRONG_WAYS
    for spoilt in lines:
        assert spoilt.endswith(b"\n")
        assert spoilt.count(b"\n") == 1
        with pytest.raises(ValueError, match="validation error"):
            AnalyticsEvent.model_validate_json(spoilt)


def test_poisson_has_its_mean() -> None:
    rng = Random(3)  # noqa: S311  (the simulator draws from the same)
    assert sum(poisson(2.5, rng) for _ in range(4000)) / 4000 == pytest.approx(2.5, rel=0.05)
