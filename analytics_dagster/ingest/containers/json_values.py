"""JSON files: the elements of an array, each an event; or one object; or values one after another.

Elements are found by their brackets and quotes alone, so that one that is no JSON is still counted, kept and
refused by itself. Commas and space between them say nothing that is needed.
"""

import re
from collections.abc import Iterator

from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.blocks import Damage, Flaw, Record

SPACE = re.compile(rb"[ \t\r\n,]*+")
STRING = rb'"(?:[^"\\]++|\\.)*+"'
DEPTH = 8  # of what is found in one step (100 MB/s); what lies deeper, or is cut by a piece's end, is walked through


def _value(depth: int) -> bytes:
    inner = rb'[^"\[\]{}]++|' + STRING + (rb"|" + _value(depth - 1) if depth else b"")
    return rb"[\[{](?:" + inner + rb")*+[\]}]"


VALUE = re.compile(_value(DEPTH) + rb"|" + STRING, re.DOTALL)
BARE = re.compile(rb'[^ \t\r\n,"\[\]{}]++|[\]}]')
SIGN = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


def records(pieces: Iterator[bytes], damage: Damage) -> Iterator[Record]:
    text = _Text(pieces)
    number, inside = 0, False
    while text.skip_space():
        first = text.buffer[text.at]
        if not inside and first == ord("["):
            inside = True
            text.at += 1
        elif inside and first == ord("]"):
            inside = False
            text.at += 1
        else:
            number += 1
            value, whole = text.value()
            if not whole:
                damage.flaw = damage.flaw or _truncated()
                damage.keep(value)
                return
            yield Record(number, value, value)
    if inside:
        damage.flaw = damage.flaw or _truncated()


def _truncated() -> Flaw:
    return Flaw(
        "truncated_json",
        "ends inside of an array or an object; what is whole before that is loaded: send it again, complete",
    )


class _Text:
    """What is read of the file and not consumed yet."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.buffer = b""
        self.at = 0

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self.buffer = self.buffer[self.at :] + piece
        self.at = 0
        return bool(piece)

    def skip_space(self) -> bool:
        """False at the end."""
        while True:
            self.at = SPACE.match(self.buffer, self.at).end()  # type: ignore[union-attr]  # nothing matches, too
            if self.at < len(self.buffer):
                return True
            if not self._more():
                return False

    def value(self) -> tuple[bytes, bool]:
        """The value that begins here, and whether it has an end; of a very long one the beginning."""
        if found := VALUE.match(self.buffer, self.at):
            self.at = found.end()
            return found[0], True
        return self._bare() if self.buffer[self.at] not in b'[{"' else self._walked()

    def _bare(self) -> tuple[bytes, bool]:
        """A number, a word, or what should not stand there; a word without end becomes several."""
        while True:
            found = BARE.match(self.buffer, self.at)
            assert found is not None  # noqa: S101 - neither space nor the beginning of another value
            unfinished = found.end() == len(self.buffer) and len(found[0]) < limits.LONGEST_KEPT
            if not unfinished or not self._more():
                self.at += len(found[0])
                return found[0], True

    def _walked(self) -> tuple[bytes, bool]:
        kept, depth, quoted = bytearray(), 0, False
        while True:
            at = self.at
            for sign in SIGN.finditer(self.buffer, at):
                at = sign.end()
                byte = self.buffer[sign.start()]
                if byte == ord('"'):
                    quoted = not quoted
                elif not quoted:
                    depth += 1 if byte in b"[{" else -1 if byte in b"]}" else 0
                if not quoted and depth == 0:
                    self._keep(kept, at)
                    return bytes(kept), True
            # a backslash at the end belongs to what comes next
            self._keep(kept, max(at, len(self.buffer) - self.buffer.endswith(b"\\")))
            if not self._more():
                self._keep(kept, len(self.buffer))
                return bytes(kept), False

    def _keep(self, kept: bytearray, end: int) -> None:
        kept += self.buffer[self.at : min(end, self.at + limits.LONGEST_KEPT - len(kept))]
        self.at = end
