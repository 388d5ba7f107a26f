"""Where the time of a load goes, seen from outside: which core works, and what PostgreSQL says that it does.

PostgreSQL writes the command that runs into its process title; /proc has it, and whether the process runs, sleeps or
waits for the disk. Nothing of the loader is touched. Without /proc nothing is seen, and nothing is said.
"""

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics_dagster.warehouse import WarehouseUrl

PROC = Path("/proc")
INTERVAL = 0.02
SHOWN = 0.01
OURS, POSTGRESQL = "the loader", "PostgreSQL"
TICKS = os.sysconf("SC_CLK_TCK")
TITLE = re.compile(r"postgres: (?P<user>\S+) (?P<database>\S+) \S+ (?P<command>.+)")
STATES = {"R": "", "D": " (disk)"}


class Watch:
    """Sums up over the repeated runs of a way."""

    def __init__(self) -> None:
        self._wall: Counter[str] = Counter()
        self._cpu: dict[str, Counter[str]] = {}
        self._commands: dict[str, Counter[str]] = {}

    @contextmanager
    def of(self, name: str, url: WarehouseUrl) -> Iterator[None]:
        commands = self._commands.setdefault(name, Counter())
        backends: dict[int, float] = {}
        stop = threading.Event()

        def sample() -> None:
            before = time.perf_counter()
            while not stop.wait(INTERVAL):
                now = time.perf_counter()
                for backend, command, state in _backends(url.database):
                    backends[backend] = _cpu_seconds(backend)
                    commands[f"{command}{STATES.get(state, ' (waits)')}"] += now - before
                before = now

        own, started = _own_cpu_seconds(), time.perf_counter()
        watcher = threading.Thread(target=sample, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self._wall[name] += time.perf_counter() - started
            cpu = self._cpu.setdefault(name, Counter())
            cpu[OURS] += _own_cpu_seconds() - own
            cpu[POSTGRESQL] += sum(backends.values())

    def shares(self, name: str) -> dict[str, float]:
        """Of the time that passed: how much of a core was busy, and what PostgreSQL was at."""
        spent = self._cpu[name] + self._commands[name]
        return {what: seconds / self._wall[name] for what, seconds in spent.most_common()}

    def lines(self, name: str) -> list[str]:
        shares = self.shares(name)
        cores = ", ".join(f"{who} {shares.get(who, 0):.0%} of a core" for who in (OURS, POSTGRESQL))
        commands = ", ".join(
            f"{what} {share:.0%}" for what, share in shares.items() if what in self._commands[name] and share >= SHOWN
        )
        return [cores, f"PostgreSQL: {commands}"] if commands else []


def _backends(database: str) -> Iterator[tuple[int, str, str]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().rstrip(b"\0 ").decode(errors="replace")
            if (found := TITLE.fullmatch(title)) and found["database"] == database:
                state = (folder / "stat").read_text().rsplit(") ", 1)[1][0]
                yield int(folder.name), found["command"], state
        except OSError:
            continue  # it has ended


def _own_cpu_seconds() -> float:
    """With the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _cpu_seconds(process: int) -> float:
    try:
        fields = (PROC / str(process) / "stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS
