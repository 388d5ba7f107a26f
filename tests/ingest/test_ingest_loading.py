"""Loads on a real warehouse: repeats, crashes, rivals, and books that balance whatever comes."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_samples import DAY, empty_raw, event, lines

from analytics_dagster.ingest import writing
from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.checking import Checker
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.report import Tally
from analytics_dagster.warehouse import WarehouseUrl

Land = Callable[..., Path]


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def event_ids(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in rows(connection, "select event_id from raw.events order by event_id")]


def assert_books_balance(connection: psycopg.Connection, day: date = DAY) -> None:
    assert all(book.balances for book in books(connection, [day]))


def test_good_lines_become_rows(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    land(lines(event("e1", anonymous_id=None, is_test=True), event("e2", user_id=None)))
    report = load_day(warehouse, landing, DAY)
    assert report.tenants == {"acme": Tally(received=2, accepted=2)}
    assert (report.files_read, report.files_seen, report.problems) == (1, 0, ())
    assert rows(
        tenants,
        "select tenant_id, event_id, event_type, event_name, source, occurred_at::text, user_id, anonymous_id,"
        " is_test, properties, load_day, batch_id, line_number from raw.events order by line_number",
    ) == [
        (
            *("acme", "e1", "user_action", "track_play", "web_app", "2026-01-31 08:30:00.125+00", "u1", None, True),
            *({"track_id": "7", "amount": "9.99"}, DAY, 1, 1),
        ),
        (
            *("acme", "e2", "user_action", "track_play", "web_app", "2026-01-31 08:30:00.125+00", None, None, False),
            *({"track_id": "7", "amount": "9.99"}, DAY, 1, 2),
        ),
    ]


def test_the_same_content_is_seen_once(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    path = land(lines(event("e1")), "a.ndjson.gz")
    load_day(warehouse, landing, DAY)
    path.rename(path.with_name("renamed.ndjson.gz"))
    land(lines(event("e1")), "b.ndjson.gz", day=DAY + timedelta(days=1))
    again, next_day = load_day(warehouse, landing, DAY), load_day(warehouse, landing, DAY + timedelta(days=1))
    assert (again.files_read, again.files_seen, again.total) == (0, 1, Tally())
    assert (next_day.files_read, next_day.files_seen) == (0, 1)
    assert rows(tenants, "select count(*) from raw.batches") == [(1,)]
    assert [path for (path,) in rows(tenants, "select path from raw.sightings order by load_day, path")] == [
        "2026-01-31/acme/a.ndjson.gz",
        "2026-01-31/acme/renamed.ndjson.gz",
        "2026-02-01/acme/b.ndjson.gz",
    ], "a copy that was met is not due again"


def test_duplicates_at_any_distance(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    land(lines(event("in"), event("in"), event("across"), event("days")), "1.ndjson")
    land(lines(event("across"), event("new"), event("in")), "2.ndjson")
    # another tenant's event may have the same id
    land(lines(event("in", "zeta")), "3.ndjson", tenant="zeta")
    late = DAY + timedelta(days=20)
    land(lines(event("days"), event("later", user_id="u2"), event("in", "zeta")), "4.ndjson", tenant=None, day=late)
    first, second = load_day(warehouse, landing, DAY), load_day(warehouse, landing, late)
    assert first.tenants == {
        "acme": Tally(received=7, accepted=4, duplicate=3),
        "zeta": Tally(received=1, accepted=1),
    }
    assert second.tenants == {
        "acme": Tally(received=2, accepted=1, duplicate=1),
        "zeta": Tally(received=1, duplicate=1),
    }
    # the first wins, in the order of path and line
    assert rows(
        tenants, "select event_id, batch_id, line_number from raw.events where tenant_id = 'acme' order by 1"
    ) == [
        ("across", 1, 3),
        ("days", 1, 4),
        ("in", 1, 1),
        ("later", 4, 2),
        ("new", 2, 2),
    ]
    assert_books_balance(tenants)
    assert_books_balance(tenants, late)


def test_refused_lines_keep_their_bytes_and_their_tenant(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    broken = b'{"metadata": {"tenant_id": "ac'
    foreign, unknown = lines(event("f", "zeta"))[:-1], lines(event("u", "nobody"))[:-1]
    land(lines(broken, foreign, event("good"), b"", b" \t\r"), "1.ndjson")
    land(lines(unknown, broken), "mixed.ndjson", tenant=None)
    report = load_day(warehouse, landing, DAY)
    assert report.tenants == {
        "(unknown)": Tally(received=2, quarantined=2),
        "acme": Tally(received=3, accepted=1, quarantined=2),
    }
    assert rows(
        tenants,
        "select tenant_id, batch_id, line_number, original, reasons -> 0 ->> 'field', reasons -> 0 ->> 'rule'"
        " from raw.quarantine order by entry_id",
    ) == [
        ("acme", 1, 1, broken, "line", "json_invalid"),
        ("acme", 1, 2, foreign, "metadata.tenant_id", "tenant_mismatch"),
        (None, 2, 1, unknown, "metadata.tenant_id", "unknown_tenant"),
        (None, 2, 2, broken, "line", "json_invalid"),
    ]
    assert_books_balance(tenants)


def test_flawed_files_do_not_stop_the_load(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    noise = [event(f"t{number}", user_id=os.urandom(20).hex()) for number in range(500)]
    cut = land(lines(*noise), "cut.ndjson.gz")
    cut.write_bytes(cut.read_bytes()[:-2000])
    (land(b"", "empty.ndjson").parent / "folder.ndjson").mkdir()
    land(b"\n \r\n", "blank.ndjson")
    land(lines(event("g1")), "plain.ndjson.gz").write_bytes(lines(event("g2")))
    land(lines(b'"' + b"x" * 10_000_000 + b'"', event("after"), b"y" * 2_000_000), "long.ndjson")
    land(lines(event("good")), "z.ndjson")
    report = load_day(warehouse, landing, DAY)
    assert [(problem.path.rsplit("/", 1)[-1], problem.rule) for problem in report.problems] == [
        ("blank.ndjson", "empty_file"),
        ("cut.ndjson.gz", "truncated_gzip"),
        ("empty.ndjson", "empty_file"),
        ("folder.ndjson", "not_a_file"),
        ("long.ndjson", "line_too_long"),
        ("plain.ndjson.gz", "not_gzip"),
    ]
    assert all(": " in str(problem) for problem in report.problems)
    entries = dict(
        rows(
            tenants,
            "select b.path, q.reasons -> 0 ->> 'rule' from raw.quarantine q join raw.batches b using (batch_id)"
            " where line_number is null and q.tenant_id = 'acme' and b.problem = q.reasons -> 0 ->> 'rule'",
        )
    )
    assert {path.rsplit("/", 1)[-1]: rule for path, rule in entries.items()} == {
        "blank.ndjson": "empty_file",
        "cut.ndjson.gz": "truncated_gzip",
        "empty.ndjson": "empty_file",
        "plain.ndjson.gz": "not_gzip",
    }
    sizes = rows(tenants, "select length(original) from raw.quarantine where line_number is not null order by 1")
    assert sizes == [(2_000_000,), (10_000_002,)]
    accepted = event_ids(tenants)
    assert {"after", "good"} < set(accepted)
    assert 0 < report.accepted - 2 < 500
    assert accepted[2:] == sorted(f"t{number}" for number in range(report.accepted - 2))
    assert_books_balance(tenants)


def test_a_file_that_changes_is_left_for_the_next_load(
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,
    land: Land,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(lines(event("a")), "a.ndjson")
    growing = land(lines(event("b"), b"bad", event("a")), "0.ndjson")
    hashed = writing.known_contents

    def producer_goes_on(*arguments: Any) -> set[str]:
        monkeypatch.undo()
        with growing.open("ab") as file:
            file.write(lines(event("c")))
        return hashed(*arguments)

    monkeypatch.setattr(writing, "known_contents", producer_goes_on)
    report = load_day(warehouse, landing, DAY)
    assert (report.files_read, report.files_deferred) == (1, 1)
    assert [(problem.rule, problem.deferred) for problem in report.problems] == [("changed_while_read", True)]
    assert event_ids(tenants) == ["a"]
    assert rows(tenants, "select count(*) from raw.quarantine") == [(0,)]
    assert_books_balance(tenants)
    monkeypatch.undo()
    assert load_day(warehouse, landing, DAY).tenants == {
        "acme": Tally(received=4, accepted=2, duplicate=1, quarantined=1)
    }
    assert_books_balance(tenants)


def test_a_file_that_cannot_be_opened(
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,
    land: Land,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vanishing = land(lines(event("a")), "a.ndjson")
    land(lines(event("b")), "b.ndjson")
    hashed = writing.known_contents

    def producer_removes_it(*arguments: Any) -> set[str]:
        vanishing.unlink(missing_ok=True)
        return hashed(*arguments)

    monkeypatch.setattr(writing, "known_contents", producer_removes_it)
    report = load_day(warehouse, landing, DAY)
    assert [(problem.rule, problem.deferred) for problem in report.problems] == [("unreadable", True)]
    assert "No such file" in report.problems[0].message
    assert event_ids(tenants) == ["b"]
    assert_books_balance(tenants)


def test_an_unreadable_file_is_told(
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,  # noqa: ARG001 - registers the tenants
    land: Land,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locked = land(lines(event("a")), "locked.ndjson")
    opened = Path.open

    # the tests may run as root, whom permissions do not stop
    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    report = load_day(warehouse, landing, DAY)
    assert str(report.problems[0]) == (
        "2026-01-31/acme/locked.ndjson cannot be read (Permission denied): correct its rights; the next load tries"
        " it again"
    )
    assert (report.files_read, report.files_deferred, report.total) == (0, 1, Tally())


def test_a_day_without_files(warehouse: WarehouseUrl, landing: Path) -> None:
    report = load_day(warehouse, landing, DAY)
    assert (report.total, report.files_read, report.problems) == (Tally(), 0, ())
    assert report.total.balances


def test_a_failure_in_the_middle_leaves_nothing(
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,
    land: Land,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(lines(event("a"), b"bad"))

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_accounts", fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            load_day(warehouse, landing, DAY)
    with monkeypatch.context() as patch:
        patch.setattr(Checker, "check", fail)  # in the other thread
        with pytest.raises(RuntimeError, match="in the middle"):
            load_day(warehouse, landing, DAY)
    for table in ("batches", "events", "quarantine", "accounts"):
        assert rows(tenants, f"select count(*) from raw.{table}") == [(0,)]
    assert load_day(warehouse, landing, DAY).total == Tally(received=2, accepted=1, quarantined=1)
    # a failed load leaves no gap in the numbers either
    assert rows(tenants, "select min(batch_id), max(batch_id) from raw.batches") == [(1, 1)]


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from analytics_dagster.ingest import writing
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.warehouse import WarehouseUrl
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
writing.write_accounts = die
load_day(WarehouseUrl(user=sys.argv[1], database=sys.argv[2], host=sys.argv[3], port=int(sys.argv[4])),
    Path(sys.argv[5]), date.fromisoformat(sys.argv[6]))
"""


