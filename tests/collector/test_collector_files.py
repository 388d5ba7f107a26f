"""Landing files while they grow: what the loader sees and when, failing disks, killed and living neighbours."""

import errno
import os
import resource
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.collector import LandingFiles, recover
from analytics_dagster.collector import landing_files as module
from analytics_dagster.ingest.landing import pending_files

DAY = date(2026, 1, 31)


class Clock:
    def __init__(self, moment: datetime = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def seen(landing: Path) -> dict[str, bytes]:
    """day/tenant -> what the loader reads there."""
    found = pending_files(landing)
    assert not found.problems
    contents: dict[str, bytes] = {}
    for file in (file for files in found.days.values() for file in files):
        place = f"{file.day}/{file.claimed_tenant}"
        contents[place] = contents.get(place, b"") + file.path.read_bytes()
    return contents


def hidden(landing: Path) -> list[Path]:
    return sorted(landing.rglob(".collect-*.tmp"))


def make(landing: Path, **options) -> LandingFiles:
    return LandingFiles(landing, **({"rotate_bytes": 1 << 20, "rotate_seconds": 3600, "now": Clock()} | options))


def abandon(files: LandingFiles) -> None:
    """What a kill does to a process's files: closed, unlocked, not finished."""
    for file in files._files.values():
        os.close(file.descriptor)
    files._files.clear()


def test_the_loader_sees_whole_files_only(landing):
    files = make(landing)
    assert files.commit({"acme": b"1\n2\n", "zeta": b"3\n"}) == {}
    assert files.commit({"acme": b"4\n"}) == {}
    assert seen(landing) == {}
    assert [path.read_bytes() for path in hidden(landing)] == [b"1\n2\n4\n", b"3\n"]
    files.close()
    assert hidden(landing) == []
    assert seen(landing) == {"2026-01-31/acme": b"1\n2\n4\n", "2026-01-31/zeta": b"3\n"}
    assert next(landing.rglob("*.ndjson")).name.startswith("collect-20260131T235959-")


def test_size_ends_a_file(landing):
    files = make(landing, rotate_bytes=4)
    for _ in range(3):
        files.commit({"acme": b"12\n"})
    assert seen(landing) == {"2026-01-31/acme": b"12\n12\n"}
    files.close()
    assert seen(landing) == {"2026-01-31/acme": b"12\n" * 3}


def test_age_ends_a_file(landing):
    files = make(landing, rotate_seconds=0)
    files.commit({"acme": b"1\n"})
    files.rotate()
    assert seen(landing) == {"2026-01-31/acme": b"1\n"}
    files.rotate()
    files.close()


@pytest.mark.parametrize("ticks", [True, False])
def test_midnight_in_utc_ends_a_file(landing, ticks):
    clock = Clock()
    files = make(landing, now=clock)
    files.commit({"acme": b"before\n"})
    files.rotate()
    assert seen(landing) == {}
    clock.moment += timedelta(seconds=1)
    if ticks:
        files.rotate()
        assert seen(landing) == {"2026-01-31/acme": b"before\n"}
    files.commit({"acme": b"after\n"})
    assert seen(landing) == {"2026-01-31/acme": b"before\n"}
    files.close()
    assert seen(landing) == {"2026-01-31/acme": b"before\n", "2026-02-01/acme": b"after\n"}


@given(
    st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=6),
    st.binary(max_size=40).filter(lambda torn: b"\n" not in torn),
    st.sampled_from([1, 2, 3, 1 << 16]),
)
def test_recovery_keeps_whole_lines_and_cuts_a_torn_end(tmp_path_factory, lines, torn, scan):
    landing = tmp_path_factory.mktemp("landing")
    files = make(landing)
    whole = b"".join(lines)
    files.commit({"acme": whole or b"\n"})
    (path,) = hidden(landing)
    abandon(files)
    path.write_bytes(whole + torn)
    before, module.SCAN = module.SCAN, scan
    try:
        assert recover(landing) == 1
    finally:
        module.SCAN = before
    assert hidden(landing) == []
    assert seen(landing) == ({"2026-01-31/acme": whole} if whole else {})
    assert recover(landing) == 0


def test_what_a_living_neighbour_writes_is_left_alone(landing):
    files = make(landing)
    files.commit({"acme": b"1\n"})
    assert recover(landing) == 0
    files.commit({"acme": b"2\n"})
    files.close()
    assert seen(landing) == {"2026-01-31/acme": b"1\n2\n"}


def test_a_killed_neighbour_is_found_while_running(landing):
    killed = make(landing)
    killed.commit({"acme": b"left\n"})
    abandon(killed)
    files = make(landing, rotate_seconds=0)
    files.rotate()
    assert seen(landing) == {"2026-01-31/acme": b"left\n"}


