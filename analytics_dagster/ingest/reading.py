"""One pass over a file: is it what was announced, what does its name say it is, and what blocks does it hold.

How records are packed belongs to `containers`, what they mean to `checking`.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from analytics_dagster.ingest.blocks import BLOCK_BYTES, Block, Damage, Flaw
from analytics_dagster.ingest.containers import blocks_of
from analytics_dagster.ingest.containers.inflating import PIECE_BYTES
from analytics_dagster.ingest.naming import Container, naming_of

__all__ = ["BLOCK_BYTES", "Block", "ChangedWhileReadError", "FileReading", "Flaw", "content_sha256"]

UNRECOGNISED = {"not_gzip", "not_zstd", "not_parquet"}


class ChangedWhileReadError(Exception):
    """What was read is not what was announced: nothing of the file may be kept."""


def content_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileReading:
    """`flaw` and `sha256` are known when the blocks are exhausted. A hash that is expected is that of a look before."""

    def __init__(
        self, path: Path, expected_bytes: int, expected_sha256: str | None = None, claimed_tenant: str | None = None
    ) -> None:
        self.path = path
        self.flaw: Flaw | None = None
        self.sha256 = ""
        self._expected_bytes = expected_bytes
        self._expected_sha256 = expected_sha256
        self._claimed_tenant = claimed_tenant
        self._naming = naming_of(path.name)

    def blocks(self) -> Iterator[Block]:
        """Raises ChangedWhileReadError at the end, and OSError anywhere."""
        empty = True
        damage = Damage()
        with self.path.open("rb") as file:
            before = os.fstat(file.fileno())
            hashed = _Hashed(file)
            anywhere = self._naming.container is Container.PARQUET
            source = file if anywhere else cast("BinaryIO", hashed)
            for block in blocks_of(self._naming, source, damage, self._claimed_tenant):
                empty = empty and block.sources is None and not block.data.strip(b" \t\r\n")
                yield block
            if anywhere:
                file.seek(0)
            hashed.read_rest()
            if damage.flaw and damage.flaw.rule in UNRECOGNISED:
                damage.keep(hashed.beginning)
            self.flaw = damage.flaw if hashed.beginning else None
            self.sha256 = hashed.sha256.hexdigest()
            if (
                self.sha256 != (self._expected_sha256 or self.sha256)
                or before.st_size != self._expected_bytes
                or _identity(before) != _identity(os.fstat(file.fileno()))
                or _identity(before) != _identity(self.path.stat())
            ):
                raise ChangedWhileReadError(str(self.path))
        if empty and self.flaw is None:
            self.flaw = Flaw("empty_file", "holds no event: ask its producer, or remove it")


class _Hashed:
    """A file that knows the hash of what was read from it, and how it begins."""

    closed = False  # what Arrow asks of a file

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

    def close(self) -> None:
        """Arrow closes what it has read; the file is closed by who opened it."""


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
