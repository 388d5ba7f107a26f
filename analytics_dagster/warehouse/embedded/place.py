"""Where an embedded server keeps its files, and the locks by which its processes know of one another.

The kernel drops a lock (flock) with the process that held it, kill -9 included. `users.lock` is shared by every user,
and the keeper's alone while it stops the server; `keeper.lock` is the one keeper's; `start.lock` is held while a server
is made or started; `server.lock` is inherited by every process of PostgreSQL and free only when the last one is gone.
Only the standard library here: the keeper imports this.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Postmaster(NamedTuple):
    """What the server wrote about itself into its postmaster.pid."""

    pid: int
    port: int
    socket_folder: str
    tcp: bool
    ready: bool


class Place:
    """The files of one embedded server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.pid_file = self.data / "postmaster.pid"
        self.log = home / "server.log"
        self.start_lock = home / "start.lock"
        self.users_lock = home / "users.lock"
        self.keeper_lock = home / "keeper.lock"
        self.server_lock = home / "server.lock"

    def postmaster(self) -> Postmaster | None:
        try:
            lines = self.pid_file.read_text().splitlines()
            pid, port, folder, host, status = lines[0], lines[3], lines[4], lines[5], lines[7]
            return Postmaster(int(pid), int(port), folder, bool(host), status.strip() == "ready")
        except (OSError, IndexError, ValueError):  # not there, or not written to its end yet
            return None

    def pid_in_file(self) -> int | None:
        try:
            return int(self.pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):  # not there, or torn by a power loss
            return None

    def processes(self) -> list[int]:
        """The processes that work in the data folder, where the system tells (Linux)."""
        pids = [entry.name for entry in Path("/proc").glob("[0-9]*")]
        return [int(pid) for pid in pids if self._works_here(pid)]

    def runs_here(self, pid: int) -> bool:
        """Whether `pid` is alive and is the server: its number may have gone to another program since."""
        if Path("/proc/self/cwd").exists():
            return self._works_here(str(pid))
        try:  # pragma: no cover - not Linux
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def _works_here(self, pid: str) -> bool:
        try:
            folder = Path("/proc", pid, "cwd").readlink()
        except OSError:  # gone, a zombie, or another user's
            return False
        return str(folder).removesuffix(" (deleted)") == str(self.data)


def take(path: Path, mode: int) -> int | None:
    """Lock a file without waiting: the open file that holds the lock, or None."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_to_owner(handle, path.parent)
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if not still_names(path, handle):
        os.close(handle)
        return None
    return handle


def give_to_owner(handle: int, folder: Path) -> None:
    """So that `sudo` today does not lock out the folder's owner tomorrow."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def still_names(path: Path, handle: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock alone."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