def test_kill_leaves_nothing(warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path) -> None:
    land(lines(*(event(f"e{number}") for number in range(100))))
    where = [warehouse.user, warehouse.database, warehouse.host, str(warehouse.port), str(landing), DAY.isoformat()]
    killed = subprocess.run([sys.executable, "-c", KILLED, *where], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert rows(tenants, "select count(*) from raw.events") == [(0,)]
    assert load_day(warehouse, landing, DAY).accepted == 100


def test_two_loads_at_once_take_turns(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    other = DAY + timedelta(days=1)
    for number in range(5):
        land(lines(*(event(f"e{number}-{line}") for line in range(50))))
        # as other files, so that only the ids tell
        land(lines(b"", *(event(f"e{number}-{line}") for line in range(50))), day=other)
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda day: load_day(warehouse, landing, day), [DAY, other, DAY, other]))
    assert sum((report.total for report in reports), Tally()) == Tally(received=500, accepted=250, duplicate=250)
    assert len(set(event_ids(tenants))) == len(event_ids(tenants)) == 250
    assert_books_balance(tenants)
    assert_books_balance(tenants, other)


def test_the_loader_uses_the_callers_connection(tenants: psycopg.Connection, land: Land, landing: Path) -> None:
    land(lines(event("a")))
    with tenants.transaction(force_rollback=True):
        assert load_day(tenants, landing, DAY).accepted == 1
    assert event_ids(tenants) == []


