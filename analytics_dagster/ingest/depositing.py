"""Somebody's file -> a durable copy in the landing folder, under a name that says what it is and which content it has.

The copy is complete on the disk before it has that name: a load that is killed finds it again. Nothing is read
into memory, nothing is judged here.
"""

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from analytics_dagster.ingest.naming import Compression, Naming
from analytics_dagster.ingest.reading import content_sha256

PIECE_BYTES = 1 << 20
LONGEST_STEM = 80
HASH_DIGITS = 12
MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}


@dataclass(frozen=True)
class Deposit:
    path: Path
    name: str  # below the landing folder
    sha256: str
    is_new: bool  # False: the same content lay there under this name already


def deposit(
    source: BinaryIO, stem: str, naming: Naming, landing_dir: Path, day: date, tenant_id: str | None
) -> Deposit:
    folder = landing_dir / day.isoformat() / (tenant_id or "")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".load-{secrets.token_hex(8)}.tmp"
    try:
        sha256 = _copied(source, unfinished)
        path = folder / f"{safe_stem(stem)}-{sha256[:HASH_DIGITS]}{naming.ending}"
        # a file that is there may be read by a load just now: it is not replaced by itself
        is_new = not (path.is_file() and content_sha256(path) == sha256)
        if is_new:
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    for changed in (folder, folder.parent, landing_dir):
        _sync_folder(changed)
    return Deposit(path, path.relative_to(landing_dir).as_posix(), sha256, is_new)


def safe_stem(name: str) -> str:
    """Letters, digits, dashes: a name of any bytes leads nowhere else, hides nothing, and says nothing by accident."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:LONGEST_STEM].strip("-")
    return plain or "file"


def compression_of(beginning: bytes) -> Compression:
    """For what has no name."""
    return next((found for magic, found in MAGIC.items() if beginning.startswith(magic)), Compression.NONE)


def _copied(source: BinaryIO, path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("xb") as copy:
        while piece := source.read(PIECE_BYTES):
            sha256.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return sha256.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
