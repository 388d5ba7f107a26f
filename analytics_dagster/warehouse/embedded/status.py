"""What the embedded server is doing right now, found out without starting or disturbing it."""

import os
from dataclasses import dataclass
from pathlib import Path

from analytics_dagster.warehouse.embedded.place import Place, is_held
from analytics_dagster.warehouse.embedded.programs import program, version


@dataclass(frozen=True)
class ServerStatus:
    running: bool
    where: str  # the data folder, or the address of a server of somebody's own
    version: str | None = None
    size_bytes: int | None = None
    port: int | None = None  # empty when the server is reached by its socket only
    socket_folder: str | None = None
    users: tuple[str, ...] = ()  # the processes that keep the server up: "4711 python -m dagster ..."
    embedded: bool = True
    problem: str | None = None  # why it does not answer


def embedded_status(home: Path) -> ServerStatus:
    place = Place(Path(os.path.realpath(home)))
    told = place.postmaster() if is_held(place.server_lock) else None
    return ServerStatus(
        running=told is not None and told.ready,
        where=str(place.data),
        version=version(program("postgres")),
        size_bytes=_size(place.data) if place.data.is_dir() else None,
        port=told.port if told and told.tcp else None,
        socket_folder=told.socket_folder if told else None,
        users=_users(place.users_lock),
    )


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).lstat().st_size
            except FileNotFoundError:  # the server removes files at any time
                continue
    return total


def _users(lock: Path) -> tuple[str, ...]:
    """Who holds the shared lock, as the kernel tells it (Linux)."""
    try:
        inode, table = lock.stat().st_ino, Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ()
    pids = set()
    for line in table:  # 1: FLOCK  ADVISORY  READ 4711 00:1b:23269 0 EOF
        words = line.split()
        if words[1] == "FLOCK" and words[3] == "READ" and words[5].rsplit(":", 1)[-1] == str(inode):
            pids.add(int(words[4]))
    return tuple(f"{pid} {_command(pid)}".strip() for pid in sorted(pids))


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return ""
    return words.decode(errors="replace").strip()[:100]
