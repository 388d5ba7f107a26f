"""Bytes of a file -> blocks of whole lines, and a word on what was wrong with the file.

Memory does not grow with the file, nor with a line. What a line means belongs to `checking`.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

BLOCK_BYTES = 16 << 20  # DuckDB plans its query anew for each: some 25 ms
LONGEST_LINE_KEPT = 16 << 20  # of a longer one, this much of its beginning is kept
PIECE_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    data: bytes  # whole lines, each with its newline
    first_line: int  # counted from 1


@dataclass(frozen=True)
class Flaw:
    """Why a file could not be read to its end, or has nothing in it."""

    rule: str
    message: str
    remainder: bytes = b""  # the beginning of the line that is cut off


class ChangedWhileReadError(Exception):
    """What was read is not what was announced: nothing of the file may be kept."""


def content_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileReading:
    """One pass over a file; `flaw` is known when the blocks are exhausted."""

    def __init__(self, path: Path, expected_sha256: str) -> None:
        self.path = path
        self.flaw: Flaw | None = None
        self._expected_sha256 = expected_sha256

    def blocks(self) -> Iterator[Block]:
        """Raises ChangedWhileReadError at the end, and OSError anywhere."""
        empty = True
        with self.path.open("rb") as file:
            before = _identity(os.fstat(file.fileno()))
            hashed = _Hashed(file)
            pieces = self._inflated(hashed) if self.path.name.lower().endswith(".gz") else _pieces(hashed)
            for block in self._blocks_of(pieces):
                empty = empty and not block.data.strip(b" \t\r\n")
                yield block
            hashed.read_rest()
            if self.flaw and self.flaw.rule == "not_gzip":
                self.flaw = Flaw(self.flaw.rule, self.flaw.message, hashed.beginning)
            if (
                hashed.sha256.hexdigest() != self._expected_sha256
                or before != _identity(os.fstat(file.fileno()))
                or before != _identity(self.path.stat())
            ):
                raise ChangedWhileReadError(str(self.path))
        if empty and self.flaw is None:
            self.flaw = Flaw("empty_file", "holds no event: ask its producer, or remove it")

    def _inflated(self, source: "_Hashed") -> Iterator[bytes]:
        produced = False
        try:
            with gzip.GzipFile(fileobj=cast("BinaryIO", source), mode="rb") as file:
                # read1 hands over all that came before a break; read would drop the last piece
                while piece := file.read1(PIECE_BYTES):
                    produced = True
                    yield piece
        except EOFError:
            self.flaw = Flaw(
                "truncated_gzip",
                "breaks off in the middle; its whole lines are loaded: send it again, complete",
            )
        except (gzip.BadGzipFile, zlib.error):
            if produced:
                self.flaw = Flaw("corrupt_gzip", "is damaged; the lines before the damage are loaded: send it again")
            else:
                self.flaw = Flaw("not_gzip", "is no gzip file: take .gz from its name, or compress it")

    def _blocks_of(self, pieces: Iterator[bytes]) -> Iterator[Block]:
        waiting, line, inside_endless_line = bytearray(), 1, False
        for piece in _without_byte_order_mark(pieces):
            if inside_endless_line:
                newline = piece.find(b"\n")
                if newline < 0:
                    continue
                piece = piece[newline + 1 :]  # noqa: PLW2901
                inside_endless_line = False
            waiting += piece
            if len(waiting) < BLOCK_BYTES:
                continue
            end = waiting.rfind(b"\n") + 1
            if end:
                block = Block(bytes(waiting[:end]), line)
                del waiting[:end]
            elif len(waiting) >= LONGEST_LINE_KEPT:
                block = Block(bytes(waiting[:LONGEST_LINE_KEPT]) + b"\n", line)
                inside_endless_line = True
                waiting.clear()
            else:
                continue
            yield block
            line += block.data.count(b"\n")
        end = waiting.rfind(b"\n") + 1
        if self.flaw is None and end < len(waiting):  # the last line needs no newline
            waiting += b"\n"
            end = len(waiting)
        if end:
            yield Block(bytes(waiting[:end]), line)
        if self.flaw is not None and end < len(waiting):
            self.flaw = Flaw(self.flaw.rule, self.flaw.message, bytes(waiting[end:]))


class _Hashed:
    """A file that knows the hash of what was read from it, and how it begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.beginning = b""

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sha256.update(piece)
        if len(self.beginning) < PIECE_BYTES:
            self.beginning = (self.beginning + piece)[:PIECE_BYTES]
        return piece

    def read_rest(self) -> None:
        while self.read(PIECE_BYTES):
            pass


def _pieces(file: _Hashed) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _without_byte_order_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    beginning = b""
    for piece in pieces:
        beginning += piece
        if len(beginning) >= len(BYTE_ORDER_MARK):
            yield beginning.removeprefix(BYTE_ORDER_MARK)
            yield from pieces
            return
    yield beginning


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
