"""One record on each line. Lines of the contract's own form are handed on as they are, block by block."""

from collections.abc import Iterator

from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.blocks import Block, Damage, Record


def blocks(pieces: Iterator[bytes], damage: Damage) -> Iterator[Block]:
    waiting, line, inside_endless_line = _Waiting(), 1, False
    sizes = limits.block_sizes()
    enough = next(sizes)
    for piece in pieces:
        if inside_endless_line:
            newline = piece.find(b"\n")
            if newline < 0:
                continue
            piece = piece[newline + 1 :]  # noqa: PLW2901
            inside_endless_line = False
        waiting.add(piece)
        if waiting.size < enough:
            continue
        data = waiting.whole_lines()
        if not data and waiting.size >= limits.LONGEST_KEPT:
            data = waiting.everything()[: limits.LONGEST_KEPT] + b"\n"
            inside_endless_line = True
        if data:
            yield Block(data, line)
            line += data.count(b"\n")
            enough = next(sizes)
    data = waiting.whole_lines()
    rest = waiting.everything()
    if damage.flaw is None and rest:  # the last line needs no newline
        data, rest = data + rest + b"\n", b""
    if data:
        yield Block(data, line)
    if rest:
        damage.keep(rest)


class _Waiting:
    """Pieces of a file until there are enough of them; then all are copied, once."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def whole_lines(self) -> bytes:
        """All up to the last newline; what follows waits."""
        rest: list[bytes] = []
        while self._pieces:
            last = self._pieces.pop()
            if end := last.rfind(b"\n") + 1:
                whole = b"".join([*self._pieces, memoryview(last)[:end]])
                self._keep([last[end:], *rest])
                return whole
            rest.insert(0, last)
        self._keep(rest)
        return b""

    def everything(self) -> bytes:
        whole = b"".join(self._pieces)
        self._keep([])
        return whole

    def _keep(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.size = sum(map(len, pieces))


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
