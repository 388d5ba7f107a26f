"""Replaying on a real warehouse: what is fixed moves into its old place, once, and the books balance all the way."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_samples import DAY, empty_raw, event, lines, tenant

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.books import Book, books
from analytics_dagster.ingest.loading import LOCK, load_day
from analytics_dagster.ingest.quarantine import (
    OPEN,
    Choice,
    Edit,
    ReplayReport,
    discard,
    entry,
    release_tenant,
    replay,
    replaying,
)
from analytics_dagster.registration import register_files
from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import WarehouseUrl, connect

Land = Callable[..., Path]
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def loaded(warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path) -> Callable[..., None]:
    """Lands lines as one file, and loads its day."""
    del tenants

    def load(*written: Any, tenant: str | None = "acme", name: str | None = None, day: Any = DAY) -> None:
        land(lines(*written), name, tenant=tenant, day=day)
        load_day(warehouse, landing, day)

    return load


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def statuses(connection: psycopg.Connection) -> dict[int, str]:
    return dict(connection.execute("select entry_id, status from raw.quarantine").fetchall())


def balanced(connection: psycopg.Connection, *days: Any) -> list[Book]:
    found = books(connection, list(days or [DAY]))
    assert all(book.balances for book in found), found
    assert all(book.received > 0 for book in found), "an account of nothing is none"
    return found


def corrected(connection: psycopg.Connection, entry_id: int, *, line: Any) -> dict[int, Edit]:
    ((file, number),) = connection.execute(
        "select path, line_number from raw.quarantine join raw.batches using (batch_id) where entry_id = %s", [entry_id]
    ).fetchall()
    return {entry_id: Edit(file, number, line if isinstance(line, bytes) else json.dumps(line).encode(), "export")}


def fix(connection: psycopg.Connection, entry_id: int, line: Any) -> ReplayReport:
    edits = corrected(connection, entry_id, line=line)
    return replay(connection, Choice(entry_ids=(entry_id,)), actor="ann", edits=edits)


def test_a_corrected_line_becomes_an_event_in_its_old_place(tenants, loaded):
    loaded(event("a"), b"{bad", event("b"))
    assert balanced(tenants) == [Book("acme", 3, 2, 0, 1, 2, 1)]
    report = fix(tenants, 1, event("c", user_id="u9"))
    assert report == ReplayReport(accepted=1, load_days=(DAY,))
    assert balanced(tenants) == [Book("acme", 3, 3, 0, 0, 3, 0)]
    assert rows(tenants, "select event_id, user_id, batch_id, line_number, load_day from raw.events order by 4") == [
        ("a", "u1", 1, 1, DAY),
        ("c", "u9", 1, 2, DAY),
        ("b", "u1", 1, 3, DAY),
    ]
    found, (history,) = entry(tenants, 1)
    assert (found.status, found.original) == ("replayed", json.dumps(event("c", user_id="u9")).encode())
    assert (history.actor, history.action, history.original_before) == ("ann", "replay", b"{bad")
    assert history.detail["outcome"] == "accepted"
    assert history.detail["reasons_before"][0]["rule"] == "json_invalid"
    assert rows(tenants, "select load_day, accepted, duplicate, actor from raw.replays") == [(DAY, 1, 0, "ann")]


def test_a_replayed_event_is_the_one_that_a_load_would_have_written(tenants, loaded):
    """A tenant that came late, and one that was there: the same lines give the same rows."""
    odd = event("odd", is_test=True, anonymous_id="ä\u2028x")
    odd["properties"] = {"track_id": "7", "n": [1.50, 10**25, {"k": None}]}
    bare = {key: value for key, value in event("bare").items() if key != "properties"} | {"event_name": "bare"}
    del bare["metadata"]["user_id"]

    def of(tenant_id: str) -> list[dict[str, Any]]:
        return [dict(line, metadata=line["metadata"] | {"tenant_id": tenant_id}) for line in (odd, bare, event("x"))]

    loaded(*of("acme"), *of("late"), tenant=None)
    assert register_files(tenants, [tenant("late")]).released["late"].accepted == 3
    columns = "event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test, properties::text"
    acme, late = (
        rows(tenants, f"select {columns} from raw.events where tenant_id = '{who}' order by 1")
        for who in ("acme", "late")
    )
    assert acme == late
    assert len(acme) == 3


def test_what_is_still_wrong_stays_open_with_todays_reasons(tenants, loaded):
    loaded(b"{bad", b"{worse")
    report = fix(tenants, 1, event("x") | {"event_name": "No Name"})
    assert (report.refused, report.stay_open, report.load_days) == (1, 1, ())
    assert list(report.reasons) == [("string_pattern_mismatch", "event_name")]
    found, (history,) = entry(tenants, 1)
    assert (found.status, found.reasons[0]["field"]) == ("open", "event_name")
    assert (history.detail["outcome"], history.original_before) == ("refused", b"{bad")
    assert balanced(tenants) == [Book("acme", 2, 0, 0, 2, 0, 2)]
    # as it is, nothing changed: nothing is written
    assert replay(tenants, OPEN, actor="ann").refused == 2
    assert rows(tenants, "select count(*) from raw.quarantine_history") == [(1,)]
    assert rows(tenants, "select count(*) from raw.replays") == [(0,)]
    # and the next correction begins from the last one
    assert fix(tenants, 1, event("x")).accepted == 1
    first, second = entry(tenants, 1)[1]
    assert first.original_before == b"{bad"
    assert b"No Name" in second.original_before


def test_known_ids_are_duplicates_or_conflicts(tenants, loaded):
    loaded(event("known"), b"1", b"2", b"3", b"4", b"5")
    again = {**corrected(tenants, 1, line=event("known")), **corrected(tenants, 2, line=event("known", user_id="u2"))}
    # the same id three times in one replay: the first wins, in the order of the lines
    again |= corrected(tenants, 5, line=event("new", user_id="u2"))
    again |= corrected(tenants, 3, line=event("new")) | corrected(tenants, 4, line=event("new"))
    report = replay(tenants, Choice(entry_ids=tuple(again)), actor="ann", edits=again)
    assert (report.accepted, report.duplicate, report.conflicting, report.refused) == (1, 2, 2, 0)
    assert report.reasons == {("conflicting_duplicate", "metadata.event_id"): 2}
    assert statuses(tenants) == {1: "replayed", 2: "open", 3: "replayed", 4: "replayed", 5: "open"}
    assert entry(tenants, 2)[0].reasons[0]["value"] == '"known"'
    assert rows(tenants, "select event_id, user_id, line_number from raw.events order by line_number") == [
        ("known", "u1", 1),
        ("new", "u1", 4),
    ]
    assert balanced(tenants) == [Book("acme", 6, 2, 2, 2, 2, 2)]
    # it is refused for the same reason again, which is no change
    assert replay(tenants, OPEN, actor="ann").conflicting == 2
    assert rows(tenants, "select count(*) from raw.quarantine_history where entry_id = 2") == [(1,)]
    assert fix(tenants, 2, event("other")).accepted == 1
    assert balanced(tenants) == [Book("acme", 6, 3, 2, 1, 3, 1)]


def test_the_transport_is_believed_again(tenants, loaded):
    loaded(event("a", "zeta"))
    assert replay(tenants, OPEN, actor="ann").refused == 1, "its folder is still acme's"
    assert list(replay(tenants, OPEN, actor="ann").reasons) == [("tenant_mismatch", "metadata.tenant_id")]
    loaded(event("a", "nobody"), tenant=None, name="mixed.ndjson")
    assert fix(tenants, 2, event("a", "zeta")).accepted == 1, "lines of this file may be anybody's"
    assert balanced(tenants) == [Book("acme", 1, 0, 0, 1, 0, 1), Book("zeta", 1, 1, 0, 0, 1, 0)]


def test_replaying_twice_is_replaying_once(tenants, loaded):
    loaded(b"{bad")
    assert fix(tenants, 1, event("a")).accepted == 1
    assert fix(tenants, 1, event("b")) == ReplayReport(replayed_before=1)
    assert replay(tenants, OPEN, actor="ann") == ReplayReport()
    assert rows(tenants, "select event_id from raw.events") == [("a",)]
    assert rows(tenants, "select count(*) from raw.replays") == [(1,)]


def test_a_replayed_event_is_known_to_the_next_load(tenants, loaded):
    loaded(b"{bad")
    fix(tenants, 1, event("a"))
    loaded(event("a"), day=NEXT)
    assert balanced(tenants, NEXT) == [Book("acme", 1, 0, 1, 0, 0, 0)]


def test_what_is_named_must_be_there_and_about_a_line(tenants, loaded, landing, warehouse):
    loaded(b"{bad", b"{worse")
    (landing / str(DAY) / "acme" / "empty.ndjson").write_bytes(b"")
    load_day(warehouse, landing, DAY)
    with pytest.raises(AnalyticsError, match="the quarantine has no entries 98, 99"):
        replay(tenants, Choice(entry_ids=(99, 1, 98)), actor="ann")
    with pytest.raises(AnalyticsError, match="entry 3 cannot be replayed: about a whole file"):
        replay(tenants, Choice(entry_ids=(1, 3)), actor="ann")
    assert replay(tenants, OPEN, actor="ann") == ReplayReport(
        refused=2, whole_files=1, reasons={("json_invalid", "line"): 2}
    )
    discard(tenants, Choice(entry_ids=(2,)), reason="a test", actor="ann")
    with pytest.raises(AnalyticsError, match="entry 2 cannot be replayed: discarded"):
        replay(tenants, Choice(entry_ids=(1, 2)), actor="ann")
    assert balanced(tenants) == [Book("acme", 2, 0, 0, 2, 0, 2)], "discarded lines are still accounted for"


def test_a_correction_stays_with_its_line(tenants, loaded):
    loaded(b"{bad", b"{worse")
    (edit,) = corrected(tenants, 1, line=event("a")).values()
    with pytest.raises(AnalyticsError, match="entry 2 came from another file or line"):
        replay(tenants, Choice(entry_ids=(2,)), actor="ann", edits={2: edit})
    assert statuses(tenants) == {1: "open", 2: "open"}


@pytest.mark.parametrize(("entries", "size"), [(2, 1 << 20), (20_000, 300)])
def test_large_replays_go_chunk_by_chunk(tenants, loaded, monkeypatch, entries, size):
    monkeypatch.setattr(replaying, "CHUNK_ENTRIES", entries)
    monkeypatch.setattr(replaying, "CHUNK_BYTES", size)
    loaded(*(event(f"e{number % 5}", "late") for number in range(7)), b"{" * (2 << 20), tenant=None)
    assert register_files(tenants, [tenant("late")]).released["late"] == ReplayReport(
        accepted=5, duplicate=2, load_days=(DAY,)
    )
    assert replay(tenants, OPEN, actor="ann").refused == 1
    assert entry(tenants, 8)[0].original == b"{" * (2 << 20), "a line too long to judge is kept whole"
    assert fix(tenants, 8, event("e9")).accepted == 1
    assert entry(tenants, 8)[1][0].original_before == b"{" * (2 << 20)
    assert rows(tenants, "select load_day, accepted, duplicate from raw.replays order by replay_id") == [
        (DAY, 5, 2),
        (DAY, 1, 0),
    ]
    assert rows(tenants, "select event_id from raw.events order by line_number")[0] == ("e0",)
    balanced(tenants)


# --- tenants that come late ------------------------------------------------------------------------------------


def test_a_tenant_gets_what_waited_for_it(tenants, loaded):
    loaded(event("own", "late"), b"{bad", event("foreign", "acme"), tenant="late")
    loaded(
        *(event("mixed", "late"), event("else", "other"), event("broken", "late") | {"event_name": "?"}, b"{bad"),
        *(event("mixed", "late"), event("fine", "zeta")),
        tenant=None,
    )
    loaded(event("in acme", "late"), tenant="acme")
    assert balanced(tenants)[0] == Book("(unknown)", 8, 0, 0, 8, 0, 8)

    released = register_files(tenants, [tenant("late"), tenant("acme")])
    assert released.registered.added == ("late",)
    report = released.released["late"]
    assert (report.accepted, report.duplicate, report.refused, report.load_days) == (2, 1, 4, (DAY,))
    assert balanced(tenants) == [
        Book("(unknown)", 2, 0, 0, 2, 0, 2),  # another's, and one that names nobody
        Book("acme", 1, 0, 0, 1, 0, 1),
        Book("late", 6, 2, 1, 3, 2, 3),
        Book("zeta", 1, 1, 0, 0, 1, 0),
    ]
    reasons = {
        line: [reason["rule"] for reason in found]
        for line, found in rows(tenants, "select entry_id, reasons from raw.quarantine where status = 'open'")
    }
    assert reasons[3] == reasons[9] == ["tenant_mismatch"], "refreshed"
    assert rows(tenants, "select distinct actor from raw.quarantine_history") == [("registration",)]
    # registering again finds nothing new, and releasing again neither
    assert register_files(tenants, [tenant("late")]).released == {}
    before = rows(tenants, "select count(*) from raw.quarantine_history")
    assert release_tenant(tenants, "late").accepted == 0
    assert rows(tenants, "select count(*) from raw.quarantine_history") == before


def test_a_registration_that_fails_releases_nothing(tenants, loaded):
    loaded(event("a", "late"), tenant="late")
    with tenants.transaction(force_rollback=True):
        assert register_files(tenants, [tenant("late")]).released["late"].accepted == 1
    assert rows(tenants, "select count(*) from raw.events") == [(0,)]
    assert balanced(tenants) == [Book("(unknown)", 1, 0, 0, 1, 0, 1)]


# --- rivals and crashes ----------------------------------------------------------------------------------------


def test_two_replays_of_one_entry_take_turns(warehouse, tenants, loaded):
    loaded(*(b"%d" % number for number in range(20)))
    edits = {}
    for number in range(1, 21):
        edits |= corrected(tenants, number, line=event(f"e{number}"))
    barrier = threading.Barrier(4)

    def rival(_: int) -> ReplayReport:
        with connect(warehouse) as connection:
            barrier.wait()
            return replay(connection, Choice(entry_ids=tuple(edits)), actor="ann", edits=edits)

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(rival, range(4)))
    assert sorted((report.accepted, report.replayed_before) for report in reports) == [(0, 20)] * 3 + [(20, 0)]
    assert balanced(tenants) == [Book("acme", 20, 20, 0, 0, 20, 0)]
    assert rows(tenants, "select count(distinct event_id) from raw.events") == [(20,)]


def test_a_replay_waits_for_a_load(warehouse, tenants, loaded):
    loaded(b"{bad")
    edits = corrected(tenants, 1, line=event("a"))
    with connect(warehouse) as load, connect(warehouse) as other:
        load.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        other.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            replay(other, Choice(entry_ids=(1,)), actor="ann", edits=edits)
    assert statuses(tenants) == {1: "open"}


KILLED = """
import os, signal, sys
from analytics_dagster.ingest.quarantine import OPEN, replay, replaying
from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import WarehouseUrl, connect
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
replaying.write_replays = die
with connect(WarehouseUrl(user=sys.argv[1], database=sys.argv[2], host=sys.argv[3], port=int(sys.argv[4]))) as c:
    replay(c, OPEN, actor="ann")
