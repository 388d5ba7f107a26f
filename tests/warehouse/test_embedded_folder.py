"""What the embedded server says to folders that it cannot use, and that it leaves them as they are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_dagster.errors import WarehouseError
from analytics_dagster.warehouse import EmbeddedServer
from analytics_dagster.warehouse.embedded import data_folder, programs
from analytics_dagster.warehouse.embedded.data_folder import remedy_for
from analytics_dagster.warehouse.embedded.tuning import FORGETFUL, LAPTOP, configuration

Make = Callable[..., EmbeddedServer]


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"base/1/1": "half made"}, "something else, or was made only by half"),
        ({"PG_VERSION": "", "base/1/1": "torn"}, "something else, or was made only by half"),
        ({"holiday.jpg": "not a database"}, "something else, or was made only by half"),
        ({"PG_VERSION": "17\n", "base/1/1": "data"}, "PostgreSQL 17, and PostgreSQL 18 is installed"),
    ],
)
def test_a_folder_that_is_not_ours_is_named_and_left_alone(
    tmp_path: Path, embedded: Make, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        path = tmp_path / "home" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = contents(tmp_path / "home" / "data")
    with pytest.raises(WarehouseError, match=said) as caught:
        embedded(tmp_path / "home").acquire()
    assert "ANALYTICS_STATE_DIR" in str(caught.value)
    assert contents(tmp_path / "home" / "data") == before


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, embedded: Make) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(WarehouseError, match="is not a folder"):
        embedded(tmp_path).acquire()
    assert (tmp_path / "data").read_text() == "a file"


def test_what_a_killed_initdb_left_is_cleared_away(tmp_path: Path, embedded: Make) -> None:
    (tmp_path / "data").mkdir()  # empty: as good as none
    leftover = tmp_path / f"{data_folder.UNFINISHED}abc"
    leftover.mkdir()
    (leftover / "PG_VERSION").write_text("18\n")
    with embedded(tmp_path):
        assert not leftover.exists()


def test_a_failed_initdb_leaves_nothing(tmp_path: Path, embedded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "DATABASE", "analytics; nonsense")
    with pytest.raises(WarehouseError, match="cannot be made") as caught:
        embedded(tmp_path).acquire()
    assert "syntax error" in str(caught.value)
    assert not list(tmp_path.glob("data*"))


def test_missing_programs(tmp_path: Path, embedded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "WHEEL", "no_such_wheel")
    with pytest.raises(WarehouseError, match=r"is not installed\n.*ANALYTICS_WAREHOUSE_URL"):
        embedded(tmp_path).acquire()


def test_a_place_that_cannot_be_written(embedded: Make) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("the system has no /proc")
    with pytest.raises(WarehouseError, match=r"cannot use its folder") as caught:
        embedded(Path("/proc/warehouse")).acquire()
    assert "/proc/warehouse" in str(caught.value)


@pytest.mark.parametrize("megabytes", [5, 80])
def test_a_full_disk(tmp_path: Path, stopped_server: Path, megabytes: int) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root can mount a small disk")
    script = (
        "import sys; from pathlib import Path; from analytics_dagster.warehouse import EmbeddedServer\n"
        "s = EmbeddedServer(Path(sys.argv[1]) / 'home', port=0, durable=False, linger=0)\n"
        "try: s.acquire()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "finally: s.release(); s.wait_until_stopped()\n"
    )
    # 80 MB hold the data folder, and no first line of a log
    prepare = 'cp -r "$2" "$1/home" && head -c 100M /dev/zero > "$1/full"; ' if megabytes > 40 else ""
    shell = f'mount -t tmpfs -o size={megabytes}m none "$1" || exit 77; {prepare} "$3" -c "$4" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell, "sh", tmp_path, stopped_server, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this machine mounts nothing")
    assert done.stdout.startswith("WarehouseError"), done.stdout + done.stderr
    assert "No space left on device" in done.stdout
    assert "the disk is full: free some space" in done.stdout


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("FATAL:  could not write: Disk quota exceeded", "quota"),
        ("could not open file: Permission denied", "right to write"),
        ("could not create: Read-only file system", "can be written"),
        ('FATAL:  invalid value for parameter "x"', "postgresql.auto.conf"),
        ("something new", "see the lines above"),
    ],
)
def test_remedies(line: str, remedy: str) -> None:
    assert remedy in remedy_for(["other", line])


def test_every_changed_parameter_has_one_value_and_a_reason() -> None:
    for table in (LAPTOP, FORGETFUL):
        assert len({name for name, _, _ in table}) == len(table)
        assert all(why for _, _, why in table)
    text = configuration(durable=False, overrides={"work_mem": "1MB", "application_name": "it's"})
    assert text.count("work_mem = ") == 3  # its relatives for maintenance and autovacuum among them
    assert "application_name = 'it''s'" in text
    assert "fsync = 'off'" in text
    assert "fsync" not in configuration()
