"""Documents reach the disk whole or not at all: a temporary neighbour, then a rename."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from analytics_dagster.errors import AnalyticsError


@dataclass(frozen=True)
class WrittenDocument:
    path: Path
    sha256: str


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, text: str) -> WrittenDocument:
    # not tempfile: its files are readable by their owner alone, and the rename would keep that
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise AnalyticsError(
            f"a document cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="make the folder writable, free some space, or set ANALYTICS_STATE_DIR to another place",
        ) from None
    return WrittenDocument(path, sha256_of(text))
