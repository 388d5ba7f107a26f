"""Loading: events/s end to end against the bare COPY and what else people use; latency, memory, cost of history.

`python benchmarks/loading.py [--only comparison latency memory history] [--against copy pandas pydantic dlt]
[--events 1000000] [--repeat 3] [--quick] [--json FILE]`: on a PostgreSQL of its own with the settings of production,
in the folder for temporary files (TMPDIR), 25 GB for all of it; gone afterwards. Only dlt needs the network, once.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from _asked import Asked
from _comparison import ALTERNATIVES, compare, prove_books
from _databases import Databases, embedded
from _events import TENANTS, EventFile
from _history import cost_of_history
from _load_once import CONTRACTS

from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.verdict import judge
from analytics_dagster.settings import load_settings

JUDGED = 20_000
HISTORY = 20  # times the file
LARGE = 10  # times the file
ASKED_P99_MS, ASKED_MEMORY_RATIO, ASKED_MEMORY_MB = 1.0, 1.1, 800.0

Section = Callable[[Databases, Path], tuple[dict[str, Any], list[Asked]]]


def latency(_: Databases, folder: Path) -> tuple[dict[str, Any], list[Asked]]:
    """One line at a time on the exact path: the contract and the rules about lines, malformed ones included."""
    lines = EventFile(JUDGED).write_lines(folder / "lines.ndjson").read_bytes().splitlines()
    intake = Intake(frozenset(tenant for _, tenant, _ in TENANTS), CONTRACTS)
    times = []
    for line in lines:
        started = perf_counter_ns()
        judge(line, None, intake)
        times.append((perf_counter_ns() - started) / 1e6)
    times.sort()
    figures = {"p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100], "max_ms": times[-1]}
    print(f"\none event, judged exactly: {', '.join(f'{name} {ms:.3f}' for name, ms in figures.items())}")
    return figures, [Asked("one event, p99", figures["p99_ms"], at_most=ASKED_P99_MS, unit=" ms")]


def memory(databases: Databases, folder: Path, sizes: list[int]) -> tuple[dict[str, Any], list[Asked]]:
    """Each size in a process that loads and does nothing else; PostgreSQL's memory is not counted."""
    peaks = {}
    print()
    for events in sizes:
        file = EventFile(events)
        landing = folder / f"memory-{events}"
        landed = file.land(landing)
        with databases.fresh() as url:
            child = Path(__file__).with_name("_load_once.py")
            words = [sys.executable, str(child), str(landing), file.day.isoformat(), url.text(with_password=True)]
            peaks[events] = float(subprocess.check_output(words, text=True)) / 1e6
            prove_books(url, file)
        landed.unlink()
        print(f"peak memory of loading {events:>12,} events: {peaks[events]:6.0f} MB")
    largest = max(sizes)
    asked = [Asked(f"peak memory at {largest:,} events", peaks[largest], at_most=ASKED_MEMORY_MB, unit=" MB")]
    if len(sizes) > 1:
        ratio = peaks[largest] / peaks[min(sizes)]
        asked.append(Asked(f"of it at {min(sizes):,}", ratio, at_most=ASKED_MEMORY_RATIO, unit=" x"))
    return {f"{events}_events_mb": peak for events, peak in peaks.items()}, asked


def sections(given: argparse.Namespace) -> dict[str, Section]:
    cache = load_settings().state_dir / "benchmarks"
    sizes = [given.events] if given.quick else [given.events, LARGE * given.events]
    return {
        "comparison": lambda databases, folder: compare(
            databases, folder, given.events, given.repeat, given.against, cache
        ),
        "latency": latency,
        "memory": lambda databases, folder: memory(databases, folder, sizes),
        "history": lambda databases, folder: cost_of_history(
            databases, folder, given.events, HISTORY * given.events, given.repeat
        ),
    }


def main() -> None:
    given = arguments()
    sys.stdout.reconfigure(line_buffering=True)  # also into a file: it takes minutes
    figures: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, {platform.platform()}", "events": given.events}
    asked: list[Asked] = []
    with embedded() as server, Databases(server) as databases:
        for name, section in sections(given).items():
            if name in given.only:
                with tempfile.TemporaryDirectory(prefix="analytics-events-") as folder:
                    figures[name], more = section(databases, Path(folder))
                asked += more
    print("\n" + "\n".join(map(str, asked)))
    figures["asked"] = {one.what: {"value": one.value, "reached": one.reached} for one in asked}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(not all(one.reached for one in asked))


def arguments() -> argparse.Namespace:
    names = ("comparison", "latency", "memory", "history")
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="what to measure")
    parser.add_argument("--against", nargs="*", choices=ALTERNATIVES, default=ALTERNATIVES, help="what to compare with")
    parser.add_argument("--events", type=int, default=1_000_000, help="lines of the file")
    parser.add_argument("--repeat", type=int, default=3, help="turns; medians are told")
    parser.add_argument("--quick", action="store_true", help="without the memory at ten times the events")
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
