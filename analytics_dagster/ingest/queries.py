"""The queries of `contract_sql`, ready in a DuckDB: prepared once, asked about one table of lines after another.

Planning takes 50 to 150 ms and a plan that is ready 5: a DuckDB that nobody uses waits for the next load. It runs a
prepared query in one thread, so there is one DuckDB for each chunk that is checked at the same time.
"""

import atexit
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

import duckdb
import pyarrow as pa

from analytics_dagster.ingest.contract_sql import DOUBT, SETTINGS, ContractSql, Fault
from analytics_dagster.schemas.event_contract import EventRegistry

THREADS = 1  # chunks are checked side by side instead
LINES = pa.schema([("position", pa.int32()), ("claimed_tenant", pa.string()), ("line", pa.string())])


class Queries:
    """Not for two threads at once."""

    _waiting: ClassVar["list[Queries]"] = []

    def __init__(self, registered: AbstractSet[str], registry: EventRegistry) -> None:
        self._for = (frozenset(registered), registry)
        self._sql = ContractSql(registered, registry)
        self._lines = _Lines(LINES.empty_table())
        self._prepared: set[str] = set()
        self._duckdb = duckdb.connect(
            ":memory:",
            config={
                "threads": THREADS,
                # nothing is fetched from anywhere: json and icu are inside the wheel
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._duckdb.execute(f"set timezone = 'UTC'; {SETTINGS}")
        self._duckdb.register("tenants", self._sql.tenants)
        self._duckdb.register("lines", self._lines)

    @classmethod
    @contextmanager
    def lent(cls, registered: AbstractSet[str], registry: EventRegistry) -> Iterator["Queries"]:
        """One that waits, if it is for the same tenants and contracts; else a new one."""
        lent = cls._taken((frozenset(registered), registry)) or cls(registered, registry)
        yield lent
        lent._lines.table = LINES.empty_table()
        cls._waiting.append(lent)

    @classmethod
    def _taken(cls, wanted: tuple[frozenset[str], EventRegistry]) -> "Queries | None":
        while cls._waiting:
            with suppress(IndexError):  # another thread was quicker
                found = cls._waiting.pop()
                if found._for == wanted:
                    return found
                found._duckdb.close()
        return None

    @classmethod
    def close_waiting(cls) -> None:
        while cls._waiting:
            cls._waiting.pop()._duckdb.close()

    def good(self, lines: pa.Table) -> pa.Table:
        """Of each line its position, whether it is certainly good, and its columns."""
        return self._ask("good", self._sql.good, lines)

    def faulty(self, lines: pa.Table) -> Iterator[tuple[int, list[Fault]]]:
        """The position of each line that is certainly faulty, and its faults."""
        found = self._ask("faulty", self._sql.faulty, lines)
        found = found.filter(found["certain"])
        for position, numbers in zip(found["position"].to_pylist(), found["faults"].to_pylist(), strict=True):
            if numbers and DOUBT not in numbers:
                yield position, [self._sql.faults[number] for number in numbers]

    def _ask(self, name: str, query: str, lines: pa.Table) -> pa.Table:
        if name not in self._prepared:
            self._duckdb.execute(f"prepare {name} as {query}")
            self._prepared.add(name)
        self._lines.table = lines
        return self._duckdb.sql(f"execute {name}").to_arrow_table()


@dataclass
class _Lines:
    """What `lines` is to a prepared query: at each execution, the table that is here."""

    table: pa.Table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


atexit.register(Queries.close_waiting)  # a DuckDB that is open when Python ends is told as a leak
