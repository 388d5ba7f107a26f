"""Documents reach the disk whole or not at all: a temporary neighbour, then a rename."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from analytics_dagster.errors import AnalyticsError


@dataclass(frozen=True)
class WrittenDocument:
    path: Path
    sha256: str


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def whole_or_none(path: Path) -> Iterator[BinaryIO]:
    """A draft beside the file that takes its place at the end, or is gone."""
    # not tempfile: its files are readable by their owner alone, and the rename would keep that
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write(path: Path, text: str) -> WrittenDocument:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_or_none(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise AnalyticsError(
            f"a document cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="make the folder writable, free some space, or set ANALYTICS_STATE_DIR to another place",
        ) from None
    return WrittenDocument(path, sha256_of(text))
