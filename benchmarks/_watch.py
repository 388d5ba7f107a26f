"""Where the time of a load goes, seen from outside: which core works, and what PostgreSQL says that it does.

PostgreSQL writes the command that runs into its process title; /proc has it, and whether the process runs, sleeps or
waits for the disk. Nothing of the loader is touched. Without /proc nothing is seen, and nothing is said.
"""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from analytics_dagster.warehouse import WarehouseUrl, connect

PROC = Path("/proc")
INTERVAL = 0.05  # a look takes a fifth of a millisecond
SHOWN = 0.01
OURS, POSTGRESQL = "the loader", "PostgreSQL"
TITLE = re.compile(r"postgres: \S+ (?P<database>\S+) \S+ (?P<command>.+)")
STATES = {"R": "", "D": " (disk)"}


class Watch:
    """Sums up over the repeated runs of a way."""

    def __init__(self) -> None:
        self._wall: defaultdict[str, float] = defaultdict(float)
        self._cpu: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._commands: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))

    @contextmanager
    def of(self, name: str, url: WarehouseUrl) -> Iterator[None]:
        """What happens in this block, in this process and in the server's processes for this database."""
        commands, backends = self._commands[name], dict[int, float]()
        server = _server(url)
        stop = threading.Event()

        def look() -> None:
            before = perf_counter()
            while not stop.wait(INTERVAL):
                now = perf_counter()
                for backend, command, state, cpu in _backends(server, url.database):
                    backends[backend] = cpu
                    commands[f"{command}{STATES.get(state, ' (waits)')}"] += now - before
                before = now

        own, started = _own_cpu_seconds(), perf_counter()
        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self._wall[name] += perf_counter() - started
            self._cpu[name][OURS] += _own_cpu_seconds() - own
            self._cpu[name][POSTGRESQL] += sum(backends.values())

    def shares(self, name: str) -> dict[str, float]:
        """Of the time that passed: how much of a core was busy, and what PostgreSQL was at."""
        spent = {**self._cpu[name], **self._commands[name]}
        return {what: seconds / self._wall[name] for what, seconds in spent.items()}

    def lines(self, name: str) -> list[str]:
        shares = self.shares(name)
        cores = ", ".join(f"{who} {shares.pop(who):.0%} of a core" for who in (OURS, POSTGRESQL))
        largest = sorted(((share, what) for what, share in shares.items() if share >= SHOWN), reverse=True)
        commands = ", ".join(f"{what} {share:.0%}" for share, what in largest)
        return [cores, f"PostgreSQL: {commands}"] if commands else []


def _server(url: WarehouseUrl) -> int:
    """The process whose children are the backends."""
    with connect(url) as connection:
        stat = _read(PROC / str(connection.info.backend_pid) / "stat")
    return int(_fields(stat)[1]) if stat else 0


def _backends(server: int, database: str) -> Iterator[tuple[int, str, str, float]]:
    """Process, command, state and CPU seconds."""
    for child in _read(PROC / f"{server}/task/{server}/children").split():
        title = TITLE.fullmatch(_read(PROC / child / "cmdline").rstrip("\0 "))
        stat = _read(PROC / child / "stat")
        if title and title["database"] == database and stat:
            fields = _fields(stat)
            ticks = int(fields[11]) + int(fields[12])
            yield int(child), title["command"], fields[0], ticks / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has ended, or there is no /proc
        return ""


def _fields(stat: str) -> list[str]:
    """What follows the name, which may hold anything: state, parent, ..."""
    return stat.rsplit(") ", 1)[1].split()


def _own_cpu_seconds() -> float:
    """With the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
