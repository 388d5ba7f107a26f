"""Files of every shape become blocks of whole lines, with bounded memory."""

import gzip
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.containers import inflating
from analytics_dagster.ingest.reading import Block, ChangedWhileReadError, FileReading, content_sha256


def read(path: Path) -> tuple[list[Block], FileReading]:
    file = FileReading(path, path.stat().st_size)
    return list(file.blocks()), file


@settings(max_examples=100)
@given(
    content=st.lists(st.sampled_from([b"a", b"\n", b"long" * 9, b"\r\n", b"\xef\xbb\xbf"])).map(b"".join),
    gz=st.booleans(),
)
def test_blocks_hold_every_line_once(content: bytes, gz: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("read") / ("f.ndjson.gz" if gz else "f.ndjson")
    path.write_bytes(gzip.compress(content, mtime=0) if gz else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "BLOCK_BYTES", 20)
        patch.setattr(inflating, "PIECE_BYTES", 7)
        patch.setattr(limits, "LONGEST_KEPT", 100)
        blocks, file = read(path)
    content = content.removeprefix(b"\xef\xbb\xbf")
    expected = [line[:100] for line in content.split(b"\n")]
    if not expected[-1]:
        expected.pop()
    found: list[bytes] = []
    for block in blocks:
        assert block.first_line == len(found) + 1
        found += block.data.split(b"\n")[:-1]
    # a line that is longer than what is kept may keep a little more, never less
    assert [line[:100] for line in found] == expected
    assert (file.flaw is None) == bool(content.strip())


def test_a_line_without_end_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson.gz"
    path.write_bytes(gzip.compress(b"x" * 100_000_000 + b"\nlast", compresslevel=1))
    tracemalloc.start()
    blocks, _ = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(len(block.data), block.first_line) for block in blocks] == [(limits.LONGEST_KEPT + 1, 1), (5, 2)]
    assert peak < 80_000_000


def test_a_cut_line_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson.gz"
    stored = gzip.compress(b"first\n" + bytes(range(14, 256)) * 40, compresslevel=0)
    path.write_bytes(stored[:5000])
    blocks, file = read(path)
    assert [block.data for block in blocks] == [b"first\n"]
    assert file.flaw is not None
    assert file.flaw.rule == "truncated_gzip"
    assert len(file.flaw.remainder) > 4900


@pytest.mark.parametrize(
    ("stored", "rule", "expected"),
    [
        (gzip.compress(b"a\nb\n", mtime=0) + b"garbage", "corrupt_gzip", b"a\nb\n"),
        (gzip.compress(b"a\nb\n", mtime=0)[:-8] + b"\0" * 8, "corrupt_gzip", b"a\nb\n"),
        (gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b\n", mtime=0), None, b"a\nb\n"),
        (gzip.compress(b"a\n", mtime=0)[:5], "truncated_gzip", b""),
        (b"plain", "not_gzip", b""),
        (b"", "empty_file", b""),
        (gzip.compress(b"", mtime=0), "empty_file", b""),
    ],
)
def test_flaws_of_gzip(tmp_path: Path, stored: bytes, rule: str | None, expected: bytes) -> None:
    path = tmp_path / "f.ndjson.gz"
    path.write_bytes(stored)
    blocks, file = read(path)
    assert b"".join(block.data for block in blocks) == expected
    assert (file.flaw.rule if file.flaw else None) == rule
    if rule == "not_gzip":
        assert file.flaw is not None
        assert file.flaw.remainder == b"plain"


def test_a_change_is_found_by_size_by_content_and_by_identity(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_bytes(b"a\n")
    with pytest.raises(ChangedWhileReadError):
        list(FileReading(path, 3).blocks())
    with pytest.raises(ChangedWhileReadError):
        list(FileReading(path, 2, "another hash").blocks())
    unchanged = FileReading(path, 2, content_sha256(path))
    assert [block.data for block in unchanged.blocks()] == [b"a\n"]
    assert unchanged.sha256 == content_sha256(path)
    blocks = FileReading(path, 2).blocks()
    next(blocks)
    path.rename(tmp_path / "old")
    path.write_bytes(b"a\n")  # the same bytes in another file: whose they are is not known
    with pytest.raises(ChangedWhileReadError):
        next(blocks)
