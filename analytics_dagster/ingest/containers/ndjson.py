"""One record on each line. Lines of the contract's own form are handed on as they are, block by block."""

from collections.abc import Iterator

from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.blocks import Block, Damage, Record


def blocks(pieces: Iterator[bytes], damage: Damage) -> Iterator[Block]:
    waiting, line, inside_endless_line = bytearray(), 1, False
    sizes = limits.block_sizes()
    enough = next(sizes)
    for piece in pieces:
        if inside_endless_line:
            newline = piece.find(b"\n")
            if newline < 0:
                continue
            piece = piece[newline + 1 :]  # noqa: PLW2901
            inside_endless_line = False
        waiting += piece
        if len(waiting) < enough:
            continue
        end = waiting.rfind(b"\n") + 1
        if end:
            block = Block(_first(waiting, end), line)
            del waiting[:end]
        elif len(waiting) >= limits.LONGEST_KEPT:
            block = Block(_first(waiting, limits.LONGEST_KEPT) + b"\n", line)
            inside_endless_line = True
            waiting.clear()
        else:
            continue
        yield block
        line += block.data.count(b"\n")
        enough = next(sizes)
    end = waiting.rfind(b"\n") + 1
    if damage.flaw is None and end < len(waiting):  # the last line needs no newline
        waiting += b"\n"
        end = len(waiting)
    if end:
        yield Block(_first(waiting, end), line)
    if end < len(waiting):
        damage.keep(bytes(waiting[end:]))


def _first(waiting: bytearray, length: int) -> bytes:
    with memoryview(waiting) as view:  # a slice of the bytearray would be one more copy
        return bytes(view[:length])


def lines(found: Iterator[Block]) -> Iterator[bytes]:
    """Each with its newline."""
    for block in found:
        yield from block.data.splitlines(keepends=True) if b"\r" not in block.data else _split(block.data)


def records(found: Iterator[Block]) -> Iterator[Record]:
    for number, line in enumerate(lines(found), start=1):
        text = line[:-1]
        if text.strip():
            yield Record(number, text, text)


def _split(data: bytes) -> Iterator[bytes]:
    """At newlines only: bytes.splitlines takes a lone carriage return for one, too."""
    yield from (line + b"\n" for line in data.split(b"\n")[:-1])
