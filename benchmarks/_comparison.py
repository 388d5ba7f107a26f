"""The same events by every way into PostgreSQL, in turns: seconds, events/s, and which core is the limit."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from _alternatives import Dlt, bare_copy, pandas_to_sql, pydantic_row_by_row
from _asked import Asked
from _databases import Databases
from _events import EventFile
from _load_once import CONTRACTS
from _watch import Watch

from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.warehouse import WarehouseUrl, connect

ALTERNATIVES = ("copy", "pandas", "pydantic", "dlt")
SMALLER = 10  # times: from a large file the slow ones get a part, and are compared by events/s
LARGE = 100_000
ASKED = {"copy": 0.8, "pandas": 5.0, "dlt": 10.0}
LEGEND = """\
where the time goes: COPY is PostgreSQL taking events in, and waiting in it for the next piece of them; idle in a
transaction it waits for lines to be read and checked; the other commands find repeats and write the books"""


@dataclass
class Way:
    """One way to load: what it does returns the seconds it took."""

    name: str
    table: str
    rows: int  # events that are in the table afterwards
    load: Callable[[WarehouseUrl], float]
    remark: str


def compare(
    databases: Databases, folder: Path, events: int, repeat: int, against: Sequence[str], cache: Path
) -> tuple[dict[str, Any], list[Asked]]:
    """Each load goes into a fresh database, is counted, and begins another time in another place of the turn."""
    file = EventFile(events)
    landed = file.land(folder / "landing")
    ways = [_ours(file, folder / "landing"), *_alternatives(file, folder, against, cache)]
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    watch = Watch()
    for turn in range(repeat):
        start = turn % len(ways)
        for way in ways[start:] + ways[:start]:
            with databases.fresh() as url:
                with watch.of(way.name, url):
                    seconds[way.name].append(way.load(url))
                _prove(url, way, file)
    size = landed.stat().st_size / events
    print(f"\n{events:,} lines of {size:.0f} bytes, median of {repeat}; events/s are those in the table afterwards")
    return _told(ways, seconds, watch)


def _ours(file: EventFile, landing: Path) -> Way:
    def load(url: WarehouseUrl) -> float:
        started = perf_counter()
        load_day(url, landing, file.day, CONTRACTS)
        return perf_counter() - started

    return Way("ours", "raw.events", file.accepted, load, "checked, deduplicated, committed, accounted")


def _alternatives(file: EventFile, folder: Path, against: Sequence[str], cache: Path) -> list[Way]:
    share = SMALLER if file.events >= LARGE else 1
    small = EventFile(file.events // share)
    remark = f"1/{share} of the lines" if share > 1 else "all lines"
    readable = small.write_lines(folder / "readable.jsonl", malformed=False)
    ways = []
    if "copy" in against:
        clean = file.write_clean(folder / "clean.csv")
        ways.append(Way("copy", "bare.events", file.accepted, lambda url: bare_copy(url, clean), "clean CSV"))
    if "pandas" in against:
        ways.append(
            Way(
                "pandas",
                "bare.events",
                small.events - small.quarantined,
                lambda url: pandas_to_sql(url, readable, small.day),
                f"{remark}, without the malformed; read_json + to_sql, 10,000 at once, psycopg 3",
            )
        )
    if "pydantic" in against:
        lines = small.write_lines(folder / "lines.ndjson")
        ways.append(
            Way(
                "pydantic",
                "bare.events",
                small.events - small.quarantined,
                lambda url: pydantic_row_by_row(url, lines, small.day),
                f"{remark}; row by row + executemany, 10,000 at once",
            )
        )
    if "dlt" in against:
        dlt = Dlt(cache)
        if problem := dlt.install():
            print(f"dlt is left out: {problem}")
        else:
            ways.append(
                Way(
                    "dlt",
                    "by_dlt.events",
                    small.events - small.quarantined,
                    lambda url: dlt.load(url, readable),
                    f"{remark}, without the malformed; its defaults, no index",
                )
            )
    return ways


def _prove(url: WarehouseUrl, way: Way, file: EventFile) -> None:
    """Every way brought what it promised, and ours can account for each line."""
    with connect(url) as connection:
        found = connection.execute(f"select count(*) from {way.table}").fetchone()
        assert found == (way.rows,), f"{way.name}: {found} rows instead of {way.rows}"
        if way.name == "ours":
            prove_books(url, file)


def prove_books(url: WarehouseUrl, file: EventFile, *, history: bool = False) -> None:
    repeats = file.repeats + (file.repeats_of_history if history else 0)
    expected = (file.events, file.events - repeats - file.quarantined, repeats, file.quarantined)
    with connect(url) as connection:
        lines = books(connection, [file.day])
    assert all(line.balances for line in lines), lines
    found = tuple(
        sum(getattr(line, word) for line in lines) for word in ("received", "accepted", "duplicate", "quarantined")
    )
    assert found == expected, f"received, accepted, duplicate, quarantined: {found} instead of {expected}"


def _told(ways: list[Way], seconds: dict[str, list[float]], watch: Watch) -> tuple[dict[str, Any], list[Asked]]:
    rates = {way.name: way.rows / statistics.median(seconds[way.name]) for way in ways}
    figures: dict[str, Any] = {}
    print(f"{'':<10} {'seconds':>8} {'fastest to slowest':>20} {'events/s':>10} {'ours is':>10}")
    for way in ways:
        times = seconds[way.name]
        ratio = rates["ours"] / rates[way.name]
        spread = f"{min(times):.2f} – {max(times):.2f}"
        middle = statistics.median(times)
        print(f"{way.name:<10} {middle:>8.2f} {spread:>20} {rates[way.name]:>10,.0f} {ratio:>8.2f} x   {way.remark}")
        figures[way.name] = {
            "seconds": times,
            "events_per_second": rates[way.name],
            "ours_is_times": ratio,
            "time": watch.shares(way.name),
        }
    print(LEGEND)
    for name in [name for name in ("ours", "copy") if name in figures]:
        for line in watch.lines(name):
            print(f"  {name:<9} {line}")
    asked = [
        Asked(f"events/s of ours / of {name}", rates["ours"] / rates[name], at_least=least, unit=" x")
        for name, least in ASKED.items()
        if name in rates
    ]
    return figures, asked
