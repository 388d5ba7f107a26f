"""CSV with a header, in the form of RFC 4180: a row for each event, columns as in `flat`, everything text.

A row that cannot be read is refused and reading goes on with the next line: a quote that is never closed takes
no other row with it. What is kept of a row has the header above it, so that it can be read by itself.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any

from analytics_dagster.formats import UnmappedError
from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.blocks import RECORD, Block, Damage, Flaw, Record, reason, unfit
from analytics_dagster.ingest.containers import flat, ndjson
from analytics_dagster.ingest.containers.mapping import refused
from analytics_dagster.ingest.verdict import Reason

LONGEST_HEADER_KEPT = 64 << 10
WORDS = {"true": True, "false": False}


class _EndlessError(Exception):
    """A quote that is not closed for as long as a record may be."""


def records(blocks: Iterator[Block], damage: Damage, claimed_tenant: str | None) -> Iterator[Record]:
    lines = _Lines(ndjson.lines(blocks))
    reader = csv.reader(lines, strict=True)
    csv.field_size_limit(2 * limits.LONGEST_KEPT)  # of the whole process; a field is bounded by its record
    header: _Header | None = None
    while lines.begin():
        row = _row(reader)
        if isinstance(row, str):
            if damage.flaw and lines.exhausted:
                damage.keep(b"".join(lines.taken))
                return
            lines.give_back()
        text = b"".join(lines.taken)
        if not text.strip():
            continue
        if header is None:
            header = _Header(text, row)
        else:
            yield header.record(lines.number, text, row, claimed_tenant)
    if header and header.problems and damage.flaw is None:
        said = "; ".join(f"{problem.field}: {problem.expected}" for problem in header.problems)
        damage.flaw = Flaw("bad_header", f"has a header that cannot be used, its rows are in quarantine: {said}")


def again(original: bytes, number: int, claimed_tenant: str | None) -> Record:
    """From the header and the row that quarantine kept."""
    lines = Block(original + b"\n", 1)
    found = list(records(iter([lines]), Damage(), claimed_tenant))
    if len(found) != 1:
        why = reason(RECORD, "not_one_row", None, f"a header and one row; here are {len(found)}")
        return Record(number, original, reasons=(why,))
    return Record(number, original, found[0].line, found[0].reasons)


def _row(reader: Any) -> list[str] | str:
    """A row, or why there is none."""
    try:
        return next(reader, [])
    except csv.Error as error:
        return str(error)
    except _EndlessError:
        return "a quote is not closed"


class _Header:
    def __init__(self, text: bytes, row: list[str] | str) -> None:
        self._kept = text if len(text) <= LONGEST_HEADER_KEPT else b""
        if isinstance(row, str):
            self.columns: list[str] = []
            self.problems: tuple[Reason, ...] = (reason("header", "csv_malformed", text, f"CSV; {row}"),)
        else:
            self.columns = [name.strip() for name in row]
            self.problems = flat.problems_of(self.columns)

    def record(self, number: int, text: bytes, row: list[str] | str, claimed_tenant: str | None) -> Record:
        original = self._kept + text.rstrip(b"\r\n")
        reasons = self.problems or self._reasons(text, row)
        if reasons or isinstance(row, str):
            return Record(number, original, reasons=reasons)
        values: dict[str, Any] = {name: cell for name, cell in zip(self.columns, row, strict=True) if cell != ""}
        if "is_test" in values:  # the only one that is not text; spreadsheets shout it
            values["is_test"] = WORDS.get(values["is_test"].lower(), values["is_test"])
        try:
            return Record(number, original, flat.line_of(values, claimed_tenant))
        except UnmappedError as error:
            return refused(number, original, error)

    def _reasons(self, text: bytes, row: list[str] | str) -> tuple[Reason, ...]:
        unreadable = unfit(text)
        if unreadable:
            return (unreadable,)
        if isinstance(row, str):
            return (reason(RECORD, "csv_malformed", text, f"CSV; {row}"),)
        if len(row) != len(self.columns):
            found = f"{len(row)} fields".encode()
            return (reason(RECORD, "ragged_row", found, f"{len(self.columns)} fields, as in the header"),)
        return ()


class _Lines:
    """Gives the reader its lines, and knows which of them the row at hand is made of."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._again: deque[bytes] = deque()
        self._size = 0
        self.taken: list[bytes] = []
        self.number = 1  # of the first line of the row at hand
        self.exhausted = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.taken and self._size > limits.LONGEST_KEPT:
            raise _EndlessError
        try:
            line = self._again.popleft() if self._again else next(self._source)
        except StopIteration:
            self.exhausted = True
            raise
        self.taken.append(line)
        self._size += len(line)
        return line.decode("utf-8", "surrogateescape")

    def begin(self) -> bool:
        """The next row; False when there is none."""
        self.number += len(self.taken)
        self.taken, self._size = [], 0
        if self._again:
            return True
        line = next(self._source, None)
        if line is not None:
            self._again.append(line)
        return line is not None

    def give_back(self) -> None:
        """All but the first line."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
