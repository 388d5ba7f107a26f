"""Sorted runs of hashes in the warehouse, in pages that a hash leads to: writing, looking up, merging.

Everything here happens inside the load's transaction, so a load that dies leaves no trace.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg

from analytics_dagster.ingest.known.filters import REGION_BITS, Filter, bytes_for
from analytics_dagster.ingest.known.identity import NONE, Hashes

HASHES_IN_A_PAGE = 128  # at most, on average
PAGE_BYTES = HASHES_IN_A_PAGE * 8
SLICE_BITS = REGION_BITS  # hashes are written and merged in 64 slices, so that memory does not grow with the runs
MERGE_WIDTH = 8
SMALLEST_TIER = 8_192
NATIVE = "<u8"

# `lateral`, because of tables filled a moment ago the planner knows nothing, and would read them whole
LOOK_UP = """
select found.hashes
from unnest(%s::bigint[], %s::integer[]) as wanted (run_id, page)
cross join lateral (
    select p.hashes from raw.known_pages as p where p.run_id = wanted.run_id and p.page = wanted.page limit 1
) as found
"""


@dataclass(frozen=True)
class Run:
    run_id: int
    hashes: int
    page_bits: int

    @property
    def filter_bytes(self) -> int:
        return bytes_for(self.hashes)

    @property
    def tier(self) -> int:
        """Runs of a tier are of like size; each tier is MERGE_WIDTH times the one below it."""
        size, tier = self.hashes // SMALLEST_TIER, 0
        while size:
            size, tier = size // MERGE_WIDTH, tier + 1
        return tier


def stored_runs(connection: psycopg.Connection) -> list[Run]:
    rows = connection.execute("select run_id, hashes, page_bits from raw.known_runs order by run_id")
    return [Run(*row) for row in rows]


def read_filter(connection: psycopg.Connection, run: Run) -> Filter:
    query = "select bits from raw.known_filters where run_id = %s order by piece"
    pieces = connection.execute(query, [run.run_id], binary=True).fetchall()
    return Filter.from_bytes(b"".join(piece for (piece,) in pieces))


def on_their_pages(connection: psycopg.Connection, searched: Iterable[tuple[Run, Hashes]]) -> Hashes:
    """Every hash on the pages of these runs where one of those that are searched in it would be."""
    run_ids: list[int] = []
    pages: list[int] = []
    for run, hashes in searched:
        wanted = np.unique(_page(hashes, run.page_bits)).tolist()
        run_ids += [run.run_id] * len(wanted)
        pages += wanted
    if not pages:
        return NONE
    rows = connection.execute(LOOK_UP, [run_ids, pages], binary=True).fetchall()
    return np.frombuffer(b"".join(page for (page,) in rows), dtype=NATIVE)


def slices(hashes: Hashes) -> list[Hashes]:
    """Sorted ones, cut where a page begins."""
    page_bits = _page_bits(len(hashes))
    slice_bits = min(SLICE_BITS, page_bits)
    beginnings = np.arange(1, 1 << slice_bits, dtype=np.uint64) << np.uint64(64 - slice_bits)
    return np.split(hashes, np.searchsorted(hashes, beginnings)) if slice_bits else [hashes]


def write_run(connection: psycopg.Connection, slices: Iterable[Hashes], parts: int, count: int) -> Run:
    """`slices` in rising order, each sorted; as many as `parts`, and of each the hashes that begin with its number."""
    page_bits = _page_bits(count)
    row = connection.execute(
        "insert into raw.known_runs (hashes, page_bits) values (%s, %s) returning run_id",
        [count, page_bits],
    ).fetchone()
    assert row is not None  # noqa: S101 - `returning` returns
    for number, hashes in enumerate(slices):
        part = Filter.sized_for(count, number, parts)
        part.add(hashes)
        connection.execute(
            "insert into raw.known_filters (run_id, piece, bits) values (%s, %s, %b)", [row[0], number, bytes(part)]
        )
        _write_pages(connection, row[0], page_bits, hashes)
    return Run(row[0], count, page_bits)


def _write_pages(connection: psycopg.Connection, run_id: int, page_bits: int, hashes: Hashes) -> None:
    pages, starts = np.unique(_page(hashes, page_bits), return_index=True)
    ends = [*starts[1:].tolist(), len(hashes)]
    data = hashes.astype(NATIVE).tobytes()
    with (
        connection.cursor() as cursor,
        cursor.copy("copy raw.known_pages (run_id, page, hashes) from stdin (format binary)") as copy,
    ):
        copy.set_types(["int8", "int4", "bytea"])
        for page, start, end in zip(pages.tolist(), starts.tolist(), ends, strict=True):
            copy.write_row((run_id, page, data[start * 8 : end * 8]))


def merge_like_runs(connection: psycopg.Connection, runs: list[Run]) -> list[Run]:
    """Until no tier has MERGE_WIDTH runs; gives what is left. A hash is rewritten once for each tier it passes."""
    for tier in range(max((run.tier for run in runs), default=0) + MERGE_WIDTH):
        like = [run for run in runs if run.tier == tier]
        if len(like) < MERGE_WIDTH:
            continue
        slice_bits = min(SLICE_BITS, *(run.page_bits for run in like))
        slices = (_merged(connection, like, number, slice_bits) for number in range(1 << slice_bits))
        merged = write_run(connection, slices, 1 << slice_bits, sum(run.hashes for run in like))
        connection.execute("delete from raw.known_runs where run_id = any(%s)", [[run.run_id for run in like]])
        runs = [run for run in runs if run not in like] + [merged]
    return runs


def _merged(connection: psycopg.Connection, runs: Sequence[Run], number: int, slice_bits: int) -> Hashes:
    whole = np.concatenate([_pages(connection, run, number, run.page_bits - slice_bits) for run in runs])
    whole.sort()
    return whole


def _pages(connection: psycopg.Connection, run: Run, number: int, bits: int) -> Hashes:
    rows = connection.execute(
        "select hashes from raw.known_pages where run_id = %s and page >= %s and page < %s",
        [run.run_id, number << bits, (number + 1) << bits],
        binary=True,
    )
    return np.frombuffer(b"".join(page for (page,) in rows), dtype=NATIVE)


def _page_bits(count: int) -> int:
    return (count // HASHES_IN_A_PAGE).bit_length()


def _page(hashes: Hashes, page_bits: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    if page_bits == 0:
        return np.zeros(len(hashes), dtype=np.int64)
    return (hashes >> np.uint64(64 - page_bits)).astype(np.int64)
