"""Collectors as processes of their own: killed under load, two at once, drained, and on a disk that is full."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path

import pytest
from collector_client import Client, event, load_all, written

from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.landing import pending_files

SENDERS = 4


class Load:
    """Senders that post event after event until the server is gone, and remember what was answered with 200."""

    def __init__(self, port: int, key: str, prefix: str) -> None:
        self.answered: set[str] = set()
        self.sent: set[str] = set()
        self.threads = [
            threading.Thread(target=self._send, args=(port, key, f"{prefix}-{number}")) for number in range(SENDERS)
        ]
        for thread in self.threads:
            thread.start()

    def _send(self, port: int, key: str, prefix: str) -> None:
        with Client(port, key) as client:
            for number in range(100_000):
                ids = [f"{prefix}-{number}-{k}" for k in range(1 + number % 3)]
                self.sent.update(ids)
                try:
                    answer = client.post("/v1/events", [event(one) for one in ids])
                except (OSError, HTTPException):
                    return
                if answer.status != 200:
                    return
                self.answered.update(ids)

    def wait(self, answers: int) -> None:
        deadline = time.monotonic() + 20
        while len(self.answered) < answers:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(20)


def in_raw(tenants) -> Counter[str]:
    return Counter(dict(tenants.execute("select event_id, count(*) from raw.events group by event_id").fetchall()))


def require_exactly_once(tenants, loads: list[Load]) -> None:
    found = in_raw(tenants)
    answered = set().union(*(load.answered for load in loads))
    assert answered
    assert answered - found.keys() == set()
    assert set(found.values()) == {1}
    assert found.keys() <= set().union(*(load.sent for load in loads))


def require_balance(tenants, landing) -> None:
    found = books(tenants, list(pending_files(landing).days))
    assert all(book.balances for book in found)
    assert sum(book.quarantined for book in found) == 0


def test_killed_under_load_every_answer_of_200_is_in_raw_once(start, tenants, key, landing, warehouse):
    loads = []
    for number in range(3):
        running = start(rotate_bytes=20_000)
        loads.append(Load(running.port, key, f"r{number}"))
        loads[-1].wait(150)
        running.end(signal.SIGKILL)
        loads[-1].join()
        load_all(warehouse, landing)  # the loader may come at any time
    assert list(landing.rglob(".collect-*.tmp"))
    start().end(signal.SIGTERM)
    assert not list(landing.rglob(".collect-*.tmp"))
    load_all(warehouse, landing)
    require_exactly_once(tenants, loads)
    require_balance(tenants, landing)


def test_two_at_once_on_the_same_folder(start, tenants, key, landing, warehouse):
    first, second = start(rotate_bytes=5_000), start(rotate_seconds=0.2)
    loads = [Load(first.port, key, "a"), Load(second.port, key, "b")]
    loads[0].wait(150)
    first.end(signal.SIGKILL)
    start().end(signal.SIGTERM)  # recovers what the first left, and touches nothing of the second
    loads[1].wait(len(loads[1].answered) + 150)
    second.end(signal.SIGTERM)
    for load in loads:
        load.join()
    load_all(warehouse, landing)
    require_exactly_once(tenants, loads)
    require_balance(tenants, landing)


def test_sigterm_answers_what_is_under_way_and_exits_in_peace(start, key, landing):
    running = start()
    load = Load(running.port, key, "x")
    load.wait(100)
    log = running.end(signal.SIGTERM)
    load.join()
    assert running.process.returncode == 0
    assert "Traceback" not in log
    assert key not in log
    ids = [line["metadata"]["event_id"] for line in written(landing)]
    assert load.answered <= set(ids)
    assert len(ids) == len(set(ids))


TMPFS = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'


def can_mount() -> bool:
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own for a small disk")
def test_a_full_disk_is_503_and_loses_no_answer(start, key, landing):
    running = start("unshare", "--map-root-user", "--mount", "sh", "-c", TMPFS, str(landing))
    inside = Path(f"/proc/{running.process.pid}/root{landing}")
    answered, refused = set(), None
    with Client(running.port, key) as client:
        for number in range(10_000):
            batch = [event(f"e{number}-{k}", user_id="u" * 150) for k in range(20)]
            answer = client.post("/v1/events", batch)
            if answer.status != 200:
                refused = answer
                break
            answered.update(one["metadata"]["event_id"] for one in batch)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert client.request("GET", "/readyz").status == 503
        assert client.request("GET", "/healthz").status == 200
        kept = [path.read_bytes() for path in inside.rglob("*") if path.is_file() and path.name[0] != "."]
        for path in inside.rglob("*.ndjson"):  # as when the disk is given more room
            path.unlink()
        deadline = time.monotonic() + 10
        while client.post("/v1/events", event("after")).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.request("GET", "/readyz").status == 200
    ids = [json.loads(line)["metadata"]["event_id"] for content in kept for line in content.splitlines()]
    assert all(content.endswith(b"\n") for content in kept)
    assert set(ids) == answered
    assert len(ids) == len(answered) > 100


def test_the_command_starts_it(key, landing, warehouse, tmp_path):
    environment = {
        "PATH": "/usr/bin:/bin",
        "ANALYTICS_STATE_DIR": str(tmp_path / "state"),
        "ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True),
        "ANALYTICS_COLLECTOR_PORT": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-c", "from analytics_dagster.cli import main; main()", "collect"],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            told = process.stdout.readline()
            port = int(told.split(" — ")[0].rsplit(":", 1)[1])
            with Client(port, key) as client:
                assert client.post("/v1/events", event("one")).status == 200
        finally:
            process.send_signal(signal.SIGINT)
            _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "1 x 200; 1 events" in log
    assert len(written(landing)) == 1
