"""Loading: events/s end to end against the bare COPY and what else people use; latency, memory, cost of history.

`python benchmarks/loading.py [--events 1000000] [--only comparison ...] [--repeat 3] [--quick] [--json FILE]`: on a
PostgreSQL of its own with the settings of production, which is thrown away afterwards.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _alternatives import bare_copy
from _databases import Databases, embedded
from _events import EventFile
from _watch import Watch

from analytics_dagster.ingest import books, load_day
from analytics_dagster.warehouse import WarehouseUrl, connect


@dataclass
class Way:
    """One way to load."""

    name: str
    events: int  # lines that it reads
    rows: int  # that must be there afterwards
    table: str
    load: Callable[[WarehouseUrl], object]


def compare(databases: Databases, folder: Path, events: int, repeat: int) -> dict[str, Any]:
    """All ways in turns, each into a fresh database; the turns begin with another one each time."""
    file = EventFile(events)
    landing = folder / "landing"
    file.land(landing)
    clean = file.write_clean(folder / "clean.csv")
    ways = [
        Way("ours", events, file.accepted, "raw.events", lambda url: load_day(url, landing, file.day)),
        Way("COPY", file.accepted, file.accepted, "bare.events", lambda url: bare_copy(url, clean)),
    ]
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    watch = Watch()
    for turn in range(repeat):
        for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
            with databases.fresh() as url:
                with watch.of(way.name, url):
                    started = time.perf_counter()
                    way.load(url)
                    seconds[way.name].append(time.perf_counter() - started)
                prove(url, way, file)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{events:,} lines, {landing_bytes(landing) / events:.0f} bytes each; median of {repeat}")
    for way in ways:
        print(f"{way.name:<10} {medians[way.name]:7.2f} s   {events / medians[way.name]:>9,.0f} events/s")
        for line in watch.lines(way.name):
            print(f"    {line}")
    print(f"ours reaches {medians['COPY'] / medians['ours']:.2f} of COPY")
    return {"seconds": seconds}


def prove(url: WarehouseUrl, way: Way, file: EventFile) -> None:
    """Every way brought what it promised, and ours can account for each line."""
    with connect(url) as connection:
        found = connection.execute(f"select count(*) from {way.table}").fetchone()
        assert found == (way.rows,), f"{way.name}: {found} rows instead of {way.rows}"
        if way.name != "ours":
            return
        account = books(connection, [file.day])
        assert all(book.balances for book in account)
        totals = tuple(
            sum(getattr(book, word) for book in account)
            for word in ("received", "accepted", "duplicate", "quarantined")
        )
        assert totals == (file.events, file.accepted, file.repeats, file.quarantined), totals


def landing_bytes(landing: Path) -> int:
    return sum(path.stat().st_size for path in landing.rglob("*.ndjson"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="analytics-events-") as name, embedded() as server:
        databases = Databases(server)
        figures["comparison"] = compare(databases, Path(name), given.events, given.repeat)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
