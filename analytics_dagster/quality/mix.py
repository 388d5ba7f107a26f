"""How the mix of event names of a load differs from its tenant's last ones.

Mixes are kept as numbers (load, name, count): as dictionaries, those of a thousand tenants would take 100 MB.
"""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from analytics_dagster.quality.usual import first_of_window

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOADS, FEWEST = 28, 5


@dataclass(frozen=True, slots=True)
class Mixes:
    """How often a load had a name, by ascending load."""

    loads: Ints
    names: Ints
    counts: Ints

    def table(self, begin: int, end: int) -> Floats:
        """A row for each of these loads, a column for each name that one of them has."""
        part = slice(*np.searchsorted(self.loads, [begin, end]))
        known, columns = np.unique(self.names[part], return_inverse=True)
        table = np.zeros((end - begin, len(known)))
        table[self.loads[part] - begin, columns] = self.counts[part]
        return table


@dataclass(slots=True)
class MixReader:
    """Takes mixes one after the other."""

    _size: int = 0
    _codes: dict[str, int] = field(default_factory=dict)
    _loads: "array[int]" = field(default_factory=lambda: array("q"))
    _names: "array[int]" = field(default_factory=lambda: array("q"))
    _counts: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, mix: Mapping[str, int]) -> None:
        for name, count in mix.items():
            self._loads.append(self._size)
            self._names.append(self._codes.setdefault(name, len(self._codes)))
            self._counts.append(count)
        self._size += 1

    def ordered(self, order: Ints) -> Mixes:
        """With the loads in this order of those that were added."""
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        loads = place[np.array(self._loads, dtype=np.int64)]
        by_load = np.argsort(loads, kind="stable")
        names, counts = np.array(self._names, dtype=np.int64), np.array(self._counts, dtype=np.int64)
        return Mixes(loads[by_load], names[by_load], counts[by_load])


def shifts(keys: Ints, mixes: Mixes, rows: Ints) -> tuple[Floats, Floats]:
    """For each row: the distance (total variation) of its mix from the pooled mix of the last 28 loads, and the share
    of its events whose name none of them had. NaN without events, and with fewer than five loads that had some."""
    distance, new = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    firsts = np.maximum(first_of_window(keys, rows), rows - LOADS)
    order = np.argsort(rows)
    for group in _touching(firsts[order], rows[order]):
        some = order[group]
        begin = int(firsts[some].min())
        counts = mixes.table(begin, int(rows[some].max()) + 1)
        until = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
        filled = np.concatenate([[0], np.cumsum(counts.any(axis=1))])
        own, low = rows[some] - begin, firsts[some] - begin
        events, pooled = counts[own], until[own] - until[low]
        known = (filled[own] - filled[low] >= FEWEST) & events.any(axis=1)
        total = np.where(known, events.sum(axis=1), 1)
        usual = pooled / np.where(known, pooled.sum(axis=1), 1)[:, None]
        # fsum: the same to the last bit in whatever order the names came
        apart = np.array([math.fsum(row) / 2 for row in np.abs(events / total[:, None] - usual).tolist()])
        distance[some] = np.where(known, apart, np.nan)
        new[some] = np.where(known, np.where(pooled == 0, events, 0).sum(axis=1) / total, np.nan)
    return distance, new


def _touching(firsts: Ints, rows: Ints) -> list[slice]:
    """Neighbours in ascending rows, of which each one's window reaches back to the one before: one table serves them.
    Windows of different tenants never touch."""
    breaks = np.flatnonzero(firsts[1:] > rows[:-1]) + 1
    return [slice(begin, end) for begin, end in pairwise([0, *breaks.tolist(), len(rows)])]
