"""What reading hands to checking: blocks of lines, what they were made of, and a word on what was wrong with a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from analytics_dagster.ingest.verdict import LONGEST_LINE, SHOWN, Reason, Refusal

BLOCK_BYTES = 12 << 20  # several are under way at the same time, and each takes some five times its size
FIRST_BLOCK_BYTES = 1 << 20
LONGEST_KEPT = 16 << 20  # of a longer line or record, this much of its beginning is kept
RECORD = "record"  # the field of a reason that is about a record as a whole


def block_sizes() -> Iterator[int]:
    """How large blocks should be: the first ones are small, so that PostgreSQL has something to do soon."""
    size = min(FIRST_BLOCK_BYTES, BLOCK_BYTES)
    while True:
        yield size
        size = min(2 * size, BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class Record:
    """One event as its producer sent it; either its JSON on one line, or why there is none."""

    number: int  # in its file
    original: bytes
    line: bytes = b""
    reasons: tuple[Reason, ...] = ()


def _as_it_is(field_name: str) -> str:
    return field_name


@dataclass(frozen=True)
class Sources:
    """What the lines of a block were made of, line by line, and the records that no line could be made of."""

    numbers: Sequence[int]
    originals: Sequence[bytes]
    refused: Sequence[Record] = ()
    told_as: Callable[[str], str] = _as_it_is  # the contract's field -> the producer's

    def in_its_words(self, refusal: Refusal) -> Refusal:
        """The same, with the fields that the producer knows."""
        return replace(refusal, reasons=tuple(replace(why, field=self.told_as(why.field)) for why in refusal.reasons))


@dataclass(frozen=True)
class Block:
    data: bytes  # whole lines, each with its newline
    first_line: int  # counted from 1; of a converted block the number of its first record
    sources: Sources | None = None  # None: the lines are what the producer sent

    @property
    def size(self) -> int:
        """Bytes of memory, nearly: what bounds a chunk."""
        if self.sources is None:
            return len(self.data)
        kept = [*self.sources.originals, *(record.original for record in self.sources.refused)]
        return len(self.data) + sum(map(len, kept))


@dataclass(frozen=True)
class Flaw:
    """Why a file could not be read to its end, or has nothing in it."""

    rule: str
    message: str
    remainder: bytes = b""  # the beginning of the line that is cut off


@dataclass
class Damage:
    """Filled in while a file is read; known when its blocks are exhausted."""

    flaw: Flaw | None = None

    def keep(self, remainder: bytes) -> None:
        """What was under way when the file broke off."""
        if self.flaw is not None:
            self.flaw = Flaw(self.flaw.rule, self.flaw.message, remainder)


@dataclass
class Gathering:
    """Records -> blocks of a bounded size."""

    told_as: Callable[[str], str] = _as_it_is
    _lines: list[bytes] = field(default_factory=list)
    _kept: list[Record] = field(default_factory=list)
    _refused: list[Record] = field(default_factory=list)
    _size: int = 0

    def add(self, record: Record) -> Block | None:
        if record.reasons:
            self._refused.append(record)
        else:
            self._lines.append(record.line)
            self._kept.append(record)
        self._size += len(record.line) + len(record.original)
        return self.block() if self._size >= BLOCK_BYTES else None

    def block(self) -> Block | None:
        """What was gathered since the last one."""
        everything = [*self._kept, *self._refused]
        if not everything:
            return None
        sources = Sources(
            [record.number for record in self._kept],
            [record.original for record in self._kept],
            tuple(self._refused),
            self.told_as,
        )
        data = b"".join(line + b"\n" for line in self._lines)
        self._lines, self._kept, self._refused, self._size = [], [], [], 0
        return Block(data, min(record.number for record in everything), sources)


def reason(field_name: str, rule: str, value: bytes | None, expected: str) -> Reason:
    """Names and values are other people's: shortened, and as text that PostgreSQL can hold."""
    field_shown = _shown(field_name.encode("utf-8", "surrogateescape"))
    return Reason(field_shown, rule, None if value is None else _shown(value), expected)


def unfit(original: bytes) -> Reason | None:
    """What no container may hold in a record, whatever its format."""
    if len(original) > LONGEST_LINE:
        return reason(RECORD, "line_too_long", original, f"at most {LONGEST_LINE:,} bytes")
    try:
        original.decode()
    except UnicodeDecodeError as error:
        around = original[error.start : error.start + SHOWN]
        return reason(RECORD, "bad_utf8", around, f"UTF-8, also at byte {error.start + 1}")
    return None


def _shown(value: bytes) -> str:
    text = value[: 4 * SHOWN].decode("utf-8", "backslashreplace").replace("\0", "␀")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
