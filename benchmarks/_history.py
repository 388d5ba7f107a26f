"""What history costs: the same file loaded onto 20 M events and onto an empty table."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

from _alternatives import copy_csv
from _asked import Asked
from _comparison import prove_books
from _databases import Databases
from _events import EVENTS_A_DAY, EventFile
from _load_once import CONTRACTS

from analytics_dagster.ingest.known import rebuild
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.warehouse import WarehouseUrl, connect

ASKED_RATIO = 1.3


def cost_of_history(
    databases: Databases, folder: Path, events: int, history: int, repeat: int
) -> tuple[dict[str, Any], list[Asked]]:
    """Each pair has a file of its own, of which 1 % repeats the history; the history grows by it."""
    seconds: dict[str, list[float]] = {"empty": [], "history": []}
    with databases.fresh() as full:
        started = perf_counter()
        make_history(full, folder, history)
        print(f"\n{events:,} events onto {history:,}, which were made in {perf_counter() - started:.0f} s")
        for turn in range(repeat):
            first = max(history, EVENTS_A_DAY) + turn * max(events, EVENTS_A_DAY)
            file = EventFile(events, first=first, history=history)
            landed = file.land(folder / f"landing-{turn}")
            for place in ("empty", "history") if turn % 2 == 0 else ("history", "empty"):
                with databases.settled(full) if place == "history" else databases.fresh() as url:
                    started = perf_counter()
                    load_day(url, folder / f"landing-{turn}", file.day, CONTRACTS)
                    seconds[place].append(perf_counter() - started)
                    prove_books(url, file, history=place == "history")
            landed.unlink()
    empty, onto = (statistics.median(times) for times in seconds.values())
    for place, times in seconds.items():
        print(f"{place:<10} {statistics.median(times):>8.2f} s   {', '.join(f'{one:.2f}' for one in times)}")
    asked = Asked(f"seconds onto {history:,} / onto none", onto / empty, at_most=ASKED_RATIO, unit=" x")
    return {"events": events, "history": history, "seconds": seconds, "ratio": onto / empty}, [asked]


def make_history(url: WarehouseUrl, folder: Path, events: int) -> None:
    """As earlier loads and autovacuum have left it: a batch for each day, its rows frozen, the table analysed."""
    piece = min(events, EVENTS_A_DAY)
    files = [EventFile(piece, first=first) for first in range(0, events, piece)]

    def clean(batch_id: int, file: EventFile) -> Path:
        return file.write_clean(folder / f"history-{batch_id}.csv", batch_id=batch_id)

    with connect(url) as connection, ThreadPoolExecutor(max_workers=1) as ahead:
        connection.execute("truncate raw.events")  # what fills it in the same transaction skips the log
        made = ahead.map(clean, count(1), files)
        for batch_id, file, path in zip(count(1), files, made, strict=False):
            connection.execute(
                "insert into raw.batches (batch_id, load_day, path, content_sha256, bytes) overriding system value"
                " values (%s, %s, %s, %s, %s)",
                [batch_id, file.day, f"{file.day}/history.ndjson", f"{batch_id:064x}", path.stat().st_size],
            )
            copy_csv(connection, "raw.events", path, freeze=True)
            path.unlink()
    with connect(url, autocommit=True) as connection:
        connection.execute("analyze raw.events")
        rebuild(connection)
