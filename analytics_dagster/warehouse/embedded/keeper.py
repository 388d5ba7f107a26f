"""The keeper: a small process that runs PostgreSQL while somebody uses it, and stops it after the last user.

It imports nothing but the standard library and `place`, and is started past the packages above it (`START`):
10 MB and 50 ms instead of 60 MB and half a second. What is decided before a server can start (data folder, user,
tuning) is in `server`.
"""

import argparse
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .place import Place, is_held, still_names, take  # relative: the packages above are not there

# python -c START <folder of the package `embedded`> --home ...
START = "import sys; sys.path.append(sys.argv.pop(1)); from embedded.keeper import main; main()"

TICK = 0.2
PORTS_TO_TRY = 100
STARTS_TO_TRY = 3
ORPHANS_MAY_LIVE = 2.0  # seconds
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))  # seconds to wait after each
SOCKET_ONLY_PORT = 5432  # without TCP the number only names the socket


class RefusedError(Exception):
    """Why the keeper does not start the server: "problem → remedy"."""


def make_private(folder: Path, uid: int, gid: int) -> None:
    """The folder of the socket: whoever may enter it is the superuser, so nobody else may have prepared it."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() != uid:
            os.chown(folder, uid, gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise RefusedError(
            f"{folder} is not a private folder of user {uid} → remove it, or set TMPDIR to another place"
        )


def free_port(first: int) -> int | None:
    for port in range(first, min(first + PORTS_TO_TRY, 65_536)):
        if is_free(port):
            return port
    return None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Keeper:
    def __init__(
        self, place: Place, command: list[str], *, port: int, socket_folder: Path, owner: tuple[int, int], linger: float
    ) -> None:
        self.place = place
        self.command = command
        self.first_port = port
        self.socket_folder = socket_folder
        self.owner = owner
        self.linger = linger
        self.port: int | None = None  # chosen at the first start and kept: users know the address by then
        self.pid: int | None = None
        self.child: subprocess.Popen[bytes] | None = None
        self.was_ready = False
        self.starts = 0
        self.owns_folder = False
        self.idle_since: float | None = None
        self.orphaned_since: float | None = None

    def run(self, keeper_lock: int) -> None:
        """Keep the server up until nobody uses it; raise RefusedError when it cannot be."""
        lease = None
        try:
            while lease is None and still_names(self.place.keeper_lock, keeper_lock):
                if is_held(self.place.server_lock):
                    self.watch()
                else:
                    self.start()
                time.sleep(TICK)
                lease = self.lease_if_unused()
        finally:
            self.stop()
            if self.owns_folder:
                with suppress(OSError):
                    self.socket_folder.rmdir()
            os.close(keeper_lock)  # before the lease: the next user must not take this keeper for its own
            if lease is not None:
                os.close(lease)

    def lease_if_unused(self) -> int | None:
        """The users' lock, once it was free for a while: commands that follow one another share a server."""
        try:
            lease = take(self.place.users_lock, fcntl.LOCK_EX)
        except OSError:  # the folder was deleted: `run` sees it
            return None
        if lease is None:
            self.idle_since = None
            return None
        self.idle_since = self.idle_since or time.monotonic()
        if time.monotonic() - self.idle_since >= self.linger:
            return lease
        os.close(lease)
        return None

    def start(self) -> None:
        self.reap()
        self.refuse_foreign_server()
        self.starts = 1 if self.was_ready else self.starts + 1
        if self.starts > STARTS_TO_TRY:
            raise RefusedError("PostgreSQL does not start → see the lines above")
        handle = take(self.place.server_lock, fcntl.LOCK_EX)
        if handle is None:
            return
        try:
            # PostgreSQL takes a pid that was given to another program for a running server; the lock knows better
            self.place.pid_file.unlink(missing_ok=True)
            port, addresses = self.choose_port()
            make_private(self.socket_folder, *self.owner)
            self.owns_folder = True
            # no process of this server lives, so what is left in its folder is stale
            for stale in self.socket_folder.glob(".s.PGSQL.*"):
                stale.unlink(missing_ok=True)
            options = {
                "port": str(port),
                "listen_addresses": addresses,
                "unix_socket_directories": str(self.socket_folder),
                "unix_socket_permissions": "0700",
            }
            self.child = subprocess.Popen(
                [*self.command, *(word for option in options.items() for word in ("-c", "=".join(option)))],
                cwd=self.place.data,
                pass_fds=[handle],
            )
            self.pid, self.was_ready, self.orphaned_since = self.child.pid, False, None
        except OSError as error:
            raise RefusedError(f"PostgreSQL cannot be started: {error} → see the server's log") from error
        finally:
            os.close(handle)

    def choose_port(self) -> tuple[int, str]:
        if not self.first_port:
            return SOCKET_ONLY_PORT, ""
        if self.port is not None:  # a restart: the socket keeps its name even when the port was lost
            return self.port, "127.0.0.1" if is_free(self.port) else ""
        self.port = free_port(self.first_port)
        if self.port is None:
            raise RefusedError(
                f"no free port from {self.first_port} on → set ANALYTICS_EMBEDDED_PORT to another one, or to 0 for none"
            )
        return self.port, "127.0.0.1"

    def refuse_foreign_server(self) -> None:
        """Called while our lock is free: a server that runs here all the same was started by other means."""
        told = self.place.pid_in_file()
        if told and self.place.runs_here(told):
            raise RefusedError(
                f"PostgreSQL (process {told}) that was not started by this project uses {self.place.data} → stop it"
            )

    def watch(self) -> None:
        """Look after a server that is up, or on its way up or down."""
        told = self.place.postmaster()
        if told and self.pid is None and self.place.runs_here(told.pid):
            say(f"takes over the running server, process {told.pid}")
            self.pid, self.socket_folder = told.pid, Path(told.socket_folder)
            self.port = told.port if self.first_port else None
            self.owns_folder = True
        if not self.is_up():
            self.end_orphans()
        elif told and told.ready and told.pid == self.pid:
            self.was_ready = True
            if not (self.socket_folder / f".s.PGSQL.{told.port}").exists():
                say(f"the socket in {self.socket_folder} was deleted: restarts the server")
                self.stop()

    def end_orphans(self) -> None:
        """Backends outlive a killed server until their query ends, and no new server may start meanwhile."""
        now = time.monotonic()
        self.orphaned_since = self.orphaned_since or now
        waited = now - self.orphaned_since
        if waited > ORPHANS_MAY_LIVE:
            for pid in self.place.processes():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL if waited > 3 * ORPHANS_MAY_LIVE else signal.SIGQUIT)

    def stop(self) -> None:
        """Fast shutdown (sessions are cut, a checkpoint is written); harder only when that hangs."""
        if self.pid is None and is_held(self.place.server_lock):
            self.pid = self.place.pid_in_file()
        for number, patience in STOPPING:
            if self.pid is None or not self.is_up():
                break
            if number != signal.SIGINT:
                say(f"the server does not stop: sends {number.name}")
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + patience
            while self.is_up() and time.monotonic() < deadline:
                time.sleep(TICK / 10)
        self.reap()

    def is_up(self) -> bool:
        """Whether the server's first process lives: one's own child, wherever its folder went, or one taken over."""
        if self.child is not None and self.child.pid == self.pid:
            return self.child.poll() is None
        return self.pid is not None and self.place.runs_here(self.pid)

    def reap(self) -> None:
        if self.child is not None:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(5)


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} keeper: {text}\n")
    sys.stderr.flush()


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:  # pragma: no cover - as below
    raise SystemExit(0)


def main() -> None:  # pragma: no cover - a process of its own, which nothing measures
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket-folder", type=Path, required=True)
    parser.add_argument("--owner", type=int, nargs=2, required=True)
    parser.add_argument("--linger", type=float, required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()

    place = Place(given.home)
    keeper_lock = None
    for _ in range(50):  # a process that asks whether there is a keeper holds the lock for a moment
        keeper_lock = take(place.keeper_lock, fcntl.LOCK_EX)
        if keeper_lock is not None:
            break
        time.sleep(TICK / 10)
    if keeper_lock is None or os.fork():
        os._exit(0)  # with the lock held by the child: whoever waits for this process finds a keeper
    os.setsid()  # Ctrl-C in a terminal is not for the keeper
    signal.signal(signal.SIGTERM, _terminated)
    keeper = Keeper(
        place,
        given.command,
        port=given.port,
        socket_folder=given.socket_folder,
        owner=tuple(given.owner),
        linger=given.linger,
    )
    try:
        keeper.run(keeper_lock)
    except RefusedError as refusal:
        say(f"refuses: {refusal}")
        raise SystemExit(1) from None
