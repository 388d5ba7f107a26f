"""kill -9 of any process in the middle of a run, then run again: the tables are those of an undisturbed run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from unmeasured import processes_unmeasured

from analytics_dagster.settings import load_settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect

CLI = Path(sys.executable).with_name("analytics-dagster")
SCHEMAS = ["raw", "quality", "pipeline", "intermediate", "marts", "tenancy", "ml", "billing", "compliance"]

# identities leave gaps after a rollback, moments are never the same twice, and a report names its runs
VOLATILE = {"batch_id", "entry_id", "judgement_id", "model_version", "release_id", "run_id"}
# the hashes of known events have a key of their own in each warehouse, which leads them to pages of their own
VOLATILE_TABLES = {"pipeline.build_scope", "pipeline.build_changes", "ml.training_runs"}
VOLATILE_TABLES |= {"quality.judgements", "quality.results"}  # a run that goes on judges again, and keeps both
VOLATILE_TABLES |= {"raw.known_key", "raw.known_filters", "raw.known_pages", "raw.known_runs"}
KNOWN = "select (select sum(length(hashes)) / 8 from raw.known_pages), (select count(*) from raw.events)"
VOLATILE_COLUMNS = {("compliance.reports", "content"), ("compliance.reports", "sha256")}


def environment(state: Path) -> dict[str, str]:
    # what is killed cannot tell its coverage, and measuring it takes a third of these tests' time
    ours = ("ANALYTICS_", "COVERAGE_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return own | {
        "ANALYTICS_STATE_DIR": str(state),
        "ANALYTICS_EMBEDDED_PORT": "0",
        "ANALYTICS_SAMPLE_EVENTS": "3400",
        "ANALYTICS_SAMPLE_DAYS": "30",  # the fewest that a sample may have; Dagster's log takes a second for each
        "ANALYTICS_SAMPLE_LAST_DAY": "2026-03-15",
    }


def run(state: Path) -> None:
    finished = subprocess.run([CLI, "run"], env=environment(state), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr + "".join(
        f"\n{log.name}\n{log.read_text()[-3000:]}" for log in sorted((state / "logs").glob("*"))[-1:]
    )


def tables(state: Path) -> dict[str, list[tuple]]:
    """Every row of every table of ours, without what may differ."""
    with EmbeddedServer(load_settings(state_dir=state).embedded_data_dir, port=0) as url, connect(url) as connection:
        names = connection.execute(
            "select table_schema, table_name, array_agg(column_name::text order by ordinal_position)"
            " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
            " where table_schema = any(%s) and table_type = 'BASE TABLE' and data_type not like 'timestamp%%'"
            "     or (table_schema, table_name, column_name) = ('raw', 'events', 'occurred_at')"
            " group by 1, 2 order by 1, 2",
            [SCHEMAS],
        ).fetchall()
        known, events = connection.execute(KNOWN).fetchone()
        assert known == events, "the memory of events is that of the events which are there"
        return {
            f"{schema}.{name}": _rows(connection, schema, name, columns)
            for schema, name, columns in names
            if f"{schema}.{name}" not in VOLATILE_TABLES
        }


def _rows(connection: psycopg.Connection, schema: str, name: str, columns: list[str]) -> list[tuple]:
    kept = [
        sql.Identifier(column)
        for column in columns
        if column not in VOLATILE and (f"{schema}.{name}", column) not in VOLATILE_COLUMNS
    ]
    query = sql.SQL("select row({})::text from {} order by 1").format(
        sql.SQL(", ").join(kept), sql.Identifier(schema, name)
    )
    return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, parsed_dbt) -> Path:
    state = tmp_path_factory.mktemp("undisturbed")
    parsed_dbt(state)
    run(state)
    return state


@pytest.fixture(scope="module")
def expected(undisturbed) -> dict[str, list[tuple]]:
    found = tables(undisturbed)
    assert all(found[name] for name in ("raw.events", "marts.kpi_daily", "marts.fct_sessions", "billing.statements"))
    return found


class Disturbed:
    """A run of the same sample in a state folder of its own, whose processes are found to be killed."""

    def __init__(self, state: Path, undisturbed: Path) -> None:
        self.state = state
        for folder in ("landing", "sample", "dbt"):
            shutil.copytree(undisturbed / folder, state / folder)
        self.command: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.command = subprocess.Popen(
            [CLI, "run"], env=environment(self.state), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait_for(self, query: str) -> None:
        """Until the query finds something: the run is where the test wants to strike."""
        home = load_settings(state_dir=self.state).embedded_data_dir
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.command is not None
            assert self.command.poll() is None, "the run ended before it could be killed"
            url = _running(home)
            if url:
                try:
                    with psycopg.connect(url.conninfo(), autocommit=True) as connection:
                        if connection.execute(query).fetchone() is not None:
                            return
                except psycopg.Error:
                    pass  # still starting, or not migrated yet
            time.sleep(0.05)
        raise AssertionError(f"never came to: {query}")

    def processes(self, *words: str) -> list[int]:
        """Processes of this state folder whose command line has all the words."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environ = (folder / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            ours = str(self.state) in command or f"ANALYTICS_STATE_DIR={self.state}\0" in environ
            if ours and all(word in command for word in words):
                found.append(int(folder.name))
        return found

    def kill(self, *words: str) -> None:
        pids = self.processes(*words)
        assert pids, f"no process with {words}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        assert self.command is not None
        self.command.wait(timeout=120)


def _running(home: Path) -> WarehouseUrl | None:
    """The address of a server that runs already; this test must not be the one that starts it."""
    try:
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    return WarehouseUrl(user="analytics", database="analytics", host=lines[4].strip(), port=int(lines[3]))


LOADING = "select from raw.batches limit 1 offset 100"
BUILDING = "select from pg_stat_activity where application_name = 'dbt' and state <> 'idle'"
TRAINING = "select from tenancy.publications limit 1 offset 7"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victims", "moment"),
    [
        pytest.param([["analytics-dagster", "run"], ["defs.launch"]], LOADING, id="everything of ours while loading"),
        pytest.param([["defs.launch"]], BUILDING, id="the worker during dbt"),
        pytest.param([["keeper"], ["postgres", "-D"]], BUILDING, id="PostgreSQL and its keeper during dbt"),
        pytest.param([["analytics-dagster", "run"]], TRAINING, id="the command line after publishing"),
    ],
)
@processes_unmeasured()
def test_after_a_kill_a_second_run_gives_the_tables_of_an_undisturbed_one(
    tmp_path, undisturbed, expected, victims, moment
):
    disturbed = Disturbed(tmp_path, undisturbed)
    disturbed.start()
    disturbed.wait_for(moment)
    for words in victims:
        disturbed.kill(*words)
    disturbed.end()
    run(tmp_path)
    found = tables(tmp_path)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert found[name] == rows, name
