"""The promises of the front door: the same bytes again, clean after a kill, nobody's files touched, small."""

import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from analytics_dagster.sample import SampleError, SamplePlan, landing, load_ledger, simulate
from analytics_dagster.sample.staging import NAME
from analytics_dagster.schemas import TenantConfiguration

Tenants = Sequence[TenantConfiguration]
PLAN = SamplePlan(2_000, 5, date(2025, 4, 20), days=40)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def expected(tenants: Tenants, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    simulate(PLAN, tenants, folder / "landing", folder / "ledger")
    return tree(folder)


def again(folder: Path, tenants: Tenants, plan: SamplePlan = PLAN) -> None:
    simulate(plan, tenants, folder / "landing", folder / "ledger")


def test_the_same_seed_gives_the_same_bytes(expected: dict[str, bytes], tenants: Tenants, tmp_path: Path) -> None:
    again(tmp_path, tenants[::-1])  # in whatever order the tenants come
    assert tree(tmp_path) == expected


def test_another_seed_gives_other_bytes(expected: dict[str, bytes], tenants: Tenants, tmp_path: Path) -> None:
    again(tmp_path, tenants, replace(PLAN, seed=6))
    other = tree(tmp_path)
    assert {name for name in other if other[name] == expected.get(name)} == set()


def test_a_finished_simulation_is_not_made_again(tenants: Tenants, tmp_path: Path) -> None:
    first = simulate(PLAN, tenants, tmp_path / "landing", tmp_path / "ledger")
    heard: list[tuple[int, int]] = []
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    second = simulate(PLAN, tenants, tmp_path / "landing", tmp_path / "ledger", lambda *told: heard.append(told))
    assert second == first == load_ledger(tmp_path / "ledger").summary
    assert heard == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_progress_rises_to_the_plan(tenants: Tenants, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    simulate(PLAN, tenants, tmp_path / "landing", tmp_path / "ledger", lambda *told: heard.append(told))
    assert heard == sorted(heard)
    assert {planned for _, planned in heard} == {PLAN.events}
    assert PLAN.events * 0.9 < heard[-1][0] <= PLAN.events


# where a killed process stops: in the middle of the lines, of the renames, of the ledger, before the clearing
KILLS = {
    "generating": ("analytics_dagster.sample.landing._File", "close", 100),
    "writing the ledger": ("analytics_dagster.sample.ledger.csv", "writer", 2),
    "publishing": ("pathlib.Path", "rename", 20),
    "publishing the ledger": ("pathlib.Path", "replace", 3),
    "clearing": ("shutil", "rmtree", 0),
    "clearing further": ("shutil", "rmtree", 1),
}
SCRIPT = """
import importlib, json, os, signal, sys
from datetime import date
from pathlib import Path
from analytics_dagster.sample import SamplePlan, simulate
from analytics_dagster.schemas import TenantConfiguration

folder, owner, name, count, *tenants = sys.argv[1:]
module, _, kind = owner.rpartition(".")
try:
    owner = importlib.import_module(owner)
except ModuleNotFoundError:
    owner = getattr(importlib.import_module(module), kind)
original, calls = getattr(owner, name), iter(range(int(count)))

def killing(*arguments, **named):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)

setattr(owner, name, killing)
plan = SamplePlan(2_000, 5, date(2025, 4, 20), days=40)
configurations = [TenantConfiguration.model_validate_json(t) for t in tenants]
simulate(plan, configurations, Path(folder, "landing"), Path(folder, "ledger"))
"""


@pytest.mark.parametrize("moment", KILLS)
def test_a_killed_simulation_repeats_to_the_same_bytes(
    moment: str, expected: dict[str, bytes], tenants: Tenants, tmp_path: Path
) -> None:
    owner, name, count = KILLS[moment]
    told = [tenant.model_dump_json() for tenant in tenants]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), owner, name, str(count), *told]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = tree(tmp_path)
    assert left != expected
    again(tmp_path, tenants)
    assert tree(tmp_path) == expected
    assert not (tmp_path / "landing" / NAME).exists()


def test_files_of_others_stay_untouched(expected: dict[str, bytes], tenants: Tenants, tmp_path: Path) -> None:
    own = {
        "landing/mine.txt": b"mine",
        "landing/2025-04-01/tonewave/mine.ndjson": b"{}\n",
        "landing/2025-04-02/mine.ndjson": b"{}\n",
        "landing/1999-01-01/x/sample.ndjson": b"{}\n",
    }
    for name, content in own.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    again(tmp_path, tenants)
    assert tree(tmp_path) == expected | own