"""


def test_a_killed_replay_leaves_nothing_half_done(warehouse, tenants, loaded):
    loaded(*(event(f"e{number}", "late") for number in range(50)), tenant=None)
    register(tenants, [tenant("late")])
    queries = [
        f"select row(t)::text from {table} as t order by 1"
        for table in ("raw.events", "raw.quarantine", "raw.accounts", "raw.quarantine_history", "raw.replays")
    ]
    before = [rows(tenants, query) for query in queries]
    where = [warehouse.user, warehouse.database, warehouse.host, str(warehouse.port)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *where], check=False, capture_output=True, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [rows(tenants, query) for query in queries] == before
    assert replay(tenants, OPEN, actor="ann").accepted == 50
    assert balanced(tenants) == [Book("late", 50, 50, 0, 0, 50, 0)]


# --- any history -----------------------------------------------------------------------------------------------

REFUSED = st.sampled_from(["bad", "unknown", "foreign", "field", "good"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fix"), st.integers(0, 30), st.integers(0, 8), st.sampled_from(["u1", "u2"])),
        st.tuples(st.just("replay"), st.integers(0, 30), st.just(0), st.just("")),
        st.tuples(st.just("discard"), st.integers(0, 30), st.just(0), st.just("")),
        st.tuples(st.just("register"), st.just(0), st.just(0), st.just("")),
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from(["acme", None, "late"]),
            st.lists(st.tuples(REFUSED, st.integers(0, 8)), min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=4,
    ),
    steps=STEPS,
)
def test_whatever_is_repaired_the_books_balance_and_each_event_is_there_once(
    files, steps, warehouse, tenants, tmp_path_factory
):
    empty_raw(tenants)
    for table in ("bi_roles", "tenant_history"):
        tenants.execute(f"delete from tenancy.{table} where tenant_id = 'late'")
    tenants.execute("delete from tenancy.tenants where tenant_id = 'late'")
    landing = tmp_path_factory.mktemp("landing")
    for number, (day, claim, written) in enumerate(files):
        folder = landing / str(DAY + timedelta(days=day)) / (claim or "")
        folder.mkdir(parents=True, exist_ok=True)
        content = lines(
            *(
                {
                    "bad": b"{%d" % key,
                    "unknown": event(f"e{key}", "late"),
                    "foreign": event(f"e{key}", "zeta"),
                    "field": event(f"e{key}") | {"event_name": "?"},
                    "good": event(f"e{key}"),
                }[kind]
                for kind, key in written
            )
        )
        (folder / f"{number}.ndjson").write_bytes(content)
    received = 0
    for day in (DAY, NEXT):
        received += load_day(warehouse, landing, day).total.received
    for step, place, key, user in steps:
        numbers = sorted(number for number, status in statuses(tenants).items() if status == "open")
        if step == "register":
            register_files(tenants, [tenant("late")])
        elif numbers:
            chosen = numbers[place % len(numbers)]
            if step == "fix":
                fix(tenants, chosen, event(f"e{key}", user_id=user))
            elif step == "replay":
                replay(tenants, Choice(entry_ids=(chosen,)), actor="ann")
            else:
                discard(tenants, Choice(entry_ids=(chosen,)), reason="a test", actor="ann")
        assert sum(book.received for book in balanced(tenants, DAY, NEXT)) == received, "no line is lost"
        stored = rows(tenants, "select tenant_id, event_id from raw.events")
        assert len(stored) == len(set(stored))
        assert rows(tenants, "select count(*) from raw.quarantine where status = 'replayed'") == rows(
            tenants,
            "select count(distinct entry_id) from raw.quarantine_history"
            " where detail ->> 'outcome' in ('accepted', 'duplicate')",
        )
