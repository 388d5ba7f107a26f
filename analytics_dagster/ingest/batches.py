"""A loading day's files: which are new, their lines chunk by chunk, and what is to say about each.

Nothing is written here.
"""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from analytics_dagster.ingest import writing
from analytics_dagster.ingest.blocks import block_sizes
from analytics_dagster.ingest.checking import Origin, RefusedLine
from analytics_dagster.ingest.landing import LandingFile
from analytics_dagster.ingest.reading import (
    Block,
    ChangedWhileReadError,
    FileReading,
    Flaw,
    content_sha256,
)
from analytics_dagster.ingest.report import FileProblem
from analytics_dagster.ingest.verdict import LONGEST_LINE

DEFERRED = "the next load tries it again"


class UnfitError(Exception):
    """A file turned out to be unfit while it was loaded: nothing of this attempt may stay."""

    def __init__(self, path: Path, problem: FileProblem) -> None:
        super().__init__(str(problem))
        self.path = path
        self.problem = problem


@dataclass
class Batch:
    """A file with new content, and what became of it."""

    file: LandingFile
    bytes: int
    sha256: str = ""  # of most files known when they are read: see `new_content`
    batch_id: int = 0
    flaw: Flaw | None = None
    long_lines: list[int] = field(default_factory=list)

    def problems(self) -> Iterator[FileProblem]:
        if self.flaw:
            yield FileProblem(self.file.name, self.flaw.rule, self.flaw.message)
        if self.long_lines:
            others = len(self.long_lines) - 1
            yield FileProblem(
                self.file.name,
                "line_too_long",
                f"line {self.long_lines[0]}{f' (and {others} more)' if others else ''} is longer than"
                f" {LONGEST_LINE:,} bytes and in quarantine: ask its producer for one event a line",
            )


def new_content(
    connection: psycopg.Connection, files: list[LandingFile], unfit: AbstractSet[Path], problems: list[FileProblem]
) -> tuple[list[Batch], list[Batch]]:
    """The files whose content the warehouse does not know, and the copies of what it knows.

    Equal contents are of equal size: only a file whose size was met before is read for its hash alone.
    """
    found = [batch for file in files if file.path not in unfit and (batch := _batch(file, problems))]
    sizes = Counter(batch.bytes for batch in found)
    sizes.update(writing.known_sizes(connection, list(sizes)))
    hashed = [batch for batch in found if sizes[batch.bytes] == 1 or _hashed(batch, problems)]
    known = writing.known_contents(connection, [batch.sha256 for batch in hashed if batch.sha256])
    new: list[Batch] = []
    copies: list[Batch] = []
    for batch in hashed:
        (copies if batch.sha256 in known else new).append(batch)
        if batch.sha256:
            known.add(batch.sha256)
    return new, copies


def _batch(file: LandingFile, problems: list[FileProblem]) -> Batch | None:
    try:
        return Batch(file, file.path.stat().st_size)
    except OSError as error:
        problems.append(_unreadable(file, error))
        return None


def _hashed(batch: Batch, problems: list[FileProblem]) -> bool:
    try:
        batch.sha256 = content_sha256(batch.file.path)
    except OSError as error:
        problems.append(_unreadable(batch.file, error))
    return bool(batch.sha256)


def chunks(batches: list[Batch]) -> Iterator[list[tuple[Origin, Block]]]:
    """Small files share a chunk, large ones fill many."""
    chunk: list[tuple[Origin, Block]] = []
    size, sizes = 0, block_sizes()
    enough = next(sizes)
    for batch in batches:
        for block in _blocks(batch):
            chunk.append((Origin(batch.batch_id, batch.file.claimed_tenant), block))
            size += block.size
            if 2 * size >= enough:  # a block ends with a whole line, so it is nearly as large as it should be
                yield chunk
                chunk, size, enough = [], 0, next(sizes)
    if chunk:
        yield chunk


def note_long_lines(batches: list[Batch], refused: list[RefusedLine]) -> None:
    first = batches[0].batch_id
    for line in refused:
        if len(line.original) > LONGEST_LINE:
            batches[line.batch_id - first].long_lines.append(line.line_number)


def _blocks(batch: Batch) -> Iterator[Block]:
    reading = FileReading(batch.file.path, batch.bytes, batch.sha256 or None, batch.file.claimed_tenant)
    try:
        yield from reading.blocks()
    except ChangedWhileReadError:
        message = (
            f"changed while it was read, nothing of it is loaded: {DEFERRED}; let producers write to a hidden or"
            " .tmp name and rename at the end"
        )
        problem = FileProblem(batch.file.name, "changed_while_read", message, deferred=True)
        raise UnfitError(batch.file.path, problem) from None
    except OSError as error:
        raise UnfitError(batch.file.path, _unreadable(batch.file, error)) from None
    batch.flaw, batch.sha256 = reading.flaw, reading.sha256


def _unreadable(file: LandingFile, error: OSError) -> FileProblem:
    reason = error.strerror or str(error)
    message = f"cannot be read ({reason}): correct its rights; {DEFERRED}"
    return FileProblem(file.name, "unreadable", message, deferred=True)