def test_nothing_is_overwritten(tenants: Tenants, tmp_path: Path) -> None:
    taken = tmp_path / "landing" / "2025-04-01" / "tonewave" / "sample-0001.ndjson"
    for path in (taken, taken.with_suffix(".ndjson.gz")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    with pytest.raises(SampleError, match="nothing was overwritten"):
        again(tmp_path, tenants)
    days = [path.name for path in (tmp_path / "landing").iterdir()]
    assert sorted(days) == [NAME, "2025-04-01"], "published in part"
    assert taken.read_bytes() == b"mine"


def test_a_folder_of_that_name_that_is_not_ours_stays(tenants: Tenants, tmp_path: Path) -> None:
    stranger = tmp_path / "landing" / NAME / "landing" / "precious"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"mine")
    with pytest.raises(SampleError, match="not made by the simulator"):
        again(tmp_path, tenants)
    assert stranger.read_bytes() == b"mine"


def test_lost_landing_files_are_made_again(expected: dict[str, bytes], tenants: Tenants, tmp_path: Path) -> None:
    again(tmp_path, tenants)
    lost = next((tmp_path / "landing" / "2025-04-01" / "tonewave").iterdir())
    lost.unlink()
    again(tmp_path, tenants)
    assert tree(tmp_path) == expected


def test_another_plan_is_refused_beside_the_first(tenants: Tenants, tmp_path: Path) -> None:
    again(tmp_path, tenants)
    before = tree(tmp_path)
    with pytest.raises(SampleError, match="another plan"):
        again(tmp_path, tenants, replace(PLAN, events=3_000))
    assert tree(tmp_path) == before


def test_another_plan_is_refused_while_the_first_is_half_published(tenants: Tenants, tmp_path: Path) -> None:
    owner, name, count = KILLS["publishing"]
    told = [tenant.model_dump_json() for tenant in tenants]
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), owner, name, str(count), *told], check=False)
    with pytest.raises(SampleError, match="interrupted"):
        again(tmp_path, tenants, replace(PLAN, seed=6))


def test_a_plan_that_cannot_work_is_refused(tenants: Tenants, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="0 events"):
        SamplePlan(0, 1, date(2025, 1, 1))
    with pytest.raises(SampleError, match="29 days"):
        SamplePlan(1000, 1, date(2025, 1, 1), days=29)
    with pytest.raises(SampleError, match="no tenants"):
        again(tmp_path, [])
    with pytest.raises(SampleError, match="no ledger"):
        load_ledger(tmp_path)
    assert len(tenants) == 8


def test_a_folder_that_cannot_be_written_is_named(tenants: Tenants, tmp_path: Path) -> None:
    (tmp_path / "landing").write_bytes(b"a file")
    with pytest.raises(SampleError, match=r"(?s)cannot be written.*/landing.*repeat"):
        again(tmp_path, tenants)


def test_unknown_tenants_may_have_any_name(tenants: Tenants, tmp_path: Path) -> None:
    ghost = tenants[0].model_copy(update={"tenant_id": "ghost-label"})
    again(tmp_path, [ghost])
    ledger = load_ledger(tmp_path / "ledger")
    assert {tenant_id for tenant_id, _ in ledger.held} == {"ghost-label"}
    assert {path.name for path in (tmp_path / "landing").glob("*/*/")} >= {"ghost-label", "ghost-label-2"}


def test_memory_does_not_grow_with_size(tenants: Tenants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_CHUNK", 2048)  # a small sample then opens files as a big one does
    two = [tenant for tenant in tenants if tenant.tenant_id in {"tonewave", "kirana"}]
    peaks = []
    for events in (3_000, 12_000):
        tracemalloc.start()
        again(tmp_path / str(events), two, SamplePlan(events, 1, date(2025, 4, 20), days=30))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.15, peaks


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_few_files_are_open_at_once(tenants: Tenants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_CHUNK", 2048)
    most = 0

    def count(*_told: int) -> None:
        nonlocal most
        most = max(most, open_files())

    before = open_files()
    simulate(PLAN, tenants, tmp_path / "landing", tmp_path / "ledger", count)
    assert most - before < 10
