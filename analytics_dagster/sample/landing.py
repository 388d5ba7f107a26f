"""Landing files as a producer writes them: <day>/<folder>/<file>, closed when full, mostly gzip.

Memory is bounded: an open file keeps one chunk of lines and, when it is big, one compressor. The same
lines give the same bytes (gzip without a time). Knows nothing about events.
"""

import zlib
from pathlib import Path

from analytics_dagster.sample.clock import as_date

PREFIX = "sample-"
BIGGEST = 50_000  # lines

_CHUNK = 64 * 1024
_LEVEL = 4  # 6 is a tenth smaller and takes half as long again
_PLAIN_EVERY = 8
_GZIP = 16 + zlib.MAX_WBITS


class Landing:
    """The files of one folder (a tenant's, or '' for the day's own), a series for each loading day."""

    def __init__(self, root: Path, folder: str, lines_a_file: int) -> None:
        self._root = root
        self._folder = folder
        self._full = min(BIGGEST, max(1, lines_a_file))
        self._open: dict[int, _File] = {}
        self._parts: dict[int, int] = {}
        self.files = 0

    def add(self, day: int, *lines: bytes) -> None:
        """Lines that are given together stay in one file."""
        file = self._open.get(day)
        if file is None:
            file = self._open[day] = self._next(day)
        file.write(lines)
        if file.lines >= self._full:
            self._open.pop(day).close()

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _next(self, day: int) -> "_File":
        part = self._parts[day] = self._parts.get(day, 0) + 1
        self.files += 1
        plain = (day + part + len(self._folder)) % _PLAIN_EVERY == 0
        folder = self._root / as_date(day).isoformat() / self._folder
        if part == 1:
            folder.mkdir(parents=True, exist_ok=True)
        return _File(folder / f"{PREFIX}{part:04d}.ndjson{'' if plain else '.gz'}", plain=plain)


class _File:
    def __init__(self, path: Path, *, plain: bool) -> None:
        self._path = path
        self._plain = plain
        self._compressor: zlib._Compress | None = None
        self._chunk: list[bytes] = []
        self._bytes = 0
        self.lines = 0

    def write(self, lines: tuple[bytes, ...]) -> None:
        self._chunk.extend(lines)
        self._bytes += sum(map(len, lines))
        self.lines += len(lines)
        if self._bytes >= _CHUNK:
            self._flush()

    def close(self) -> None:
        self._flush(last=True)
        self._compressor = None

    def _flush(self, *, last: bool = False) -> None:
        data = b"".join(self._chunk)
        self._chunk.clear()
        self._bytes = 0
        if not self._plain:
            # made only now: 250 KB each are worth saving while a file is small
            compressor = self._compressor or zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
            self._compressor = compressor
            data = compressor.compress(data) + (compressor.flush() if last else b"")
        # opened for each chunk: hundreds of open files would meet the limit of the system
        with self._path.open("ab") as file:
            file.write(data)
