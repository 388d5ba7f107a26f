"""The embedded server as its users see it: acquire it, use its address, release it.

A user holds a shared lock for as long as it lives, and makes sure that a keeper runs (`keeper` has the rest).
"""

import fcntl
import hashlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from analytics_dagster.errors import AnalyticsError, WarehouseError, WarehouseUnreachableError
from analytics_dagster.warehouse.embedded import keeper
from analytics_dagster.warehouse.embedded.data_folder import DATABASE, USER, is_made, make, remedy_for
from analytics_dagster.warehouse.embedded.identity import Identity, choose
from analytics_dagster.warehouse.embedded.place import Place, Postmaster, give_to_owner, is_held, still_names, take
from analytics_dagster.warehouse.embedded.programs import environment, program
from analytics_dagster.warehouse.embedded.tuning import configuration
from analytics_dagster.warehouse.url import WarehouseUrl

LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
KEPT_LOG = 10_000_000  # bytes
KEEPERS_TO_TRY = 3
PATIENCE = 120.0  # seconds for others to finish starting or stopping; crash recovery is not limited by it


@dataclass
class EmbeddedServer:
    home: Path
    port: int = 55432  # or the next free one; 0: no TCP, socket only
    durable: bool = True  # False: a power loss may cost everything, for tests
    linger: float = 3.0  # seconds that the server outlives its last user
    parameters: Mapping[str, str] = field(default_factory=dict)
    namespaces: bool = True  # as root: whether a user namespace may be used
    _lease: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.home = Path(os.path.realpath(self.home))  # as the kernel will name the server's working folder
        self.place = Place(self.home)

    def acquire(self) -> WarehouseUrl:
        """The address of the server, which runs from now on until `release` or the end of this process."""
        held_before = self._lease is not None
        try:
            self._take_lease()
            running = self._running() or self._start()
        except BaseException as error:
            if not held_before:
                self.release()
            if isinstance(error, OSError):
                raise _explained(error, self.home) from error
            raise
        return WarehouseUrl(user=USER, database=DATABASE, host=running.socket_folder, port=running.port)

    def release(self) -> None:
        """Give the lease back; processes forked from this one keep theirs."""
        if self._lease is not None:
            os.close(self._lease)  # not unlocked: that would take the lease from forked children too
            self._lease = None

    def keep_across_exec(self) -> None:
        """Let the program that this process is about to become hold the lease on."""
        if self._lease is not None:
            os.set_inheritable(self._lease, True)

    def wait_until_stopped(self, patience: float = PATIENCE) -> bool:
        """Whether the server has stopped, which it does soon after its last user is gone."""
        deadline = time.monotonic() + patience
        while is_held(self.place.keeper_lock) or is_held(self.place.server_lock):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def __enter__(self) -> WarehouseUrl:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take_lease(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if self._lease is not None and not still_names(self.place.users_lock, self._lease):
            self.release()  # the folder was deleted and made again
        deadline = time.monotonic() + PATIENCE
        while self._lease is None:
            self._lease = take(self.place.users_lock, fcntl.LOCK_SH)
            if self._lease is None:  # the keeper stops the server, and will be gone in a moment
                _wait(deadline, "the embedded PostgreSQL is still stopping", self.place)

    def _running(self) -> Postmaster | None:
        """The server, when it is kept and takes connections."""
        told = self.place.postmaster()
        if told is None or not told.ready:
            return None
        if not is_held(self.place.server_lock) or not is_held(self.place.keeper_lock):
            return None  # somebody else's, or nobody looks after it
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(f"{told.socket_folder}/.s.PGSQL.{told.port}")
            return told
        return None

    def _start(self) -> Postmaster:
        with self._starting() as lock:
            running = self._running()
            if running is not None:
                return running
            data = self.place.data
            made = is_made(data)
            identity = choose(data, program("postgres"), namespaces=self.namespaces)
            if not made:
                make(data, identity, durable=self.durable, lock=lock)
            settings_file = data / "analytics.conf"
            _write(settings_file, configuration(durable=self.durable, overrides=self.parameters))
            with self._open_log() as log:
                position = log.tell()
                for _ in range(KEEPERS_TO_TRY):  # one may be killed, or be on its way out
                    if not is_held(self.place.keeper_lock):
                        self._launch_keeper(identity, settings_file, log)
                    running = self._wait_until_ready()
                    if running is not None:
                        return running
                    if self._refusal(position):
                        break
            raise self._failure(position)

    def _launch_keeper(self, identity: Identity, settings_file: Path, log: BinaryIO) -> None:
        data = self.place.data
        subprocess.run(
            [
                *(sys.executable, "-I", "-S", "-c", keeper.START, str(Path(keeper.__file__).parent.parent)),
                *("--home", str(self.home)),
                *("--port", str(self.port)),
                *("--socket-folder", str(socket_folder(data, identity.uid))),
                *("--owner", str(identity.uid), str(identity.gid)),
                *("--linger", str(self.linger)),
                "--",
                *identity.command(data, program("postgres"), "-D", str(data), "-c", f"config_file={settings_file}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment(),
            check=True,
        )

    def _wait_until_ready(self) -> Postmaster | None:
        # crash recovery takes as long as it takes: as long as the keeper lives, the server is on its way
        while is_held(self.place.keeper_lock):
            running = self._running()
            if running is not None:
                return running
            time.sleep(0.01)
        return None

    def _said_since(self, position: int) -> list[str]:
        with self.place.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(position)
            return log.read().strip().splitlines()

    def _refusal(self, position: int) -> tuple[str, str] | None:
        found = re.findall(r"keeper: refuses: (.*?) → (.*)", "\n".join(self._said_since(position)))
        return found[-1] if found else None

    def _failure(self, position: int) -> WarehouseError:
        problem, remedy = self._refusal(position) or ("the embedded PostgreSQL ended while it was started", "try again")
        said = [line for line in self._said_since(position) if " keeper: " not in line][-8:]
        return WarehouseError(
            problem,
            where="\n    ".join([str(self.place.log), *said]),
            remedy=remedy_for(said) if said else remedy,
        )

    @contextmanager
    def _starting(self) -> Iterator[int]:
        """One process starts at a time; the others wait for it and find the server running."""
        deadline = time.monotonic() + PATIENCE
        while (lock := take(self.place.start_lock, fcntl.LOCK_EX)) is None:
            _wait(deadline, "another process is still starting the embedded PostgreSQL", self.place)
        try:
            yield lock
        finally:
            os.close(lock)

    def _open_log(self) -> BinaryIO:
        log = self.place.log
        if log.exists() and log.stat().st_size > KEPT_LOG:
            log.replace(log.with_suffix(".log.1"))
        file = log.open("ab")
        give_to_owner(file.fileno(), self.home)
        return file


def socket_folder(data: Path, uid: int) -> Path:
    """A short private folder, because the path of a socket is limited and a project's path is not."""
    name = f"analytics-dagster-{uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    for base in (Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - 0700, owner checked
        if len(os.fsencode(base / name / ".s.PGSQL.65535")) <= LONGEST_SOCKET_PATH:
            return base / name
    raise AssertionError("none of them is long")  # pragma: no cover


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)


def _wait(deadline: float, problem: str, place: Place) -> None:
    if time.monotonic() > deadline:
        raise WarehouseUnreachableError(problem, where=str(place.home), remedy=f"try again; the log is {place.log}")
    time.sleep(0.02)


def _explained(error: OSError, home: Path) -> AnalyticsError:
    said = error.strerror or str(error)
    return WarehouseError(
        f"the embedded PostgreSQL cannot use its folder: {said}",
        where=str(error.filename or home),
        remedy=remedy_for([said]),
    )
