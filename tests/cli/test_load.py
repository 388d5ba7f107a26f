"""`load`, as a person and a script use it, on a real warehouse of its own."""

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from platform_process import PROGRAM, TRACEBACK, Platform, cli, environment

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import connect, migrate

pytestmark = pytest.mark.slow

TENANT = {
    "name": "A",
    "kind": "music",
    "tier": "free",
    "region": "eu",
    "time_zone": "UTC",
    "currency": "EUR",
    "plan": "free",
}


def event(event_id: str, name: str = "track_opened", tenant_id: str = "acme") -> dict[str, Any]:
    metadata = {"event_id": event_id, "tenant_id": tenant_id, "source": "api", "timestamp": "2026-01-31T09:30:00Z"}
    return {"metadata": metadata, "event_type": "user_action", "event_name": name}


def segment(message_id: str) -> dict[str, Any]:
    return {"type": "page", "messageId": message_id, "timestamp": "2026-01-31T09:30:00Z"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state = tmp_path_factory.mktemp("load")
    made = Platform(state, {"STATE_DIR": str(state), "EMBEDDED_PORT": "0"})
    try:
        with connect(made.url) as connection:
            migrate(connection)
            register(
                connection,
                [
                    TenantConfiguration.model_validate_json(json.dumps(TENANT | {"tenant_id": name}))
                    for name in ("acme", "zeta")
                ],
            )
        yield made
    finally:
        made.server.release()
    assert made.server.wait_until_stopped(20)


def test_a_folder_of_many_containers(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    (folder / "one.json").write_text(json.dumps([event("j1"), event("j2", "Not A Name")]))
    (folder / "two.segment.ndjson.gz").write_bytes(gzip.compress(json.dumps(segment("s1")).encode()))
    (folder / "deeper/my three.csv").write_text(
        "event_id,source,timestamp,event_type,event_name\nc1,api,2026-01-31T09:30:00Z,system,x\nc1,api"
    )
    (folder / "readme.txt").write_text("not for you")
    (folder / ".hidden.ndjson").write_text("{}")
    (folder / "writing.ndjson.tmp").write_text("{}")
    (folder / "around").symlink_to(folder)
    done = platform.cli("load", str(folder), "--tenant", "acme", "--day", "2026-02-01", "--json")
    assert done.returncode == 4, done.stderr
    told = json.loads(done.stdout)
    assert told["tenants"] == {"acme": {"received": 5, "accepted": 3, "duplicate": 0, "quarantined": 2}}
    assert {Path(file["source"]).name: bool(file["problem"]) for file in told["files"]} == {
        "one.json": False,
        "two.segment.ndjson.gz": False,
        "my three.csv": False,
        "readme.txt": True,
    }
    assert platform.rows("select event_id from raw.events order by 1") == [("c1",), ("j1",), ("s1",)]
    names = [path for (path,) in platform.rows("select path from raw.batches order by 1")]
    assert [name.partition("-")[0] for name in (Path(name).name for name in names)] == ["my", "one", "two"]
    again = platform.cli("load", str(folder / "one.json"), "--tenant", "acme")
    assert again.returncode == 0, again.stderr
    assert "seen before, as 2026-02-01/acme/one-" in again.stdout
    landed = {path.name for path in (platform.state / "landing").rglob("*") if path.is_file()}
    assert landed == {Path(name).name for name in names}, "what was seen before is not kept twice"


def test_standard_input(platform: Platform) -> None:
    sent = gzip.compress(json.dumps(event("i1", tenant_id="zeta")).encode() + b"\nbroken")
    done = subprocess.run(
        [PROGRAM, "load", "-", "--day", "2026-02-02"],
        env=environment(**platform.variables),
        input=sent,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, "a refused line is no failure"
    assert "analytics-dagster quarantine list" in done.stdout.decode()
    assert "analytics-dagster run" in done.stdout.decode()
    books = (
        "select tenant_id, received, accepted, quarantined from raw.accounts where load_day = '2026-02-02' order by 1"
    )
    assert platform.rows(books) == [("(unknown)", 1, 0, 1), ("zeta", 1, 1, 0)]


def test_a_name_that_does_not_tell(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "export.dat"
    path.write_text(json.dumps([segment("d1")]))
    options = ("--tenant", "zeta", "--day", "2026-02-03")
    refused = platform.cli("load", str(path), *options)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "name it as what it is" in refused.stderr
    mixed = platform.cli("load", str(path), *options, "--format", "segment", "--container", "csv")
    assert mixed.returncode == 4
    assert "segment comes as .ndjson or .json" in mixed.stderr
    done = platform.cli("load", str(path), *options, "--format", "segment", "--container", "json")
    assert done.returncode == 0, done.stderr
    assert platform.rows("select event_id, event_name from raw.events where load_day = '2026-02-03'") == [
        ("d1", "page_viewed")
    ]


def test_what_cannot_be_read_is_told_and_the_rest_is_loaded(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(json.dumps(event("x1")).encode() + b"\n")[:-9])
    (tmp_path / "good.ndjson").write_text(json.dumps(event("x2")))
    os.mkfifo(tmp_path / "pipe.txt")
    done = platform.cli("load", str(tmp_path), "--tenant", "acme", "--day", "2026-02-04")
    assert done.returncode == 4
    assert "cut.ndjson.gz breaks off in the middle" in done.stderr
    assert platform.rows("select event_id from raw.events where event_id like 'x_' order by 1")[-1] == ("x2",)
    landed = next((platform.state / "landing/2026-02-04").rglob("good*"))
    inside = platform.cli("load", str(landed))
    assert inside.returncode == 4
    assert "is in the landing folder already" in inside.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--tenant", "acmee"], 1, "no tenant 'acmee'\n  → known: acme, zeta"),
        (["--format", "avro"], 2, "avro"),
        (["--day", "yesterday"], 2, "yesterday"),
        (["-", "-"], 2, "standard input can be read once"),
        (["/does/not/exist.csv"], 1, "cannot be read: No such file or directory (/does/not/exist.csv)"),
    ],
)
def test_mistakes_are_named(platform: Platform, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("{}")
    done = platform.cli("load", str(path), *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert TRACEBACK not in done.stderr


def test_without_a_tenant_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("{}")
    state = tmp_path / "state"
    done = cli("load", str(tmp_path / "a.ndjson"), STATE_DIR=str(state), EMBEDDED_PORT="0")
    assert done.returncode == 1
    assert "no tenant is registered" in done.stderr
    assert "analytics-dagster prepare" in done.stderr
    assert not list((state / "landing").iterdir())