def test_a_recovery_never_takes_a_new_file_from_its_owner(landing):
    """A neighbour may find the new file before it is locked: then it is made again, and nothing is written to a
    file without a name."""
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            recover(landing)

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        for number in range(300):
            files = make(landing)
            assert files.commit({"acme": b"%d\n" % number}) == {}
            files.close()
    finally:
        stop.set()
        thread.join()
    lines = b"".join(seen(landing).values()).split()
    assert sorted(map(int, lines)) == list(range(300))


def test_a_file_that_is_lost_before_its_lock_is_made_again(landing, monkeypatch):
    real, lost = module.fcntl.flock, []

    def lose_the_first_one(*given) -> None:
        if not lost:
            lost.extend(hidden(landing))
            lost[0].unlink()  # as a neighbour's recovery does with an empty file that nobody holds
        real(*given)

    monkeypatch.setattr(module.fcntl, "flock", lose_the_first_one)
    files = make(landing)
    files.commit({"acme": b"1\n"})
    files.close()
    assert seen(landing) == {"2026-01-31/acme": b"1\n"}


@contextmanager
def files_no_larger_than(size: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_half_way_leaves_nothing_torn(landing):
    files = make(landing)
    files.commit({"acme": b"good\n"})
    with files_no_larger_than(8):
        failed = files.commit({"acme": b"too long\n", "zeta": b"ok\n"})
        assert {tenant: error.errno for tenant, error in failed.items()} == {"acme": errno.EFBIG}
        assert files.commit({"acme": b"much too long\n"}).keys() == {"acme"}
    assert seen(landing) == {"2026-01-31/acme": b"good\n"}
    assert files.commit({"acme": b"good again\n"}) == {}
    files.close()
    assert sorted(seen(landing)["2026-01-31/acme"].split(b"\n")) == [b"", b"good", b"good again"]
    assert seen(landing)["2026-01-31/zeta"] == b"ok\n"


def test_what_a_failed_sync_leaves_is_not_given_to_the_loader(landing):
    broken = []

    def sync(descriptor: int) -> None:
        if broken:
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(descriptor)

    files = make(landing, sync=sync)
    files.commit({"acme": b"good\n"})
    broken.append(True)
    assert files.commit({"acme": b"perhaps\n"})["acme"].errno == errno.EIO
    assert seen(landing) == {"2026-01-31/acme": b"good\n"}
    assert hidden(landing) == []


def test_what_cannot_be_finished_now_is_finished_later(landing, monkeypatch):
    files = make(landing)
    files.commit({"acme": b"1\n"})
    with monkeypatch.context() as patched:
        patched.setattr(module, "sync_folder", _raise)
        patched.setattr(Path, "rename", _raise)
        files.close()
        assert seen(landing) == {}
    files.rotate()
    assert seen(landing) == {"2026-01-31/acme": b"1\n"}


def test_a_folder_that_cannot_be_made_is_the_tenants_failure_alone(landing, monkeypatch):
    (landing / "2026-01-31").mkdir()
    (landing / "2026-01-31" / "acme").write_bytes(b"in the way")
    files = make(landing)
    assert files.commit({"acme": b"1\n", "zeta": b"2\n"}).keys() == {"acme"}
    with monkeypatch.context() as patched:
        patched.setattr(module, "sync_folder", _raise)  # the file was made, but it may not survive
        assert files.commit({"beta": b"3\n"}).keys() == {"beta"}
    files.close()
    (landing / "2026-01-31" / "acme").unlink()
    assert seen(landing) == {"2026-01-31/zeta": b"2\n"}


def test_one_bad_file_holds_up_no_other(landing, caplog):
    for tenant in ("acme", "zeta"):
        files = make(landing)
        files.commit({tenant: b"1\n"})
        abandon(files)
    first = hidden(landing)[0]
    first.unlink()
    first.symlink_to("/dev/null")
    assert recover(landing, [DAY, DAY + timedelta(days=1)]) == 1
    assert "cannot recover" in caplog.text
    assert seen(landing) == {"2026-01-31/zeta": b"1\n"}


def test_a_file_that_goes_while_it_is_recovered(landing, monkeypatch):
    files = make(landing)
    files.commit({"acme": b"1\n"})
    abandon(files)
    real = os.open

    def open_and_lose(path, *given):
        Path(path).unlink()
        return real(path, *given)

    monkeypatch.setattr(module.os, "open", open_and_lose)
    assert recover(landing) == 0


def _raise(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")
