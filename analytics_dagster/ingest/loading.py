"""One loading day into the warehouse: one transaction, all or nothing, and books that balance.

Which lines are good is `checking`'s decision, which are repeats that of `repeats`; here they meet and are counted.
Reading and checking run ahead in threads of their own while PostgreSQL takes a chunk.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path

import psycopg
import pyarrow as pa

from analytics_dagster.ingest import repeats, writing
from analytics_dagster.ingest.ahead import made_ahead, one_ahead
from analytics_dagster.ingest.allocation import give_back_freed_memory
from analytics_dagster.ingest.batches import Batch, UnfitError, chunks, new_content, note_long_lines
from analytics_dagster.ingest.checking import Checked, Checker, RefusedLine
from analytics_dagster.ingest.intake import intake_of_today
from analytics_dagster.ingest.known import Mask, Register, Sieve, remember_history
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.ingest.preparing import Prepared, Preparer
from analytics_dagster.ingest.report import UNKNOWN_TENANT, FileProblem, LoadReport, Tally
from analytics_dagster.schemas.event_contract import NO_EVENT_CONTRACTS, EventRegistry
from analytics_dagster.warehouse import WarehouseUrl, connect

LOCK = "analytics-dagster load"
CHECKED_AT_ONCE = 2  # chunks, on a core each; more would be more memory
SHORTEST_LINE = 100  # bytes, of what usually comes: for an estimate

Count = Counter[tuple[int, str]]


def load_day(
    warehouse: WarehouseUrl | psycopg.Connection,
    landing_dir: Path,
    day: date,
    registry: EventRegistry = NO_EVENT_CONTRACTS,
) -> LoadReport:
    """Load the files of a day that are not in the warehouse yet; two loads at once take turns."""
    give_back_freed_memory()
    unfit: dict[Path, FileProblem] = {}
    with _connection(warehouse) as connection:
        while True:
            try:
                with connection.transaction():
                    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
                    return _load(connection, landing_dir, day, registry, unfit)
            except UnfitError as error:
                unfit[error.path] = error.problem


def _connection(
    warehouse: WarehouseUrl | psycopg.Connection,
) -> AbstractContextManager[psycopg.Connection]:
    return connect(warehouse) if isinstance(warehouse, WarehouseUrl) else nullcontext(warehouse)


def _load(
    connection: psycopg.Connection,
    landing_dir: Path,
    day: date,
    registry: EventRegistry,
    unfit: dict[Path, FileProblem],
) -> LoadReport:
    landing = pending_files(landing_dir, day)
    problems = [*landing.problems, *unfit.values()]
    batches, seen = new_content(connection, landing.days.get(day, []), unfit.keys(), problems)
    first = writing.reserve_batches(connection)
    for batch_id, batch in enumerate(batches, start=first):
        batch.batch_id = batch_id
    books = _write(connection, day, batches, registry) if batches else {}
    writing.write_sightings(connection, day, [(batch.file.name, batch.sha256) for batch in [*batches, *seen]])
    problems += [problem for batch in batches for problem in batch.problems()]
    return LoadReport(
        day=day,
        files_read=len(batches),
        files_seen=len(seen),
        tenants=_by_tenant(books),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
    )


def _write(
    connection: psycopg.Connection, day: date, batches: list[Batch], registry: EventRegistry
) -> dict[tuple[int, str], Tally]:
    writing.write_batches(connection, day, [(batch.batch_id, batch.file.name, batch.bytes) for batch in batches])
    remember_history(connection)
    register = Register(connection)
    sieve = register.sieve(lines=sum(batch.bytes for batch in batches) // SHORTEST_LINE)
    accepted, duplicate, quarantined, oversized = Count(), Count(), Count(), Count()
    intake = intake_of_today(connection, registry)
    preparer = Preparer(Checker(intake), register.key, day)
    with (
        repeats.comparing(connection),
        one_ahead(chunks(batches)) as read,
        made_ahead(preparer.prepare, read, CHECKED_AT_ONCE) as ready,
        one_ahead(_sifted(ready, sieve)) as sifted,
    ):
        for checked, chunk, doubtful, certain in sifted:
            settled = repeats.settle(connection, chunk, doubtful, certain, register)
            refused = [*checked.refused, *checked.conflicts(settled.conflicting)]
            writing.write_quarantine(connection, day, refused)
            accepted += chunk.count(settled.new)
            duplicate += chunk.count(settled.duplicate)
            quarantined += _count(refused)
            oversized += checked.oversized
            note_long_lines(batches, refused)
    register.write()
    writing.name_contents(connection, [(batch.batch_id, batch.sha256) for batch in batches])
    books = {
        key: Tally(
            received=accepted[key] + duplicate[key] + quarantined[key],
            accepted=accepted[key],
            duplicate=duplicate[key],
            quarantined=quarantined[key],
        )
        for key in sorted(accepted.keys() | duplicate.keys() | quarantined.keys())
    }
    writing.write_accounts(connection, day, books, oversized)
    for batch in batches:
        if batch.flaw:
            account = intake.account_of(batch.file.claimed_tenant)
            writing.write_flaw(connection, day, batch.batch_id, account, batch.flaw)
    return books


def _sifted(
    ready: Iterable[tuple[Checked, Prepared]], sieve: Sieve
) -> Iterator[tuple[Checked, Prepared, Mask, pa.Array]]:
    """With those that may be repeats, and the data of all others."""
    for checked, chunk in ready:
        doubtful = chunk.repeated | sieve.doubtful(chunk.hashes)
        yield checked, chunk, doubtful, chunk.in_order(~doubtful)


def _count(refused: list[RefusedLine]) -> Count:
    return Counter((line.batch_id, line.refusal.tenant_id or UNKNOWN_TENANT) for line in refused)


def _by_tenant(books: dict[tuple[int, str], Tally]) -> dict[str, Tally]:
    tenants: dict[str, Tally] = {}
    for (_, tenant_id), tally in sorted(books.items(), key=lambda book: book[0][1]):
        tenants[tenant_id] = tenants.get(tenant_id, Tally()) + tally
    return tenants
