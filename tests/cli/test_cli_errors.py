"""A user's mistakes and a machine's: an exit code that a script can tell apart, and words instead of a traceback."""

import os
import socket

import pytest
from platform_process import TRACEBACK, cli

PERMANENT, TRANSIENT = 1, 3


@pytest.mark.parametrize("command", ["run", "status", "url", "sql"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"UI_PROT": "3000"}, "unknown setting: ANALYTICS_UI_PROT"),
        ({"SAMPLE_EVENTS": "many"}, "ANALYTICS_SAMPLE_EVENTS: "),
        ({"WAREHOUSE_URL": "mysql://root:hunter2@db/x"}, "ANALYTICS_WAREHOUSE_URL: "),
    ],
)
def test_a_wrong_variable_is_named(command, variables, said):
    done = cli(command, *(["select 1"] if command == "sql" else []), **variables)
    assert done.returncode == PERMANENT
    assert said in done.stderr
    assert ".env.example" in done.stderr
    assert "hunter2" not in done.stderr
    assert TRACEBACK not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["run", "prepare", "sql", "ui", "exec"])
def test_a_warehouse_that_does_not_answer(command, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://bi:hunter2@127.0.0.1:{closed.getsockname()[1]}/analytics"
        extra = {"sql": ["select 1"], "exec": ["true"]}.get(command, [])
        done = cli(command, *extra, STATE_DIR=str(tmp_path), WAREHOUSE_URL=url)
    assert done.returncode == TRANSIENT, "worth another try"
    assert "PostgreSQL does not answer" in done.stderr
    assert "hunter2" not in done.stderr
    assert TRACEBACK not in done.stderr


@pytest.mark.parametrize("fault", ["missing", "a file", "a loop of links", "unreadable"])
def test_a_landing_folder_that_cannot_be_used(fault, tmp_path, server):
    landing = tmp_path / "landing"
    if fault == "a file":
        landing.write_text("")
    elif fault == "a loop of links":
        landing.symlink_to(landing)
    elif fault == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        landing.mkdir(mode=0)
    done = cli(
        "run",
        STATE_DIR=str(tmp_path / "state"),
        LANDING_DIR=str(landing),
        SAMPLE="false",
        WAREHOUSE_URL=server.text(),
    )
    assert done.returncode == PERMANENT
    assert "the landing folder cannot be read" in done.stderr
    assert str(landing) in done.stderr.replace("\n", "")
    assert "ANALYTICS_LANDING_DIR" in done.stderr
    assert TRACEBACK not in done.stderr


def test_status_of_a_database_that_holds_nothing_yet(server):
    done = cli("status", WAREHOUSE_URL=server.text())
    assert done.returncode == PERMANENT
    assert "holds no platform yet" in done.stderr
    assert "make run" in done.stderr


def test_an_unknown_command_or_option():
    for arguments in (["rnu"], ["status", "--jsno"]):
        done = cli(*arguments)
        assert done.returncode == 2
        assert TRACEBACK not in done.stderr
