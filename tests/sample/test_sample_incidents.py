"""Incidents: each changes what it says and is the same each time; where they strike; what they leave in the files."""

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from analytics_dagster.sample.faults import malformed
from analytics_dagster.sample.incidents import (
    AT_ONCE,
    BY_NAME,
    CATALOGUE,
    OF_PAYMENTS,
    QUIET_BEGIN,
    QUIET_BETWEEN,
    Injected,
    inject,
    read_incidents,
    schedule,
    sound,
    write_incidents,
)
from analytics_dagster.sample.lines import line
from analytics_dagster.sample.plan import SampleError
from analytics_dagster.sample.spoiling import Scene

DAY = date(2026, 3, 1)
DAYS = [DAY + timedelta(days=number) for number in range(60)]
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def event(number, name="track_play", kind="user_action", **properties):
    return {
        "metadata": {
            "event_id": f"e{number}",
            "tenant_id": "calm",
            "source": "mobile_app",
            "timestamp": (MIDNIGHT + timedelta(minutes=7 * number)).isoformat(),
            "user_id": f"u{number % 9}",
            "anonymous_id": f"d{number % 9}",
        },
        "event_type": kind,
        "event_name": name,
        "properties": properties,
    }


ORDINARY = [
    event(number, track_id="t")
    if number % 5
    else event(number, "payment_succeeded", "transaction", amount="9.99", currency="EUR")
    for number in range(200)
]


def spoilt(name, lines=ORDINARY):
    scene = Scene(DAY, "calm", "EUR", Random(name))  # noqa: S311 - reproducible
    return BY_NAME[name].strike(lines, scene)


def payments(lines):
    return [one for one in lines if one["event_name"].startswith("payment_")]


@pytest.mark.parametrize("name", BY_NAME)
def test_an_incident_changes_the_day_the_same_way_each_time_and_leaves_its_input_alone(name):
    before = json.dumps(ORDINARY)
    arrived = spoilt(name)
    assert json.dumps(ORDINARY) == before
    assert arrived != ORDINARY
    assert spoilt(name) == arrived


@pytest.mark.parametrize("name", sorted(OF_PAYMENTS))
def test_an_incident_of_payments_leaves_all_other_events_as_they_are(name):
    others = [one for one in ORDINARY if one not in payments(ORDINARY)]
    assert [one for one in spoilt(name) if one not in payments(spoilt(name))] == others
    assert spoilt(name, others) == others


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("volume_collapse", lambda day: len(day) == 17),
        ("export_replayed", lambda day: len({e["metadata"]["event_id"] for e in day}) == len(day) == 1_200),
        ("clock_ahead", lambda day: day[0]["metadata"]["timestamp"] == "2026-03-04T00:00:00.000Z"),
        ("old_backlog", lambda day: 100 < sum(e["metadata"]["timestamp"] < "2026-02-20" for e in day) < 200),
        ("ids_lost", lambda day: not any({"user_id", "anonymous_id"} & e["metadata"].keys() for e in day)),
        ("one_user_for_all", lambda day: {e["metadata"]["user_id"] for e in day} == {"guest"}),
        ("dates_only", lambda day: all("T00:00:00.000Z" in e["metadata"]["timestamp"] for e in day)),
        ("all_in_one_hour", lambda day: {e["metadata"]["timestamp"][:13] for e in day} == {"2026-03-01T07"}),
        ("stopped_in_the_morning", lambda day: 0 < len(day) < 100),
        ("lines_cut_off", lambda day: 90 < sum(isinstance(e, bytes) for e in day) < 150),
        ("sent_again", lambda day: set(Counter(e["metadata"]["event_id"] for e in day).values()) == {3}),
        ("payments_missing", lambda day: not payments(day)),
        ("payments_repeated", lambda day: len(payments(day)) == 120),
        ("refunds_storm", lambda day: Counter(e["event_name"] for e in day)["payment_refunded"] == 40),
        ("amounts_in_hundredths", lambda day: {e["properties"]["amount"] for e in payments(day)} == {"999.00"}),
        ("foreign_currency", lambda day: {e["properties"]["currency"] for e in payments(day)} == {"JPY"}),
    ],
)
def test_what_arrives_is_what_is_said(name, tells):
    assert not tells(ORDINARY)
    assert tells(spoilt(name))


def test_an_incident_of_a_kind_strikes_as_often_as_asked_where_there_is_room():
    tenants = [f"t{number}" for number in range(16)]
    paying = [(tenant, day) for tenant in tenants[:8] for day in DAYS if day.weekday() < 5]
    taken = [("t1", DAYS[40])]
    chosen = schedule(DAYS, tenants, paying, 1, each=2, taken=taken)
    assert Counter(one.incident for one in chosen) == dict.fromkeys(BY_NAME, 2)
    assert min(one.load_day for one in chosen) >= DAYS[QUIET_BEGIN]
    assert max(Counter(one.load_day for one in chosen).values()) <= AT_ONCE
    assert all((one.tenant_id, one.load_day) in paying for one in chosen if one.incident in OF_PAYMENTS)
    for tenant in tenants:
        struck = sorted(
            [one.load_day for one in chosen if one.tenant_id == tenant] + [d for t, d in taken if t == tenant]
        )
        assert all((later - day).days > QUIET_BETWEEN for day, later in pairwise(struck))
    assert chosen == schedule(DAYS, tenants, paying, 1, each=2, taken=taken)
    assert chosen != schedule(DAYS, tenants, paying, 2, each=2, taken=taken)


def test_without_room_it_is_said():
    with pytest.raises(SampleError, match="no room left"):
        schedule(DAYS[: QUIET_BEGIN + 1], ["calm"], [], 1)


def test_files_hold_the_spoilt_day_and_what_was_broken_before(tmp_path):
    folder = tmp_path / DAY.isoformat() / "calm"
    folder.mkdir(parents=True)
    torn = malformed(event(1), Random(1))  # noqa: S311 - reproducible
    lines = [line(one) for one in ORDINARY]
    (folder / "sample-0001.ndjson").write_bytes(b"".join(lines[:100]))
    (folder / "sample-0002.ndjson.gz").write_bytes(gzip.compress(b"".join([torn, *lines[100:]])))
    inject(tmp_path, [Injected(DAY, "calm", "dates_only")], {"calm": "EUR"}, 1)
    (file,) = folder.iterdir()
    arrived = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    assert [json.loads(one) for one in arrived if one != torn] == spoilt("dates_only")
    assert torn in arrived


def test_a_load_without_files_cannot_be_spoilt(tmp_path):
    with pytest.raises(SampleError, match="nothing to spoil"):
        inject(tmp_path, [Injected(DAY, "calm", "dates_only")], {"calm": "EUR"}, 1)


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"7", b'{"metadata": {"timestamp": 7}}', line({**event(1), "properties": 1})]
)
def test_a_line_that_breaks_the_contract_is_not_sound(raw):
    assert sound(raw) is None


def test_the_ledger_of_incidents_says_what_was_injected(tmp_path):
    injected = [Injected(DAYS[3], "b", "ids_lost"), Injected(DAYS[1], "a", "dates_only")]
    write_incidents(tmp_path, injected)
    assert read_incidents(tmp_path) == sorted(injected)


def test_the_catalogue_names_each_kind_once_with_words_and_measures():
    assert len(CATALOGUE) == len(BY_NAME) >= 16
    assert all(one.description.endswith(".") and one.measures for one in CATALOGUE)
