"""Files, folders and standard input that somebody names -> what is to be taken in, and what each of them is.

Names only, and the first bytes of what has none; copying is `depositing`'s.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.formats import NATIVE
from analytics_dagster.ingest.depositing import compression_of
from analytics_dagster.ingest.landing import UNFINISHED
from analytics_dagster.ingest.naming import Container, Naming, UnknownNameError, naming_of, stem_of, without_compression

STDIN = "-"


@dataclass(frozen=True)
class Source:
    shown: str
    path: Path | None  # None: standard input
    stem: str
    naming: Naming | None  # None: not loaded, for this problem
    problem: str = ""


def sources_of(
    named: Sequence[str], stdin: io.BufferedReader, chosen_format: str | None, container: Container | None
) -> Iterator[Source]:
    for name in named:
        if name == STDIN:
            naming = Naming(
                chosen_format or NATIVE.name, container or Container.NDJSON, compression_of(stdin.peek(4)[:4])
            )
            yield Source("standard input", None, "stdin", naming)
        else:
            for path in _files(Path(name)):
                yield _source(path, chosen_format, container)


def _source(path: Path, chosen_format: str | None, container: Container | None) -> Source:
    try:
        if container is None:
            told = naming_of(path.name)
        else:
            told = Naming(NATIVE.name, container, without_compression(path.name)[1])
        naming = Naming(chosen_format or told.format, told.container, told.compression)
    except UnknownNameError as error:
        return Source(str(path), path, path.name, None, error.problem)
    return Source(str(path), path, stem_of(path.name), naming)


def _files(path: Path) -> Iterator[Path]:
    """Of a folder everything below it that is finished, in the order of its names."""
    try:
        if not path.is_dir():
            path.stat()
            yield path
            return
        entries = sorted(path.iterdir())
    except OSError as error:
        raise AnalyticsError(f"cannot be read: {error.strerror}", where=str(path)) from None
    for entry in entries:
        if not entry.name.startswith(".") and not entry.name.lower().endswith(UNFINISHED):
            if entry.is_dir() and entry.is_symlink():
                continue  # it could lead around in a circle
            yield from _files(entry)
