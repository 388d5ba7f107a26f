"""What the landing folder holds, by loading day; what does not belong there is told, never skipped silently."""

import os
from datetime import date
from pathlib import Path

import pytest

from analytics_dagster.ingest.landing import LandingError, claimed_tenant, pending_files


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}\n")
    return path


def test_files_by_day(tmp_path: Path) -> None:
    put(tmp_path / "2026-01-02/acme/b.ndjson.gz")
    put(tmp_path / "2026-01-02/acme/hour=07/a.jsonl")
    put(tmp_path / "2026-01-02/mixed.NDJSON")
    put(tmp_path / "2026-01-01/zeta/a.ndjson")
    landing = pending_files(tmp_path)
    assert landing.problems == ()
    assert {day: [(file.name, file.claimed_tenant) for file in files] for day, files in landing.days.items()} == {
        date(2026, 1, 1): [("2026-01-01/zeta/a.ndjson", "zeta")],
        date(2026, 1, 2): [
            ("2026-01-02/acme/b.ndjson.gz", "acme"),
            ("2026-01-02/acme/hour=07/a.jsonl", "acme"),
            ("2026-01-02/mixed.NDJSON", None),
        ],
    }
    assert list(pending_files(tmp_path, date(2026, 1, 1)).days) == [date(2026, 1, 1)]


def test_unfinished_files_wait(tmp_path: Path) -> None:
    for name in ("acme/.a.ndjson", "acme/a.ndjson.tmp", "acme/a.ndjson.part", ".hidden/a.ndjson"):
        put(tmp_path / "2026-01-02" / name)
    put(tmp_path / ".trash/a.ndjson")
    landing = pending_files(tmp_path)
    assert (landing.days, landing.problems) == ({}, ())


def test_what_does_not_belong_is_told(tmp_path: Path) -> None:
    root, outside = tmp_path / "landing", put(tmp_path / "outside/secret.ndjson")
    day = root / "2026-01-02"
    good = put(day / "acme/good.ndjson")
    put(root / "lost.ndjson")
    put(root / "20260102/lost.ndjson")
    put(root / "2026-02-30/lost.ndjson")
    put(day / "acme/readme.txt")
    (day / "acme/link-in.ndjson").symlink_to(good)
    (day / "acme/link-out.ndjson").symlink_to(outside)
    (day / "acme/link-nowhere.ndjson").symlink_to(root / "nothing")
    (day / "acme/link-loop.ndjson").symlink_to(day / "acme/link-loop.ndjson")
    (day / "linked").symlink_to(outside.parent)
    (root / "2026-01-03").symlink_to(outside.parent)
    os.mkfifo(day / "acme/pipe.ndjson")
    landing = pending_files(root)
    assert [file.path.name for file in landing.days[date(2026, 1, 2)]] == ["good.ndjson", "link-in.ndjson"]
    assert [(problem.path, problem.rule) for problem in landing.problems] == [
        ("2026-01-02/acme/link-loop.ndjson", "unreadable"),
        ("2026-01-02/acme/link-nowhere.ndjson", "unreadable"),
        ("2026-01-02/acme/link-out.ndjson", "link_outside"),
        ("2026-01-02/acme/pipe.ndjson", "not_a_file"),
        ("2026-01-02/acme/readme.txt", "unknown_format"),
        ("2026-01-02/linked", "linked_folder"),
        ("2026-01-03", "linked_folder"),
        ("2026-02-30", "misplaced"),
        ("20260102", "misplaced"),
        ("lost.ndjson", "misplaced"),
    ]
    assert str(landing.problems[-1]) == (
        "lost.ndjson is not below the folder of a loading day: move it to <YYYY-MM-DD>/<tenant_id>/"
    )


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "2026-01-02/acme/a.ndjson")
    put(tmp_path / "2026-01-02/zeta/a.ndjson")
    scan = os.scandir

    def refuse(folder: Path) -> object:  # the tests may run as root, whom permissions do not stop
        if Path(folder).name == "acme":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    landing = pending_files(tmp_path)
    assert [file.name for file in landing.days[date(2026, 1, 2)]] == ["2026-01-02/zeta/a.ndjson"]
    assert [(problem.path, problem.rule) for problem in landing.problems] == [("2026-01-02/acme", "unreadable")]


def test_a_landing_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="No such file") as missing:
        pending_files(tmp_path / "nowhere")
    assert "ANALYTICS_LANDING_DIR" in (missing.value.remedy or "")
    with pytest.raises(LandingError, match="Not a directory"):
        pending_files(put(tmp_path / "file"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(LandingError, match="cannot be read"):
        pending_files(tmp_path / "loop")


def test_names_of_any_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "2026-01-02"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.ndjson")).write_bytes(b"")
    assert [file.name for file in pending_files(tmp_path).days[date(2026, 1, 2)]] == ["2026-01-02/caf\\xe9.ndjson"]


@pytest.mark.parametrize(
    ("name", "tenant"),
    [
        ("2026-01-31/a.ndjson", None),
        ("2026-01-31/acme/a.ndjson", "acme"),
        ("2026-01-31/acme/deep/er/a.ndjson", "acme"),
    ],
)
def test_the_transport_is_found_again_by_the_name_of_the_file(name: str, tenant: str | None) -> None:
    assert claimed_tenant(name) == tenant
