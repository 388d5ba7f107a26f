"""A file is taken in whole or not at all, and its name leads nowhere else."""

import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.ingest.depositing import deposit, safe_stem
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.ingest.naming import naming_of

DAY = date(2026, 1, 31)


@given(st.text(max_size=300))
def test_any_name_becomes_a_safe_one(name: str) -> None:
    stem = safe_stem(name)
    assert 0 < len(stem) <= 80
    assert stem.isascii()
    assert not set(stem) & set("./\\ \0\n")
    assert not stem.startswith("-")


def test_the_same_content_is_one_file(tmp_path: Path) -> None:
    naming = naming_of("x.segment.ndjson.gz")
    first = deposit(io.BytesIO(b"abc"), "../my file", naming, tmp_path, DAY, "acme")
    assert first.name == "2026-01-31/acme/my-file-ba7816bf8f01.segment.ndjson.gz"
    assert (first.is_new, first.path.read_bytes()) == (True, b"abc")
    before = first.path.stat()
    again = deposit(io.BytesIO(b"abc"), "../my file", naming, tmp_path, DAY, "acme")
    assert (again.path, again.is_new, first.path.stat().st_ino) == (first.path, False, before.st_ino)
    first.path.write_bytes(b"damaged")
    assert deposit(io.BytesIO(b"abc"), "../my file", naming, tmp_path, DAY, "acme").is_new
    assert first.path.read_bytes() == b"abc"
    assert [file.claimed_tenant for file in pending_files(tmp_path).days[DAY]] == ["acme"]


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(min(size or 2, 2))

    with pytest.raises(OSError, match="Input/output"):
        deposit(Broken(b"abc"), "a", naming_of("a.csv"), tmp_path, DAY, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
