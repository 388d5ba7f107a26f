"""The queries of `contract_sql`, ready in DuckDB: prepared once, asked about one table of lines after another.

Planning takes 50 to 150 ms and a plan that is ready 5: queries that nobody uses wait for the next load. DuckDB runs a
prepared query in one thread, so there is a DuckDB for each thread, with a share of the lines; that keeps their order.
"""

import atexit
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

import duckdb
import pyarrow as pa

from analytics_dagster.ingest.contract_sql import DOUBT, SETTINGS, ContractSql, Fault
from analytics_dagster.schemas.event_contract import EventRegistry

THREADS = 2
LINES_WORTH_A_THREAD = 4_096
LINES = pa.schema([("position", pa.int32()), ("claimed_tenant", pa.string()), ("line", pa.string())])


class Queries:
    """Not for two threads at once."""

    _waiting: ClassVar["list[Queries]"] = []
    _lock: ClassVar = Lock()

    def __init__(self, registered: AbstractSet[str], registry: EventRegistry) -> None:
        self._for = (frozenset(registered), registry)
        self._sql = ContractSql(registered, registry)
        self._duckdbs = [_Prepared(self._sql) for _ in range(THREADS)]
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ingest-check")

    @classmethod
    def take(cls, registered: AbstractSet[str], registry: EventRegistry) -> "Queries":
        """Those that wait, if they are for the same tenants and contracts; else new ones."""
        with cls._lock:
            if cls._waiting and cls._waiting[-1]._for == (registered, registry):
                return cls._waiting.pop()
            cls.close_those_that_wait()
        return cls(registered, registry)

    @classmethod
    def close_those_that_wait(cls) -> None:
        while cls._waiting:
            cls._waiting.pop()._close()

    def give_back(self) -> None:
        self._waiting.append(self)

    def good(self, lines: pa.Table) -> pa.Table:
        """Of each line its position, whether it is certainly good, and its columns."""
        return self._ask("good", lines)

    def faulty(self, lines: pa.Table) -> Iterator[tuple[int, list[Fault]]]:
        """The position of each line that is certainly faulty, and its faults."""
        found = self._ask("faulty", lines)
        found = found.filter(found["certain"])
        for position, numbers in zip(found["position"].to_pylist(), found["faults"].to_pylist(), strict=True):
            if numbers and DOUBT not in numbers:
                yield position, [self._sql.faults[number] for number in numbers]

    def _ask(self, name: str, lines: pa.Table) -> pa.Table:
        share = max(-(-lines.num_rows // THREADS), LINES_WORTH_A_THREAD)
        shares = [lines.slice(start, share) for start in range(0, lines.num_rows, share)]
        answers = self._threads.map(lambda duckdb, part: duckdb.ask(name, part), self._duckdbs, shares)
        return pa.concat_tables(answers)

    def _close(self) -> None:
        self._threads.shutdown()
        for prepared in self._duckdbs:
            prepared.close()


class _Prepared:
    """One DuckDB, and the table that its queries read."""

    def __init__(self, sql: ContractSql) -> None:
        self._queries = {"good": sql.good, "faulty": sql.faulty}
        self._prepared: set[str] = set()
        self._lines = _Lines(LINES.empty_table())
        self._duckdb = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                # nothing is fetched from anywhere: json and icu are inside the wheel
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._duckdb.execute(f"set timezone = 'UTC'; {SETTINGS}")
        self._duckdb.register("tenants", sql.tenants)
        self._duckdb.register("lines", self._lines)

    def ask(self, name: str, lines: pa.Table) -> pa.Table:
        if name not in self._prepared:
            self._duckdb.execute(f"prepare {name} as {self._queries[name]}")
            self._prepared.add(name)
        self._lines.table = lines
        try:
            return self._duckdb.sql(f"execute {name}").to_arrow_table()
        finally:
            self._lines.table = LINES.empty_table()

    def close(self) -> None:
        self._duckdb.close()


@dataclass
class _Lines:
    """What `lines` is to a prepared query: at each execution, the table that is here."""

    table: pa.Table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


atexit.register(Queries.close_those_that_wait)
