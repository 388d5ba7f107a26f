"""The queue before the disk: one sync for many, and a refusal instead of a wait without end."""

import asyncio
import errno
import os
import threading
import time

import pytest

from analytics_dagster.collector import LandingFiles
from analytics_dagster.collector import group_commit as module
from analytics_dagster.collector.group_commit import GroupCommit
from analytics_dagster.collector.refusal import RefusedError


class Disk:
    """Counts syncs, and can be made to hang or to fail."""

    def __init__(self) -> None:
        self.syncs = 0
        self.error: int | None = None
        self.free = threading.Event()
        self.free.set()

    def sync(self, descriptor: int) -> None:
        self.free.wait(10)
        self.syncs += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        os.fdatasync(descriptor)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def run(landing, disk):
    def go(work, queue_bytes=1 << 20):
        async def main():
            commits = GroupCommit(
                LandingFiles(landing, rotate_bytes=1 << 20, rotate_seconds=3600, sync=disk.sync),
                queue_bytes=queue_bytes,
            )
            commits.start()
            try:
                return await asyncio.wait_for(work(commits), 20)
            finally:
                disk.free.set()
                await commits.stop()

        return asyncio.run(main())

    return go


def lines(landing) -> int:
    return sum(path.read_bytes().count(b"\n") for path in landing.rglob("*.ndjson"))


def test_many_share_one_sync(run, disk, landing):
    async def work(commits):
        await asyncio.gather(*(commits.write("acme", b"x\n") for _ in range(100)))
        assert commits.problem() is None

    run(work)
    assert disk.syncs <= 2
    assert lines(landing) == 100


def test_a_queue_that_is_full_refuses_and_empties_again(run, disk, landing):
    async def work(commits):
        disk.free.clear()
        first = commits.write("acme", b"x" * 90 + b"\n")
        with pytest.raises(RefusedError, match="too much is waiting") as caught:
            commits.write("zeta", b"x" * 90 + b"\n")
        assert (caught.value.status, caught.value.retry_after) == (503, 1)
        disk.free.set()
        await first
        await commits.write("zeta", b"x" * 90 + b"\n")

    run(work, queue_bytes=150)
    assert lines(landing) == 2


def test_a_disk_that_hangs_refuses_newcomers_and_loses_nobody(run, disk, landing, monkeypatch):
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.05)

    async def work(commits):
        disk.free.clear()
        waiting = commits.write("acme", b"x\n")
        await asyncio.sleep(0.2)
        assert commits.problem() == "the disk does not follow"
        with pytest.raises(RefusedError, match="does not follow"):
            commits.write("acme", b"y\n")
        assert not waiting.done()
        disk.free.set()
        await waiting
        await commits.write("acme", b"y\n")

    run(work)
    assert lines(landing) == 2


@pytest.mark.parametrize(
    ("error", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "the landing folder cannot be written")]
)
def test_a_disk_that_fails_refuses_for_a_moment_and_is_asked_again(run, disk, landing, monkeypatch, error, said):
    monkeypatch.setattr(module, "REST_SECONDS", 0.2)

    async def work(commits):
        disk.error = error
        given_up = commits.write("acme", b"gone\n")
        given_up.cancel()  # its sender went away
        with pytest.raises(RefusedError, match=said) as caught:
            await commits.write("acme", b"x\n")
        assert caught.value.status == 503
        disk.error = None
        with pytest.raises(RefusedError, match="cannot be written"):
            commits.write("acme", b"x\n")
        assert commits.problem() == "the landing folder cannot be written"
        await commits.write("zeta", b"z\n")  # another tenant's folder may be well
        await asyncio.sleep(0.25)
        await commits.write("acme", b"x\n")
        assert commits.problem() is None

    run(work)
    assert lines(landing) == 2


def test_stopping_writes_what_waits_and_takes_no_more(run, landing):
    kept = []

    async def work(commits):
        kept.append(commits)
        waiting = [commits.write("acme", b"x\n") for _ in range(10)]
        stopping = asyncio.create_task(commits.stop())
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="is stopping"):
            commits.write("acme", b"y\n")
        await asyncio.gather(*waiting)
        await stopping
        assert lines(landing) == 10

    with pytest.raises(RuntimeError, match="shutdown"):  # the fixture stops it once more
        run(work)


def test_a_mistake_of_ours_leaves_nobody_waiting(run, monkeypatch):
    async def work(commits):
        monkeypatch.setattr(commits._files, "commit", lambda _batch: 1 / 0)
        with pytest.raises(RefusedError, match="is stopping"):
            await commits.write("acme", b"x\n")
        await asyncio.sleep(0)
        assert commits.problem() == "the collector is stopping"

    with pytest.raises(ZeroDivisionError):
        run(work)


def test_files_grow_old_without_anybody_writing(run, landing, monkeypatch, caplog):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)

    async def work(commits):
        await commits.write("acme", b"x\n")
        commits._files._rotate_seconds = 0
        deadline = time.monotonic() + 5
        while not lines(landing) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert lines(landing) == 1
        monkeypatch.setattr(commits._files, "rotate", lambda: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        await asyncio.sleep(0.1)
        assert "cannot finish landing files: broken" in caplog.text

    run(work)
