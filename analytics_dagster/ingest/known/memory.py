"""Which events the warehouse has: asked for whole chunks at a time, by the hash of their tenant and id.

In two steps, because nearly every event is new. The sieve is in memory, needs no connection and may be wrong to one
side only; the register is exact and asked about the few that the sieve does not let pass.
"""

from collections.abc import Sequence

import numpy as np
import psycopg
import pyarrow as pa

from analytics_dagster.ingest.known import runs
from analytics_dagster.ingest.known.filters import Filter
from analytics_dagster.ingest.known.identity import Hashes, Mask, hash_key, identities

RUN_LENGTH = 1 << 20  # of a longer load: its hashes do not stay in memory
IDS_AT_A_TIME = 100_000


class Sieve:
    """Lets pass what is certainly new; remembers what was asked."""

    def __init__(self, history: Sequence[Filter]) -> None:
        self._filters = list(history)
        self._room = 0

    def doubtful(self, hashes: Hashes) -> Mask:
        """Those that may be known; all are, from now on."""
        mask = np.zeros(len(hashes), dtype=bool)
        for known in self._filters:
            clear = np.flatnonzero(~mask)
            mask[clear] = known.maybe(hashes[clear])
        self._remember(hashes)
        return mask

    def _remember(self, hashes: Hashes) -> None:
        if len(hashes) == 0:
            return
        if self._room < len(hashes):
            self._filters.append(Filter.sized_for(max(RUN_LENGTH, len(hashes))))
            self._room = max(RUN_LENGTH, len(hashes))
        self._filters[-1].add(hashes)
        self._room -= len(hashes)


class Register:
    """Every accepted event of the warehouse and of this load, exactly."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.key = hash_key(connection)
        self._runs = runs.stored_runs(connection)
        self._filters: dict[int, Filter] = {}
        self._unwritten: list[Hashes] = []

    def sieve(self, lines: int) -> Sieve:
        """For a load of about so many lines. A small one asks the register at once, which costs it less."""
        if lines * len(self._runs) * runs.PAGE_BYTES < sum(run.filter_bytes for run in self._runs):
            return Sieve([Filter.full()])
        self._filters = {run.run_id: runs.read_filter(self._connection, run) for run in self._runs}
        return Sieve([*self._filters.values()])

    def knows(self, hashes: Hashes) -> Mask:
        wanted = [(run, self._not_filtered(run, hashes)) for run in self._runs]
        mask = _among(hashes, np.sort(runs.on_their_pages(self._connection, wanted)))
        for unwritten in self._unwritten:
            mask |= _among(hashes, unwritten)
        return mask

    def _not_filtered(self, run: runs.Run, hashes: Hashes) -> Hashes:
        known = self._filters.get(run.run_id)
        return hashes if known is None else hashes[known.maybe(hashes)]

    def add(self, hashes: Hashes) -> None:
        """New ones only, each once."""
        if len(hashes) == 0:
            return
        self._unwritten.append(np.sort(hashes))
        if sum(map(len, self._unwritten)) >= RUN_LENGTH:
            self.write()

    def write(self) -> None:
        if not self._unwritten:
            return
        whole = np.concatenate(self._unwritten)
        self._unwritten = []
        whole.sort()
        slices = runs.slices(whole)
        written = runs.write_run(self._connection, slices, len(slices), len(whole))
        self._runs = runs.merge_like_runs(self._connection, [*self._runs, written])


def _among(hashes: Hashes, known: Hashes) -> Mask:
    """`known` is sorted, and much longer: what numpy offers would sort it anew each time."""
    if len(known) == 0:
        return np.zeros(len(hashes), dtype=bool)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: Mask = known[places] == hashes
    return found


def remember_history(connection: psycopg.Connection) -> None:
    """A warehouse with events and no memory of them, or the other way round, such as one half restored, is mended."""
    query = "select exists (select from raw.events) <> exists (select from raw.known_runs)"
    if connection.execute(query).fetchone() == (True,):
        rebuild(connection)


def rebuild(connection: psycopg.Connection) -> int:
    """Make the memory anew, of what raw.events holds."""
    with connection.transaction():
        connection.execute("delete from raw.known_runs")
        register = Register(connection)
        seen = 0
        with connection.cursor(name="known_events", binary=True) as cursor:
            cursor.itersize = IDS_AT_A_TIME
            cursor.execute("select tenant_id, event_id from raw.events")
            while rows := cursor.fetchmany(IDS_AT_A_TIME):
                tenants, event_ids = zip(*rows, strict=True)
                register.add(identities(pa.array(tenants), pa.array(event_ids), register.key))
                seen += len(rows)
        register.write()
        return seen
