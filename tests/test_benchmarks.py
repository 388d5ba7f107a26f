"""The benchmark of loading measures what it says: its file holds what it promises, and every way brings it in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _alternatives import Dlt, copy_csv
from _asked import Asked
from _comparison import prove_books
from _databases import Databases
from _events import EVENTS_A_DAY, MALFORMED, TENANTS, EventFile
from _history import make_history
from unmeasured import processes_unmeasured

from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.verdict import Refusal, judge
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import WarehouseUrl, connect

REGISTERED = frozenset(tenant for _, tenant, _ in TENANTS)


@pytest.fixture(scope="module")
def databases(server: WarehouseUrl) -> Iterator[Databases]:
    with Databases(server) as made:
        yield made


def test_the_file_is_the_same_each_time_and_of_the_promised_size(tmp_path: Path) -> None:
    file = EventFile(2_000, first=EVENTS_A_DAY)
    content = file.write_lines(tmp_path / "one").read_bytes()
    assert content == file.write_lines(tmp_path / "two").read_bytes()
    assert content.count(b"\n") == 2_000
    assert 340 < len(content) / 2_000 < 380


def test_malformed_lines_are_where_they_are_promised_and_nowhere_else(tmp_path: Path) -> None:
    lines = EventFile(2_000).write_lines(tmp_path / "lines").read_bytes().splitlines()
    refused = [n for n, line in enumerate(lines) if isinstance(judge(line, None, Intake(REGISTERED)), Refusal)]
    assert refused == list(range(MALFORMED, 2_000, 100))
    assert len({line[:20] for line in (lines[n] for n in refused)}) > 1, "of several kinds"
    readable = EventFile(2_000).write_lines(tmp_path / "readable", malformed=False).read_bytes().splitlines()
    assert readable == [line for n, line in enumerate(lines) if n not in refused]


def test_a_load_counts_what_is_promised_and_leaves_the_rows_of_the_clean_csv(
    databases: Databases, tmp_path: Path
) -> None:
    file = EventFile(2_000)
    file.land(tmp_path / "landing")
    clean = file.write_clean(tmp_path / "clean.csv")
    with databases.fresh() as url:
        report = load_day(url, tmp_path / "landing", file.day)
        prove_books(url, file)
        with connect(url) as connection:
            copy_csv(connection, "bare.events", clean)
            for one, other in (("raw", "bare"), ("bare", "raw")):
                difference = connection.execute(
                    f"select count(*) from (select * from {one}.events except all select * from {other}.events) as d"
                ).fetchone()
                assert difference == (0,), f"rows of {one}.events that {other}.events has not"
    assert (report.total.accepted, report.total.duplicate, report.total.quarantined) == (1_960, 20, 20)


def test_repeats_of_history_are_found(databases: Databases, tmp_path: Path) -> None:
    file = EventFile(1_000, first=EVENTS_A_DAY, history=2_000)
    file.land(tmp_path / "landing")
    with databases.fresh() as url:
        make_history(url, tmp_path, 2_000)
        report = load_day(url, tmp_path / "landing", file.day)
        prove_books(url, file, history=True)
    assert (report.total.accepted, report.total.duplicate, report.total.quarantined) == (970, 20, 10)


def test_books_that_do_not_hold_what_was_promised_stop_the_benchmark(databases: Databases, tmp_path: Path) -> None:
    EventFile(200).land(tmp_path / "landing")
    with databases.fresh() as url:
        load_day(url, tmp_path / "landing", EventFile(200).day)
        with pytest.raises(AssertionError, match="instead of"):
            prove_books(url, EventFile(300))


@pytest.mark.slow
@processes_unmeasured()
def test_everything_but_dlt_runs_and_tells_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = "--events 1000 --repeat 1 --against copy pandas pydantic --json"
    done = subprocess.run(
        [sys.executable, "benchmarks/loading.py", *words.split(), str(figures)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # 1: so small a file reaches no figure
    told = json.loads(figures.read_text())
    assert set(told["comparison"]) == {"ours", "copy", "pandas", "pydantic"}
    assert all(way["events_per_second"] > 0 for way in told["comparison"].values())
    assert told["latency"]["p50_ms"] <= told["latency"]["p99_ms"]
    assert set(told["memory"]) == {"1000_events_mb", "10000_events_mb"}
    assert told["history"]["ratio"] > 0
    assert done.stdout.count("asked:") == len(told["asked"]) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"], "everything is cleaned up"


@pytest.mark.slow
@processes_unmeasured()
def test_the_gate_is_measured_beside_the_usual_way(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "benchmarks/quality.py", "--quick", "--repeat", "1", "--json", str(figures)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr  # 1: imports are all there is to so small a load
    told = json.loads(figures.read_text())
    assert [told[size]["judged"] for size in ("10", "50")] == [10, 50]
    assert told["10"]["held"] == told["50"]["held"] == 0, "the load is an ordinary one"
    assert all(told[f"tenant by tenant, {way}"]["expectations"] == 20 for way in ("SQL", "pandas"))
    assert done.stdout.count("asked:") == 4
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"], "everything is cleaned up"


def test_without_a_network_it_is_said_that_dlt_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    problem = Dlt(tmp_path).install()
    assert problem is not None
    assert "cannot be installed: ERROR: No matching distribution found for dlt" in problem
    assert not list(tmp_path.rglob("complete")), "half an environment would be taken for a whole one"


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        (Asked("rate", 0.8, at_least=0.8), True),
        (Asked("rate", 0.79, at_least=0.8), False),
        (Asked("memory", 800.0, at_most=800.0), True),
        (Asked("memory", 801.0, at_most=800.0), False),
    ],
)
def test_a_figure_says_whether_it_is_reached(asked: Asked, *, reached: bool) -> None:
    assert asked.reached is reached
    assert str(asked).endswith(" NOT reached") is not reached
