"""Many requests, one sync: whatever arrives while the disk is busy shares the next write.

The event loop's side of `LandingFiles`: a request waits here until its lines are on the disk, or is refused
at once when they would have to wait too long.
"""

import asyncio
import errno
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from analytics_dagster.collector.landing_files import LandingFiles
from analytics_dagster.collector.refusal import unavailable

GATHER_SECONDS = 0.002  # a little company for the first to come; the rest gathers while the disk works
TICK_SECONDS = 0.5
STALLED_SECONDS = 2.0
RETRY_SECONDS = 1
REST_SECONDS = 1.0  # after a failure, before the disk is asked again

log = logging.getLogger(__name__)


@dataclass
class _Waiting:
    lines: list[bytes] = field(default_factory=list)
    futures: list[asyncio.Future[None]] = field(default_factory=list)


class GroupCommit:
    def __init__(self, files: LandingFiles, *, queue_bytes: int) -> None:
        self._files = files
        self._queue_bytes = queue_bytes
        self._waiting: dict[str, _Waiting] = {}
        self._in_commit: dict[str, _Waiting] = {}
        self._bytes = 0
        self._busy_since: float | None = None
        self._resting_until: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="collector-disk")
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Commit what waits and finish every file."""
        self._stopping = True
        self._wake.set()
        try:
            if self._task:
                await self._task
        finally:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
            self._thread.shutdown()

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def problem(self, tenant_id: str | None = None) -> str | None:
        """Why nothing can be written at the moment, for a tenant or for any."""
        now = time.monotonic()
        if self._stopping or self._task is None or self._task.done():
            return "the collector is stopping"
        if self._busy_since is not None and now - self._busy_since > STALLED_SECONDS:
            return "the disk does not follow"
        resting = self._resting_until.values() if tenant_id is None else [self._resting_until.get(tenant_id, 0.0)]
        if any(until > now for until in resting):
            return "the landing folder cannot be written"
        return None

    def write(self, tenant_id: str, lines: bytes) -> asyncio.Future[None]:
        """Whole lines; the future is done when they are on the disk. Raises a RefusedError when they cannot be."""
        problem = self.problem(tenant_id)
        if problem is None and self._bytes + len(lines) > self._queue_bytes:
            problem = "too much is waiting to be written"
        if problem:
            raise unavailable(problem, RETRY_SECONDS)
        waiting = self._waiting.setdefault(tenant_id, _Waiting())
        waiting.lines.append(lines)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.futures.append(future)
        self._bytes += len(lines)
        self._wake.set()
        return future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        rotated_at = time.monotonic()
        try:
            while self._waiting or not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
                if self._waiting:
                    await asyncio.sleep(GATHER_SECONDS)
                    await self._commit()
                if time.monotonic() - rotated_at >= TICK_SECONDS:
                    await loop.run_in_executor(self._thread, self._rotate)
                    rotated_at = time.monotonic()
        finally:
            for left in (self._in_commit, self._waiting):
                _release(left, "the collector is stopping")

    async def _commit(self) -> None:
        self._in_commit, self._waiting = self._waiting, {}
        batch = {tenant_id: b"".join(waiting.lines) for tenant_id, waiting in self._in_commit.items()}
        self._busy_since = time.monotonic()
        failed = await asyncio.get_running_loop().run_in_executor(self._thread, self._files.commit, batch)
        self._busy_since = None
        self._bytes -= sum(map(len, batch.values()))
        for tenant_id, error in failed.items():
            self._resting_until[tenant_id] = time.monotonic() + REST_SECONDS
            log.error("cannot write for tenant %s: %s", tenant_id, error.strerror or error)
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            problem = "the disk is full" if full else "the landing folder cannot be written"
            _release({tenant_id: self._in_commit.pop(tenant_id)}, problem)
        _release(self._in_commit)
        self._in_commit = {}

    def _rotate(self) -> None:
        try:
            self._files.rotate()
        except OSError as error:  # such as a landing folder that is gone; writing says so to those who write
            log.error("cannot finish landing files: %s", error.strerror or error)


def _release(waiting: dict[str, _Waiting], problem: str | None = None) -> None:
    for entry in waiting.values():
        for future in entry.futures:
            if future.done():
                continue
            if problem:
                future.set_exception(unavailable(problem, RETRY_SECONDS))
            else:
                future.set_result(None)
