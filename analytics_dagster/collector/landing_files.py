"""Landing files while they grow: appended under a hidden name, synced, and renamed when they are whole.

The loader never sees a file before its rename. Each open file carries a lock that dies with its process, so
that any server can finish what a killed one left and leaves alone what a living one writes.
Blocking: one thread owns this.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

NAME = "collect-"
OPEN_FILES = f"*/.{NAME}*.ndjson.tmp"  # in the folder of a day
SCAN = 1 << 16

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _OpenFile:
    path: Path  # the hidden name
    descriptor: int
    day: date
    committed: int = 0  # bytes that are on the disk for certain
    written: int = 0
    opened_at: float = field(default_factory=time.monotonic)


class LandingFiles:
    """The open files of one server, one for each tenant that sends."""

    def __init__(
        self,
        landing: Path,
        *,
        rotate_bytes: int,
        rotate_seconds: float,
        sync: Callable[[int], None] = os.fdatasync,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._landing = landing
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._sync = sync
        self._now = now
        self._files: dict[str, _OpenFile] = {}
        self._swept_at = time.monotonic()

    def commit(self, batch: Mapping[str, bytes]) -> dict[str, OSError]:
        """Append whole lines for some tenants and sync them; the tenants that failed, of whom nothing was kept."""
        failed: dict[str, OSError] = {}
        for tenant_id, lines in batch.items():
            try:
                file = self._file_of(tenant_id)
                _write_all(file.descriptor, lines)
                file.written += len(lines)
            except OSError as error:
                failed[tenant_id] = error
        for tenant_id in batch.keys() - failed.keys():
            file = self._files[tenant_id]
            try:
                self._sync(file.descriptor)
            except OSError as error:
                failed[tenant_id] = error
            else:
                file.committed = file.written
                if file.committed >= self._rotate_bytes:
                    self._finish(tenant_id)
        for tenant_id in failed:
            # after a failed write the end is torn, after a failed sync the kernel may have dropped pages: no more here
            self._finish(tenant_id)
        return failed

    def rotate(self) -> None:
        """Finish what is old or of another day; now and then look for what killed neighbours left."""
        today, now = self._now().date(), time.monotonic()
        for tenant_id, file in list(self._files.items()):
            if file.day != today or now - file.opened_at >= self._rotate_seconds:
                self._finish(tenant_id)
        if now - self._swept_at >= self._rotate_seconds:
            self._swept_at = now
            recover(self._landing, [today, today - timedelta(days=1)])

    def close(self) -> None:
        for tenant_id in list(self._files):
            self._finish(tenant_id)

    def _file_of(self, tenant_id: str) -> _OpenFile:
        file = self._files.get(tenant_id)
        now = self._now()
        if file and file.day != now.date():
            self._finish(tenant_id)
            file = None
        if file is None:
            file = self._files[tenant_id] = self._create(tenant_id, now)
        return file

    def _create(self, tenant_id: str, now: datetime) -> _OpenFile:
        folder = self._landing / now.date().isoformat() / tenant_id
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            sync_folder(self._landing)
        while True:
            path = folder / f".{NAME}{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.ndjson.tmp"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                if _lock(descriptor, path):  # else a neighbour took the new, empty file for a forgotten one
                    sync_folder(folder)
                    return _OpenFile(path, descriptor, now.date())
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _finish(self, tenant_id: str) -> None:
        """Give the loader what is committed. What cannot be done now, a later `recover` does: the lock is gone."""
        file = self._files.pop(tenant_id, None)
        if file is None:
            return
        try:
            _give_to_the_loader(file.path, file.descriptor, file.committed)
        except OSError:
            self._swept_at = float("-inf")
        finally:
            os.close(file.descriptor)


def recover(landing: Path, days: Iterable[date] | None = None) -> int:
    """Finish the files that killed servers left open: whole lines stay, a torn end was never answered and goes."""
    folders = landing.glob("*") if days is None else [landing / day.isoformat() for day in days]
    return sum(_recover_one(path) for folder in folders for path in sorted(folder.glob(OPEN_FILES)))


def _recover_one(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if not _lock(descriptor, path):
                return False
            _give_to_the_loader(path, descriptor, _end_of_whole_lines(descriptor))
        finally:
            os.close(descriptor)
    except FileNotFoundError:  # its owner was faster
        return False
    except OSError as error:  # one bad file holds up no other, and stays where it is
        log.error("cannot recover %s: %s", path, error.strerror or error)
        return False
    return True


def _give_to_the_loader(path: Path, descriptor: int, length: int) -> None:
    if length == 0:
        path.unlink()
        return
    if os.fstat(descriptor).st_size != length:
        os.ftruncate(descriptor, length)
    os.fsync(descriptor)
    path.rename(path.with_name(path.name.removeprefix(".").removesuffix(".tmp")))
    sync_folder(path.parent)


def _lock(descriptor: int, path: Path) -> bool:
    """Whether the file is ours alone, and still has its name: its last owner may just have finished it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _end_of_whole_lines(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - SCAN)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """A new or renamed entry of a folder is on the disk only when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
