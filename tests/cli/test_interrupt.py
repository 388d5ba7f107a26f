"""Ctrl-C, or a lost worker, in the middle of `run`: no traceback, a telling exit code, and the next run completes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
import small_day
from platform_process import PROGRAM, TRACEBACK, cli, environment
from unmeasured import processes_unmeasured

from analytics_dagster.processes import prepare_child
from analytics_dagster.warehouse import WarehouseUrl, connect

pytestmark = pytest.mark.slow

PATIENCE = 120
BUILDING = "pg_advisory_lock(hashtext('analytics-dagster dbt build'))"
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"


def run_until_it_waits(blocker: psycopg.Connection, variables: dict[str, str]) -> subprocess.Popen[str]:
    """A run that has loaded its day and waits for a build that does not end."""
    process = subprocess.Popen(
        [PROGRAM, "run"],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # whoever started the tests may ignore SIGINT, and children inherit that
        preexec_fn=prepare_child,  # noqa: PLW1509 - as in the command line itself
    )
    wait_until(blocker, "> 0", process)
    return process


def wait_until(blocker: psycopg.Connection, what: str, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while blocker.execute(f"select ({WAITING}) {what}").fetchone() == (False,):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_interrupted_run_is_completed_by_the_next(warehouse: WarehouseUrl, tmp_path, parsed_dbt):
    landing = tmp_path / "landing"
    small_day.land(landing)
    variables = {
        "STATE_DIR": str(tmp_path / "state"),
        "LANDING_DIR": str(landing),
        "SAMPLE": "false",
        "WAREHOUSE_URL": warehouse.text(),
    }
    parsed_dbt(tmp_path / "state")
    assert cli("prepare", **variables).returncode == 0
    # what is killed cannot tell its coverage; the run that completes these can
    with processes_unmeasured(), connect(warehouse, autocommit=True) as blocker:
        blocker.execute(f"select {BUILDING}")
        for interrupt in (os.killpg, os.kill):  # as a terminal does, and as a supervisor does
            process = run_until_it_waits(blocker, variables)
            interrupt(process.pid, signal.SIGINT)
            out, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 130, (interrupt, out, errors)
            assert TRACEBACK not in out + errors
            assert "error" not in errors.lower()
            wait_until(blocker, "= 0")

        process = run_until_it_waits(blocker, variables)
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)  # as the system does when memory is short
        out, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "The log of this run: " in errors
        assert TRACEBACK not in out + errors
        wait_until(blocker, "= 0")
    done = cli("run", **variables)
    assert done.returncode == 0, done.stderr
    with connect(warehouse) as connection:
        revenue = connection.execute("select sum(value) from marts.kpi_daily where metric = 'revenue'").fetchone()
    assert revenue == (320,)