def test_the_same_files_are_written_in_the_same_order(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    for number in range(20):
        # a deep object takes the slow way, its neighbours the fast one
        deep = event(f"d{number}") | {"properties": {"a": {"b": {"c": number}}}}
        land(lines(event(f"a{number}"), deep, b"bad", event(f"z{number}")))
    query = "select event_id from raw.events order by ctid"
    load_day(warehouse, landing, DAY)
    written = rows(tenants, query)
    assert written == rows(tenants, "select event_id from raw.events order by batch_id, line_number")
    assert len(written) == 60


# Every byte that means something somewhere, and whole fragments of lines.
FRAGMENTS = [b"\n", b"\r\n", b"\0", b" ", b"\t", b"\xff", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[", b",", b"\\u0000"]
GOOD = lines(event("fuzz"))[:-1]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(
        st.one_of(st.sampled_from([*FRAGMENTS, GOOD, GOOD + b"\n"]), st.binary(max_size=40)), max_size=30
    ).map(b"".join)
)
def test_any_bytes_are_accounted_for(
    content: bytes, warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    empty_raw(tenants)
    land(content, "fuzz.ndjson")
    report = load_day(warehouse, landing, DAY)
    expected = [line for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
    assert report.total.received == len(expected)
    assert report.total.balances
    assert_books_balance(tenants)
    # what is not in quarantine, byte by byte, is the one good event and its repeats
    kept = Counter(row[0] for row in rows(tenants, "select original from raw.quarantine where line_number is not null"))
    assert {line.strip(b" \t\r") for line in (Counter(expected) - kept)} <= {GOOD}
    assert not kept - Counter(expected)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(
        st.tuples(
            st.integers(0, 2),  # day
            st.sampled_from(["acme", "zeta", "nobody", None]),
            st.lists(st.tuples(st.sampled_from(["acme", "zeta", "nobody", "bad"]), st.integers(0, 6)), max_size=8),
        ),
        max_size=5,
    ),
    order=st.permutations([0, 1, 2, 0, 1]),
)
def test_books_balance_and_each_id_is_served_once(
    files: list[tuple[int, str | None, list[tuple[str, int]]]],
    order: list[int],
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    empty_raw(tenants)
    landing = tmp_path_factory.mktemp("landing")
    contents = set()
    for number, (day, claim, written) in enumerate(files):
        folder = landing / (DAY + timedelta(days=day)).isoformat() / (claim or "")
        folder.mkdir(parents=True, exist_ok=True)
        content = lines(*(b"bad" if who == "bad" else event(f"e{key}", who) for who, key in written))
        (folder / f"{number}.ndjson").write_bytes(content)
        contents.add(content)
    total = Tally()
    for day in order:
        total += load_day(warehouse, landing, DAY + timedelta(days=day)).total
    assert total.balances
    for day in range(3):
        assert_books_balance(tenants, DAY + timedelta(days=day))
    stored = rows(tenants, "select tenant_id, event_id from raw.events")
    assert len(stored) == len(set(stored)) == total.accepted
    assert total.received == sum(content.count(b"\n") for content in contents)


def test_a_small_day_is_quick(
    warehouse: WarehouseUrl,
    tenants: psycopg.Connection,  # noqa: ARG001 - registers the tenants
    land: Land,
    landing: Path,
) -> None:
    for number in range(24):
        land(lines(*(event(f"e{number}-{line}") for line in range(100))), f"{number}.ndjson.gz")
    started = time.process_time()
    assert load_day(warehouse, landing, DAY).accepted == 2400
    # of this process; 0.15 s when alone on two cores, and the machine of a test may be slow
    assert time.process_time() - started < 2


def test_another_event_under_a_known_id_is_a_conflict(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    first = event("e1", user_id=None)
    other_order = {**first, "properties": dict(reversed(first["properties"].items()))}
    other_offset = {**first, "metadata": {**first["metadata"], "timestamp": "2026-01-31T08:30:00.1250Z"}}
    changed = [
        {**first, "properties": {"track_id": "8", "amount": "9.99"}},
        event("e1", user_id="u1"),
        event("e1", user_id=None, timestamp="2026-01-31T09:30:00.126+01:00"),
    ]
    land(lines(first, other_order, other_offset, changed[0], event("e2")), "1.ndjson")
    land(lines(*changed, first), "2.ndjson")
    report = load_day(warehouse, landing, DAY)
    assert report.tenants == {"acme": Tally(received=9, accepted=2, duplicate=3, quarantined=4)}
    late = DAY + timedelta(days=3)
    land(lines(*changed, other_order, event("e1", "zeta")), "3.ndjson", tenant=None, day=late)
    assert load_day(warehouse, landing, late).tenants == {
        "acme": Tally(received=4, duplicate=1, quarantined=3),
        "zeta": Tally(received=1, accepted=1),
    }
    assert rows(tenants, "select tenant_id, event_id, batch_id, line_number from raw.events order by 1, 2") == [
        ("acme", "e1", 1, 1),
        ("acme", "e2", 1, 5),
        ("zeta", "e1", 3, 5),
    ]
    refused = rows(tenants, "select batch_id, line_number, original, tenant_id from raw.quarantine order by 1, 2")
    assert refused == [
        (1, 4, lines(changed[0])[:-1], "acme"),
        *((2, place, lines(changed[place - 1])[:-1], "acme") for place in (1, 2, 3)),
        *((3, place, lines(changed[place - 1])[:-1], "acme") for place in (1, 2, 3)),
    ]
    (reasons,) = tenants.execute("select distinct reasons from raw.quarantine").fetchone() or ()
    assert [(reason["field"], reason["rule"], reason["value"]) for reason in reasons] == [
        ("metadata.event_id", "conflicting_duplicate", '"e1"')
    ]
    assert_books_balance(tenants)
    assert_books_balance(tenants, late)


def test_events_from_before_the_memory_are_known_too(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, land: Land, landing: Path
) -> None:
    land(lines(event("old")), "1.ndjson")
    load_day(warehouse, landing, DAY)
    tenants.execute("delete from raw.known_runs")
    land(lines(event("old"), event("new")), "2.ndjson")
    assert load_day(warehouse, landing, DAY).total == Tally(received=2, accepted=1, duplicate=1)
