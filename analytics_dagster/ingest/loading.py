"""One loading day into the warehouse: one transaction, all or nothing, and books that balance.

Which lines are good is `checking`'s decision; here they are written, repeats are found, and it is counted.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psycopg

from analytics_dagster.ingest import writing
from analytics_dagster.ingest.ahead import one_ahead
from analytics_dagster.ingest.checking import Checked, Checker, Origin
from analytics_dagster.ingest.landing import LandingFile, pending_files
from analytics_dagster.ingest.reading import (
    BLOCK_BYTES,
    Block,
    ChangedWhileReadError,
    FileReading,
    Flaw,
    content_sha256,
)
from analytics_dagster.ingest.report import UNKNOWN_TENANT, FileProblem, LoadReport, Tally
from analytics_dagster.ingest.sizes import write_oversized
from analytics_dagster.ingest.verdict import LONGEST_LINE
from analytics_dagster.tenancy import Status, tenants_by_status
from analytics_dagster.tenancy.limits import tenant_limits
from analytics_dagster.warehouse import WarehouseUrl, connect

LOCK = "analytics-dagster load"
DEFERRED = "the next load tries it again"


@dataclass
class _Batch:
    """A file with new content, and what became of it."""

    file: LandingFile
    sha256: str
    bytes: int
    batch_id: int = 0
    flaw: Flaw | None = None
    deferred: bool = False
    long_lines: list[int] = field(default_factory=list)


def load_day(warehouse: WarehouseUrl | psycopg.Connection, landing_dir: Path, day: date) -> LoadReport:
    """Load the files of a day that are not in the warehouse yet; two loads at once take turns."""
    with _connection(warehouse) as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        return _load(connection, landing_dir, day)


def _connection(
    warehouse: WarehouseUrl | psycopg.Connection,
) -> AbstractContextManager[psycopg.Connection]:
    return connect(warehouse) if isinstance(warehouse, WarehouseUrl) else nullcontext(warehouse)


def _load(connection: psycopg.Connection, landing_dir: Path, day: date) -> LoadReport:
    landing = pending_files(landing_dir, day)
    problems = list(landing.problems)
    batches, seen = _new_content(connection, landing.days.get(day, []), problems)
    if not batches:
        writing.write_sightings(connection, day, [(copy.file.name, copy.sha256) for copy in seen])
        return LoadReport(day, files_seen=len(seen), problems=tuple(problems))
    first = writing.reserve_batches(connection)
    for batch_id, batch in enumerate(batches, start=first):
        batch.batch_id = batch_id
    registered = writing.registered_tenants(connection)
    offboarded = frozenset(tenants_by_status(connection, Status.OFFBOARDED))
    event_bytes = {tenant: limits.event_bytes for tenant, limits in tenant_limits(connection).items()}
    writing.write_batches(
        connection, day, [(batch.batch_id, batch.file.name, batch.sha256, batch.bytes) for batch in batches]
    )
    accepted: Counter[tuple[int, str]] = Counter()
    quarantined: Counter[tuple[int, str]] = Counter()
    oversized: Counter[tuple[int, str]] = Counter()
    with (
        Checker(registered, offboarded=offboarded, event_bytes=event_bytes) as checker,
        one_ahead(_checked(checker, batches)) as chunks,
    ):
        for checked in chunks:
            writing.write_events(connection, day, checked.accepted)
            writing.write_quarantine(connection, day, checked.refused)
            accepted += writing.rows_by_tenant(checked.accepted)
            oversized += checked.oversized
            quarantined += Counter(
                (line.batch_id, line.refusal.tenant_id or UNKNOWN_TENANT) for line in checked.refused
            )
            _note_long_lines(batches, first, checked)
    writing.remove_batches(connection, day, [batch.batch_id for batch in batches if batch.deferred])
    duplicates = writing.remove_repeats(connection, day, first)
    kept = [batch for batch in batches if not batch.deferred]
    books = {
        key: Tally(
            received=accepted[key] + quarantined[key],
            accepted=accepted[key] - duplicates[key],
            duplicate=duplicates[key],
            quarantined=quarantined[key],
        )
        for key in sorted(accepted.keys() | quarantined.keys())
        if not batches[key[0] - first].deferred
    }
    writing.write_accounts(connection, day, books)
    write_oversized(connection, oversized)
    missing = {batch.sha256 for batch in batches if batch.deferred}
    settled = [batch for batch in [*kept, *seen] if batch.sha256 not in missing]
    writing.write_sightings(connection, day, [(batch.file.name, batch.sha256) for batch in settled])
    for batch in kept:
        if batch.flaw:
            claimed = batch.file.claimed_tenant
            writing.write_flaw(
                connection, day, batch.batch_id, claimed if claimed in registered | offboarded else None, batch.flaw
            )
    problems += [problem for batch in batches for problem in _problems_of(batch)]
    return LoadReport(
        day=day,
        files_read=len(kept),
        files_seen=len(seen),
        tenants=_by_tenant(books),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
    )


def _new_content(
    connection: psycopg.Connection, files: list[LandingFile], problems: list[FileProblem]
) -> tuple[list[_Batch], list[_Batch]]:
    """The files whose content the warehouse does not know, and the copies of what it knows."""
    found: list[_Batch] = []
    for file in files:
        try:
            found.append(_Batch(file, content_sha256(file.path), file.path.stat().st_size))
        except OSError as error:
            problems.append(_unreadable(file, error))
    known = writing.known_contents(connection, [batch.sha256 for batch in found])
    new: dict[str, _Batch] = {}
    copies = []
    for batch in found:
        if batch.sha256 in known or batch.sha256 in new:
            copies.append(batch)
        else:
            new[batch.sha256] = batch
    return list(new.values()), copies


def _checked(checker: Checker, batches: list[_Batch]) -> Iterator[Checked]:
    """Small files share a chunk, large ones fill many."""
    chunk: list[tuple[Origin, Block]] = []
    size = 0
    for batch in batches:
        for block in _blocks(batch):
            chunk.append((Origin(batch.batch_id, batch.file.claimed_tenant), block))
            size += len(block.data)
            if size >= BLOCK_BYTES:
                yield checker.check(chunk)
                chunk, size = [], 0
    if chunk:
        yield checker.check(chunk)


def _blocks(batch: _Batch) -> Iterator[Block]:
    reading = FileReading(batch.file.path, batch.sha256)
    try:
        yield from reading.blocks()
        batch.flaw = reading.flaw
    except ChangedWhileReadError:
        batch.deferred = True
        batch.flaw = Flaw(
            "changed_while_read",
            f"changed while it was read, nothing of it is loaded: {DEFERRED}; let producers write to a hidden or"
            " .tmp name and rename at the end",
        )
    except OSError as error:
        batch.deferred = True
        batch.flaw = Flaw("unreadable", _unreadable(batch.file, error).message)


def _note_long_lines(batches: list[_Batch], first: int, checked: Checked) -> None:
    for line in checked.refused:
        if len(line.original) > LONGEST_LINE:
            batches[line.batch_id - first].long_lines.append(line.line_number)


def _problems_of(batch: _Batch) -> Iterator[FileProblem]:
    name = batch.file.name
    if batch.flaw:
        yield FileProblem(name, batch.flaw.rule, batch.flaw.message, batch.deferred)
    if batch.long_lines and not batch.deferred:
        others = len(batch.long_lines) - 1
        yield FileProblem(
            name,
            "line_too_long",
            f"line {batch.long_lines[0]}{f' (and {others} more)' if others else ''} is longer than"
            f" {LONGEST_LINE:,} bytes and in quarantine: ask its producer for one event a line",
        )


def _unreadable(file: LandingFile, error: OSError) -> FileProblem:
    reason = error.strerror or str(error)
    message = f"cannot be read ({reason}): correct its rights; {DEFERRED}"
    return FileProblem(file.name, "unreadable", message, deferred=True)


def _by_tenant(books: dict[tuple[int, str], Tally]) -> dict[str, Tally]:
    tenants: dict[str, Tally] = {}
    for (_, tenant_id), tally in sorted(books.items(), key=lambda book: book[0][1]):
        tenants[tenant_id] = tenants.get(tenant_id, Tally()) + tally
    return tenants
