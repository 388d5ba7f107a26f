"""Absolute measures on a real PostgreSQL: each on a load with a known answer, and all against plain Python."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_dagster.quality import load_sql
from analytics_dagster.quality.measures import ABSOLUTE, MEASURES, READABLE_AMOUNT, RELATIVE, SHARES, events_of
from analytics_dagster.quality.profiling import Profile, profiles
from analytics_dagster.quality.sampling import SAMPLE, samples
from analytics_dagster.warehouse import connect

DAY = date(2026, 3, 1)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12, seconds=1)
DECLARED = ("track_play", "payment_succeeded", "payment_failed", "payment_refunded", "order_placed")
PAID = {"name": "payment_succeeded", "type": "transaction", "properties": {"amount": "10.00", "currency": "EUR"}}
REFUNDED = PAID | {"name": "payment_refunded"}
FAILED = PAID | {"name": "payment_failed"}
DOLLARS = {"properties": {"amount": 99, "currency": "USD"}}

_numbers = count()


@pytest.fixture(scope="module")
def database(server, template) -> Iterator[psycopg.Connection]:
    """One for all tests of this module; each takes its changes back."""
    name = sql.Identifier("test_of_profiles")
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template {}").format(name, sql.Identifier(template)))
    with connect(replace(server, database="test_of_profiles")) as connection:
        yield connection
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def raw(database) -> Iterator["Raw"]:
    with database.transaction(force_rollback=True):
        yield Raw(database)


class Raw:
    """Fills the raw tables as a load would."""

    def __init__(self, connection):
        self.connection = connection

    def tenant(self, tenant_id, status="active", currency="EUR"):
        self.connection.execute(
            "insert into tenancy.tenants (tenant_id, name, kind, tier, status, time_zone, currency, plan, region,"
            " configuration) values (%s, 'x', 'music', 'free', %s, 'Asia/Tokyo', %s, 'free', 'eu', '{}')"
            " on conflict do nothing",
            [tenant_id, status, currency],
        )

    def load(self, tenant_id, events=(), *, day=DAY, duplicate=0, quarantined=0):
        if tenant_id != "(unknown)":
            self.tenant(tenant_id)
        batch = self.connection.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'x', gen_random_uuid(), 1)"
            " returning batch_id",
            [day],
        ).fetchone()[0]
        accepted = len(events)
        self.connection.execute(
            "insert into raw.accounts values (%s, %s, %s, %s, %s, %s, %s)",
            [batch, tenant_id, day, accepted + duplicate + quarantined, accepted, duplicate, quarantined],
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into raw.events values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1)",
                [
                    (tenant_id, e["id"], e["type"], e["name"], e["source"], e["at"], e["user"], e["visitor"], e["test"],
                     Jsonb(e["properties"]), day, batch)
                    for e in map(event, events)
                ],
            )  # fmt: skip


def event(changes):
    return {
        "id": f"e{next(_numbers):06}",
        "name": "track_play",
        "type": "user_action",
        "source": "api",
        "at": NOON,
        "user": "u",
        "visitor": None,
        "test": False,
        "properties": {"track_id": "t"},
    } | changes


def at(**since_midnight):
    return {"at": MIDNIGHT + timedelta(**since_midnight)}


@pytest.mark.parametrize(
    ("measure", "events", "expected"),
    [
        ("accepted", [{}, {"test": True}], 2),
        ("received", [{}, {}], 2),
        ("identified_share", [{"user": None}, {}, {"user": None, "visitor": "v"}, {"type": "system"}], 2 / 3),
        ("future_share", [at(days=2), at(days=2, microseconds=-1)], 0.5),
        ("late_share", [at(days=-3), at(days=-3, microseconds=-1)], 0.5),
        ("hours_behind", [at(hours=18, minutes=30), at(hours=1), at(days=9)], 5.5),
        ("hours_behind", [at(hours=30)], 0),
        ("hours_behind", [at(days=9)], None),
        ("midnight_share", [at(), at(days=-1), at(microseconds=1), at(hours=1)], 0.5),
        ("busiest_hour_share", [at(hours=1), at(hours=1, minutes=59), at(hours=2), at(days=1, hours=1)], 0.5),
        ("bare_share", [{"properties": {}}, {"properties": {"": 1}}, {}, {"properties": {"a": {}}}], 0.25),
        ("test_share", [{"test": True}, {}, {}, {}], 0.25),
        ("undeclared_share", [{"name": "tarck_play"}, {}, {}, {"name": "x", "test": True}], 1 / 3),
        ("largest_source_share", [{"source": "web"}, {}, {}, {"name": "x"}], 0.75),
        ("users", [{}, {"user": "w"}, {"user": None, "visitor": "v"}, {"user": "z", "type": "system"}], 3),
        ("anonymous_share", [{"user": None, "visitor": "v"}, {"visitor": "v"}, {"user": None}, {}], 0.25),
        ("shared_visitor_share", [{"visitor": "v"}, {"visitor": "v", "user": "w"}, {"visitor": "x"}], 0.5),
        ("shared_visitor_share", [{"visitor": "v"}, {"visitor": "v"}, {"visitor": "v", "user": None}], 0),
        ("dominant_actor_share", [{}, {"type": "system"}, {"user": "w"}, {"user": None}], 0.5),
        ("events_per_user", [{}, {}, {}, {"user": "w"}, {"user": "w", "type": "system"}], 2),
        ("sessions", [at(), at(minutes=30), at(minutes=60), at(minutes=90, microseconds=1)], 2),
        ("sessions", [at(), {"user": "w"} | at(), at() | {"user": None}, at(hours=1) | {"type": "system"}], 2),
        ("events_per_session", [at(), at(), at(hours=1)], 1.5),
        ("single_event_share", [at(), at(hours=1), at(hours=1), at(hours=1, minutes=20), at(hours=2)], 2 / 3),
        ("long_session_share", [at(minutes=30 * n) for n in range(26)] + [at(hours=20)], 0.5),
        ("long_session_share", [at(minutes=30 * n) for n in range(25)] + [at(hours=20)], 0),
        ("zero_length_share", [at(), at(), at(), at(hours=1), at(hours=2), at(hours=2, seconds=1)], 1 / 3),
        ("payments", [PAID, REFUNDED, FAILED, {}, PAID | {"test": True}], 3),
        ("readable_amount_share", [PAID, PAID | {"properties": {"amount": "free"}}, FAILED | {"properties": {}}], 0.5),
        ("readable_amount_share", [PAID | {"properties": {"amount": 9.5}}], 1),
        ("nonpositive_amount_share", [PAID, REFUNDED, *[PAID | {"properties": {"amount": a}} for a in "0-"]], 1 / 3),
        ("nonpositive_amount_share", [PAID | {"properties": {"amount": "-3"}}, FAILED], 1),
        ("foreign_currency_share", [PAID, FAILED | DOLLARS, PAID | {"properties": {}}], 0.5),
        (
            "excess_precision_share",
            [PAID | {"properties": {"amount": a}} for a in ("1.12345", "1.12340", "1.1234", "x")],
            1 / 3,
        ),
        ("unattributed_share", [PAID, FAILED | {"user": None}, PAID | {"user": None, "visitor": "v"}], 1 / 3),
        ("repeated_payment_share", [PAID, PAID, PAID | at(hours=12), REFUNDED], 0.25),
        ("repeated_payment_share", [PAID | {"user": None}, PAID | {"user": None}, PAID, PAID | {"user": "w"}], 0),
        ("refund_share", [PAID, REFUNDED, FAILED, FAILED], 0.25),
        ("failed_share", [PAID, REFUNDED, FAILED, FAILED], 0.5),
        ("orphan_refund_share", [PAID, REFUNDED, REFUNDED | {"user": "w"}, REFUNDED | {"user": None}], 0.5),
        ("orphan_refund_share", [PAID | {"user": None, "visitor": "v"}, REFUNDED | {"visitor": "v"}], 0),
        ("orphan_refund_share", [FAILED, PAID | {"test": True}, REFUNDED], 1),
        ("revenue", [PAID, PAID, REFUNDED, FAILED], 10),
        ("median_amount", [PAID, PAID | {"properties": {"amount": "13"}}, REFUNDED, FAILED], 11.5),
        ("largest_amount", [PAID, REFUNDED | {"properties": {"amount": "13"}}, FAILED | DOLLARS], 13),
    ],
)  # fmt: skip
def test_a_measure_says_what_it_means(raw, measure, events, expected):
    raw.load("one", events)
    raw.load("two", [{}])  # in the same load
    [profile] = profiles(raw.connection, [DAY], ["one"], declared=DECLARED)
    assert profile.measures[measure] == (None if expected is None else pytest.approx(expected))


def test_books_of_several_files_are_added_and_tell_a_changed_load(raw):
    raw.load("one", [{}, {}], duplicate=1, quarantined=1)
    [before] = profiles(raw.connection, [DAY])
    raw.load("one", [], duplicate=4)
    [after] = profiles(raw.connection, [DAY])
    assert (before.content, after.content) == ("4/2/1/1", "8/2/5/1")
    assert [after.measures[name] for name in ("received", "accepted", "quarantined")] == [8, 2, 1]
    assert [after.measures[name] for name in ("duplicate_share", "quarantined_share")] == [5 / 8, 1 / 8]


def test_a_load_without_an_accepted_event_has_a_profile_of_nothing(raw):
    raw.load("empty", quarantined=3)
    raw.load("tests-only", [{"test": True}])
    empty, tests_only = profiles(raw.connection, [DAY], declared=DECLARED)
    for profile in (empty, tests_only):
        zeros = {"users", "sessions", "payments", "revenue"}
        own = {name for name in ABSOLUTE if MEASURES[name].suite == "raw_events" and profile.measures[name] is not None}
        assert {name for name in zeros if profile.measures[name] == 0} == zeros
        assert own == {"received", "accepted", "quarantined", "duplicate_share", "quarantined_share"} | (
            {"test_share"} if profile is tests_only else set()
        )
        assert profile.mix == {}
    assert tests_only.measures["test_share"] == 1


def test_only_registered_tenants_that_sent_something_have_a_load(raw):
    raw.tenant("gone", status="offboarded")
    raw.tenant("silent")
    raw.load("gone", [{}])
    raw.load("here", [{}])
    raw.load("here", [{}], day=DAY + timedelta(days=1))
    raw.load("nothing")
    raw.load("(unknown)", quarantined=5)
    days = [DAY + timedelta(days=1), DAY]
    assert [(p.load_day, p.tenant_id) for p in profiles(raw.connection, days)] == [(day, "here") for day in days[::-1]]
    assert profiles(raw.connection, days, ["gone", "silent"]) == []
    assert profiles(raw.connection, []) == []


def test_nothing_declared_is_nothing_undeclared(raw):
    raw.load("one", [{}])
    [profile] = profiles(raw.connection, [DAY])
    assert profile.measures["undeclared_share"] is None


def test_a_refund_is_no_orphan_where_an_earlier_load_has_the_payment_and_stays_one_where_a_later_has(raw):
    for paid, tenant in ((DAY - timedelta(days=300), "before"), (DAY + timedelta(days=1), "after")):
        raw.load(tenant, [PAID], day=paid)
        raw.load(tenant, [REFUNDED])
    shares = {p.tenant_id: p.measures["orphan_refund_share"] for p in profiles(raw.connection, [DAY])}
    assert shares == {"before": 0, "after": 1}


def test_rare_names_of_a_load_with_very_many_are_counted_together(raw):
    names = [{"name": f"n{n:03}"} for n in range(load_sql.MIX_NAMES + 3)]
    raw.load("one", [*names, {"name": "n202"}])
    [profile] = profiles(raw.connection, [DAY])
    assert len(profile.mix) == load_sql.MIX_NAMES + 1
    assert profile.mix["n202"] == 2
    assert profile.mix[load_sql.OTHER_NAMES] == 3
    assert sum(profile.mix.values()) == len(names) + 1


def some_load(rng: Random, day: date) -> list[dict]:
    """Any events, crowded enough that everything that is counted happens."""
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    actors = [None, *(f"a{n}" for n in range(rng.choice((2, 6))))]
    events = []
    for _ in range(rng.randrange(5, 120)):
        name = rng.choice(("track_play", "page_viewed", "payment_succeeded", "payment_refunded", "payment_failed"))
        properties = {}
        if rng.random() < 0.9:
            properties["amount"] = rng.choice(("9.99", "0", "-1", "free", "1.123456", 12, 7.25, "1.10000", None))
        if rng.random() < 0.7:
            properties["currency"] = rng.choice(("EUR", "USD"))
        when = rng.choice((0, 600 * rng.randrange(144), 1800 * rng.randrange(-200, 200), 86400 * rng.random()))
        events.append(event({
            "name": name,
            "type": {"track_play": "user_action", "page_viewed": "page_view"}.get(name, "transaction"),
            "source": rng.choice(("api", "web")),
            "at": midnight + timedelta(seconds=round(when, 3)),
            "user": rng.choice(actors),
            "visitor": rng.choice(actors),
            "test": rng.random() < 0.1,
            "properties": properties,
        }))  # fmt: skip
    return events


def naive(  # noqa: C901 - every measure in one place, to be read beside the SQL
    day: date, received: int, events: list[dict], earlier: list[dict]
) -> dict[str, float | None]:
    """All that a load is measured by, one event after the other."""
    start = datetime.combine(day, datetime.min.time(), UTC)
    kept = [e for e in events if not e["test"]]
    engagement = [e for e in kept if e["type"] in ("user_action", "page_view")]
    payments = [e for e in kept if e["name"].startswith("payment_")]
    money = [e for e in payments if e["name"] != "payment_failed"]

    def share(part, whole):
        return part / whole if whole else None

    def of(rows, condition):
        return share(sum(map(bool, map(condition, rows))), len(rows))

    def actor(e):
        return e["user"] or e["visitor"]

    def amount(e):
        text = e["properties"].get("amount")
        try:
            return None if text is None else Decimal(str(text))
        except ArithmeticError:
            return None

    by_actor, users_of, sessions = defaultdict(list), defaultdict(set), []
    for e in sorted(engagement, key=lambda e: e["at"]):
        if actor(e):
            by_actor[actor(e)].append(e["at"])
    for times in by_actor.values():
        sessions.append([times[0]])
        for before, after in pairwise(times):
            if after - before > timedelta(minutes=30):
                sessions.append([])
            sessions[-1].append(after)
    for e in kept:
        if e["visitor"]:
            users_of[e["visitor"]] |= {e["user"]} - {None}
    with_amount = [e for e in money if amount(e) is not None]
    seen = Counter((actor(e), e["name"], amount(e), e["at"].replace(microsecond=0)) for e in payments)
    repeats = sum(n - 1 for (who, _, how_much, _), n in seen.items() if who and how_much is not None)
    payers = {actor(e) for e in [*earlier, *kept] if e["name"] == "payment_succeeded" and not e["test"]} - {None}
    refunds = [e for e in payments if e["name"] == "payment_refunded" and actor(e)]
    acts = Counter(actor(e) for e in kept if actor(e))
    paid = [float(amount(e)) for e in with_amount if e["name"] == "payment_succeeded"]
    known = [e["at"] for e in kept if e["at"] < start + timedelta(days=2)]
    end = start + timedelta(days=1)
    return {
        "received": received,
        "accepted": len(events),
        "quarantined": 0,
        "duplicate_share": (received - len(events)) / received,
        "quarantined_share": 0,
        "identified_share": of(engagement, actor),
        "future_share": of(kept, lambda e: e["at"] >= start + timedelta(days=2)),
        "late_share": of(kept, lambda e: e["at"] < start - timedelta(days=3)),
        "hours_behind": max((end - max(known)).total_seconds() / 3600, 0) if known else None,
        "midnight_share": of(kept, lambda e: e["at"] == e["at"].replace(hour=0, minute=0, second=0, microsecond=0)),
        "busiest_hour_share": share(
            max(Counter(e["at"].replace(minute=0, second=0, microsecond=0) for e in kept).values(), default=0),
            len(kept),
        ),
        "bare_share": of(kept, lambda e: e["properties"] == {}),
        "test_share": of(events, lambda e: e["test"]),
        "undeclared_share": of(kept, lambda e: e["name"] not in DECLARED),
        "largest_source_share": share(max(Counter(e["source"] for e in kept).values(), default=0), len(kept)),
        "users": len(by_actor),
        "anonymous_share": of(engagement, lambda e: e["visitor"] and not e["user"]),
        "shared_visitor_share": of(list(users_of.values()), lambda users: len(users) > 1),
        "dominant_actor_share": share(max(acts.values(), default=0), len(kept)) if acts else None,
        "events_per_user": share(sum(map(len, by_actor.values())), len(by_actor)),
        "sessions": len(sessions),
        "events_per_session": share(sum(map(len, sessions)), len(sessions)),
        "single_event_share": of(sessions, lambda s: len(s) == 1),
        "long_session_share": of(sessions, lambda s: s[-1] - s[0] > timedelta(hours=12)),
        "zero_length_share": of(sessions, lambda s: len(s) > 1 and s[-1] == s[0]),
        "payments": len(payments),
        "readable_amount_share": share(len(with_amount), len(money)),
        "nonpositive_amount_share": of(with_amount, lambda e: amount(e) <= 0),
        "foreign_currency_share": of(
            [e for e in payments if "currency" in e["properties"]], lambda e: e["properties"]["currency"] != "EUR"
        ),
        "excess_precision_share": of(with_amount, lambda e: amount(e) != round(amount(e), 4)),
        "unattributed_share": of(payments, lambda e: not actor(e)),
        "repeated_payment_share": share(repeats, len(payments)),
        "refund_share": of(payments, lambda e: e["name"] == "payment_refunded"),
        "failed_share": of(payments, lambda e: e["name"] == "payment_failed"),
        "orphan_refund_share": of(refunds, lambda e: not payers & {e["user"], e["visitor"]}),
        "revenue": float(sum(amount(e) * (1 if e["name"] == "payment_succeeded" else -1) for e in with_amount)),
        "median_amount": statistics.median(paid) if paid else None,
        "largest_amount": max((float(amount(e)) for e in with_amount), default=None),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_all_measures_agree_with_plain_python(raw, seed):
    rng = Random(seed)  # noqa: S311 - any events, not a secret
    expected: dict[tuple[date, str], Profile] = {}
    for tenant in ("one", "two", "three"):
        earlier: list[dict] = []
        for day in (DAY, DAY + timedelta(days=1)):
            events, duplicate = some_load(rng, day), rng.randrange(3)
            raw.load(tenant, events, day=day, duplicate=duplicate)
            received = len(events) + duplicate
            measures = naive(day, received, events, earlier)
            mix = Counter(e["name"] for e in events if not e["test"])
            content = f"{received}/{len(events)}/{duplicate}/0"
            measures["duplicate_share"] = duplicate / received
            expected[day, tenant] = Profile(day, tenant, content, measures, dict(mix))
            earlier += events
    found = profiles(raw.connection, [DAY, DAY + timedelta(days=1)], declared=DECLARED)
    assert [(p.load_day, p.tenant_id) for p in found] == sorted(expected)
    for profile in found:
        oracle = expected[profile.load_day, profile.tenant_id]
        assert profile.content == oracle.content
        assert profile.mix == oracle.mix
        assert set(profile.measures) == set(oracle.measures)
        for name, value in oracle.measures.items():
            assert profile.measures[name] == (None if value is None else pytest.approx(value)), name


def test_the_number_of_statements_does_not_grow_with_loads(raw, monkeypatch):
    asked = []
    execute = psycopg.Connection.execute
    monkeypatch.setattr(psycopg.Connection, "execute", lambda *args, **more: asked.append(1) or execute(*args, **more))
    for tenants in (1, 5):
        for number in range(tenants):
            raw.load(f"t{number}", [{}])
        asked.clear()
        assert len(profiles(raw.connection, [DAY])) == tenants
        assert len(asked) == 2


# --- samples


def test_a_sample_names_the_faulty_events_of_each_load(raw):
    raw.load("one", [{"id": f"f{n}", **at(days=5)} for n in (7, 3, 1, 5, 9, 8, 2)] + [{"id": "a"}])
    nobody = {"user": None}
    raw.load(
        "two", [{"id": "b", **at(days=5)}, {"id": "c"} | nobody, {"id": "d"}, {"id": "e", "type": "system"} | nobody]
    )
    raw.load("three", [{"id": "x", **at(days=5)}])
    failures = [(DAY, "one", "future_share"), (DAY, "two", "future_share"), (DAY, "two", "identified_share")]
    found = samples(raw.connection, failures)
    assert found == {
        failures[0]: ("f1", "f2", "f3", "f5", "f7"),
        failures[1]: ("b",),
        failures[2]: ("c",),  # a wanted share: the others
    }
    assert len(found[failures[0]]) == SAMPLE


def test_a_load_has_only_its_own_sample(raw):
    later = DAY + timedelta(days=1)
    raw.load("one", [{"id": "a", "test": True}])
    raw.load("one", [{"id": "b", "test": True}], day=later)
    raw.load("two", [{"id": "c", "test": True}])
    raw.load("two", [{"id": "d", "test": True}], day=later)
    failures = {(DAY, "one", "test_share"), (later, "two", "test_share")}
    assert sorted(samples(raw.connection, failures).values()) == [("a",), ("d",)]


def test_measures_that_are_no_shares_of_events_have_no_sample(raw):
    raw.load("one", [{}, PAID])
    without = [name for name in MEASURES if events_of(name) is None]
    assert {"received", "volume_ratio", "mix_shift", "sessions", "median_amount"} < set(without)
    assert samples(raw.connection, [(DAY, "one", name) for name in [*without, "moon_phase"]]) == {}


def test_what_compares_a_share_shows_the_events_of_that_share(raw):
    raw.load("one", [{"id": "old", **at(days=-9)}, {}])
    assert samples(raw.connection, [(DAY, "one", "late_ratio")]) == {(DAY, "one", "late_ratio"): ("old",)}


@pytest.mark.parametrize("seed", range(4))
def test_there_are_as_many_faulty_events_as_the_share_says(raw, seed):
    raw.load("one", some_load(Random(seed), DAY))  # noqa: S311 - as above
    [profile] = profiles(raw.connection, [DAY], declared=DECLARED)
    found = samples(raw.connection, [(DAY, "one", name) for name in SHARES], declared=DECLARED)
    for name, share in SHARES.items():
        value = profile.measures[name]
        faulty = value is not None and not math.isclose(value, 1 if share.wanted else 0)
        assert ((DAY, "one", name) in found) == faulty, name


# --- the registry


def test_every_measure_of_a_suite_is_said_in_words_and_named_once():
    assert len(MEASURES) == len(ABSOLUTE) + len(RELATIVE)
    assert not set(ABSOLUTE) & set(RELATIVE)
    words = Counter(measure.says for measure in MEASURES.values())
    assert [says for says, times in words.items() if times > 1] == []


def test_the_gate_and_dbt_read_the_same_amounts():
    macro = Path(__file__).parents[2] / "dbt_project" / "macros" / "definitions.sql"
    assert f"~ '{READABLE_AMOUNT}'" in macro.read_text()
