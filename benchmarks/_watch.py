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

        own, started = time.process_time(), time.perf_counter()
        watcher = threading.Thread(target=sample, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self._wall[name] += time.perf_counter() - started
            cpu = self._cpu.setdefault(name, Counter())
            cpu["this process"] += time.process_time() - own
            cpu["PostgreSQL"] += sum(backends.values())

    def lines(self, name: str) -> list[str]:
        wall = self._wall[name]
        cores = ", ".join(f"{who} {seconds / wall:.0%} of a core" for who, seconds in self._cpu[name].items())
        commands = ", ".join(
            f"{command} {seconds / wall:.0%}"
            for command, seconds in self._commands[name].most_common()
            if seconds >= 0.01 * wall
        )
        return [cores, f"PostgreSQL's time: {commands}"] if commands else []


def _backends(database: str) -> Iterator[tuple[int, str, str]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().rstrip(b"\0 ").decode(errors="replace")
            if (found := TITLE.fullmatch(title)) and found["database"] == database:
                state = (folder / "stat").read_text().rsplit(") ", 1)[1][0]
                yield int(folder.name), found["command"], state
        except OSError:
            continue  # it has ended


def _cpu_seconds(process: int) -> float:
    try:
        fields = (PROC / str(process) / "stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS
