"""The commands that read, on the platform that `run` made: as a person, as a script, as a tenant's reader."""

import csv
import io
import json
import re
import socket

import pytest
from platform_process import PROGRAM, TRACEBACK, cli, environment

from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect

pytestmark = pytest.mark.slow

COMMANDS = ["run", "ui", "tenant", "status", "sql", "prepare", "exec", "url"]
OWN_ROWS = "select distinct tenant_id from marts.kpi_daily"


def one_clear_line(text: str) -> bool:
    """An error and what to do about it; no more."""
    return TRACEBACK not in text and text.startswith("error: ") and len(text.strip().splitlines()) <= 4


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_says_what_a_command_does(command):
    done = cli(*([command] if command else []), "--help")
    assert done.returncode == 0
    assert re.search(r"Usage: analytics-dagster", done.stdout)
    assert "\x1b" not in done.stdout
    if command is None:
        assert all(re.search(rf"^\W*{name}\b", done.stdout, re.MULTILINE) for name in COMMANDS)


def test_without_a_command_the_help_is_shown():
    done = cli()
    assert done.returncode == 2
    assert "Usage: analytics-dagster" in done.stdout + done.stderr


# --- status ----------------------------------------------------------------------------------------------------


def test_status_for_a_script(end_to_end):
    told = end_to_end.json("status", "--json")
    assert told["server"]["running"] is True
    assert told["server"]["embedded"] is True
    assert told["server"]["size_bytes"] > 10_000_000
    assert {run["status"] for run in told["runs"]} == {"SUCCESS"}
    truth = end_to_end.ledger.accounts
    received = {line["tenant_id"]: line["received"] for line in told["received"]}
    assert received == {
        tenant: sum(account.received for (_, of), account in truth.items() if of == tenant) for tenant in received
    }
    assert {(line["tenant_id"], line["load_day"]) for line in told["held"]} == {
        (tenant, str(day)) for tenant, day in end_to_end.ledger.held
    }
    assert len(told["headlines"]) == 8


def test_status_for_a_person(end_to_end):
    done = end_to_end.cli("status")
    assert done.returncode == 0
    assert re.match(r"embedded PostgreSQL 18\.\d+ is running: ", done.stdout)
    assert re.search(r"used by \d+ ", done.stdout)
    assert "Last runs" in done.stdout
    assert "Events received" in done.stdout


def test_status_starts_nothing(tmp_path):
    for arguments in ([], ["--json"]):
        done = cli("status", *arguments, STATE_DIR=str(tmp_path / "state"))
        assert done.returncode == 0
        if arguments:
            assert json.loads(done.stdout)["server"]["running"] is False
        else:
            assert "is not running" in done.stdout
            assert "it starts when it is needed" in done.stdout
    assert not (tmp_path / "state").exists()


def test_status_of_somebodys_own_server(end_to_end):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        done = cli("status", WAREHOUSE_URL=f"postgresql://bi:hunter2@127.0.0.1:{port}/analytics")
    assert done.returncode == 0
    assert re.match(r"PostgreSQL +is not running: bi@127", done.stdout)
    assert "does not answer" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    own = cli("status", "--json", STATE_DIR=str(end_to_end.state), WAREHOUSE_URL=end_to_end.url.text())
    assert json.loads(own.stdout)["server"]["embedded"] is False


# --- sql -------------------------------------------------------------------------------------------------------


def test_the_owner_reads_everything(end_to_end):
    rows = end_to_end.json("sql", f"{OWN_ROWS} order by 1", "--format", "json")
    assert len(rows) == 8


def test_a_tenant_reads_its_rows_only(end_to_end):
    for tenant in ("tonewave", "corner-shop"):
        assert end_to_end.json("sql", OWN_ROWS, "--tenant", tenant, "--format", "json") == [{"tenant_id": tenant}]
    for table in ("raw.events", "ml.churn_scores", "tenancy.tenants", "dagster.runs"):
        done = end_to_end.cli("sql", f"select count(*) from {table}", "--tenant", "tonewave")
        assert done.returncode == 1, table
        assert "permission denied" in done.stderr


def test_a_tenant_cannot_become_the_owner_or_another(end_to_end):
    for statement in ("set role analytics_analyst", 'set role "analytics_tenant_kirana"'):
        done = end_to_end.cli("sql", f"{statement}; {OWN_ROWS}", "--tenant", "tonewave", "--format", "json")
        assert "kirana" not in done.stdout


def test_the_analyst_reads_all_tenants_and_no_person(end_to_end):
    assert len(end_to_end.json("sql", OWN_ROWS, "--analyst", "--format", "json")) == 8
    for table in ("fct_user_days", "fct_sessions"):
        done = end_to_end.cli("sql", f"select user_id from marts.{table} limit 1", "--analyst")
        assert done.returncode == 1
        assert "permission denied" in done.stderr
        assert one_clear_line(done.stderr)


def test_results_as_csv_and_as_a_table(end_to_end):
    query = "select tenant_id, name, null as nothing, 1234567 as number, '[red]' as markup,"
    query += " 1234.50 as money, true as flag, 0.125::float8 as share from tenancy.tenants"
    done = end_to_end.cli("sql", query, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 8
    assert rows[0]["number"] == "1234567"
    assert rows[0]["nothing"] == ""
    table = end_to_end.cli("sql", query).stdout
    for shown in ("1,234,567", "1,234.5", "True", "0.12"):
        assert shown in table
    assert "[red]" in table
    assert "–" in table


def test_a_statement_without_rows_says_what_it_did(end_to_end):
    done = end_to_end.cli("sql", "set statement_timeout to '5s'")
    assert (done.returncode, done.stdout.strip()) == (0, "SET")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["select 1", "--tenant", "nobody"], "no tenant 'nobody'"),
        (["select 1", "--tenant", "'; drop table x --"], "no tenant"),
        (["selec 1"], 'syntax error at or near "selec"'),
        (["select * from marts.gone"], 'relation "marts.gone" does not exist'),
        (["select 1; select 1/0"], "division by zero"),
    ],
)
def test_a_wrong_question_gets_one_clear_answer(end_to_end, arguments, said):
    done = end_to_end.cli("sql", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert TRACEBACK not in done.stderr
    assert done.stderr.startswith("error: ")
    if "--tenant" in arguments:
        assert "known: bergsoft, " in done.stderr


def test_two_readers_at_once_are_refused(end_to_end):
    done = end_to_end.cli("sql", "select 1", "--tenant", "kirana", "--analyst")
    assert done.returncode == 2
    assert "exclude each other" in done.stderr


def test_without_a_query_psql_opens_as_the_reader(end_to_end):
    import subprocess

    for arguments, expected in (([], "8"), (["--tenant", "kirana"], "1"), (["--analyst"], "8")):
        done = subprocess.run(
            [PROGRAM, "sql", *arguments],
            env=environment(**end_to_end.variables) | {"PSQLRC": "/dev/null"},
            input="select count(distinct tenant_id) from marts.kpi_daily \\g (tuples_only format=unaligned)\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr


# --- url, exec, prepare ----------------------------------------------------------------------------------------


def test_url_leads_to_the_warehouse(end_to_end):
    done = end_to_end.cli("url")
    assert len(done.stdout.splitlines()) == 1
    with connect(WarehouseUrl.parse(done.stdout)) as connection:
        assert connection.execute("select count(*) from tenancy.tenants").fetchone() == (8,)
    parts = end_to_end.json("url", "--json")
    assert parts == {"host": end_to_end.url.host, "port": 5432, "user": "analytics", "database": "analytics"}


def test_url_shows_a_password_only_when_asked():
    own = "postgresql://bi:hunter2@db.example:5432/analytics"
    assert "hunter2" not in cli("url", WAREHOUSE_URL=own).stdout
    assert "bi:hunter2@db.example:5432" in cli("url", "--with-password", WAREHOUSE_URL=own).stdout
    assert json.loads(cli("url", "--json", WAREHOUSE_URL=own).stdout) == {
        "host": "db.example",
        "port": 5432,
        "user": "bi",
        "database": "analytics",
    }
    assert json.loads(cli("url", "--json", "--with-password", WAREHOUSE_URL=own).stdout)["password"] == "hunter2"


def test_exec_gives_a_program_what_dagster_needs(end_to_end):
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    given = end_to_end.json("exec", "--", "python3", "-c", script)
    assert given["DAGSTER_HOME"] == str(end_to_end.settings.dagster_home)
    assert given["ANALYTICS_DAGSTER_STORAGE_URL"].startswith("postgresql+psycopg2://")
    assert given["DO_NOT_TRACK"] == "1"
    done = end_to_end.cli("exec", "sh", "-c", "exit 7")
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the program to run"),
        (["no-such-program-here"], "'no-such-program-here' cannot be run: No such file or directory"),
        (["/"], "'/' cannot be run: Permission denied"),
    ],
)
def test_exec_without_a_program_to_run(end_to_end, arguments, said):
    done = end_to_end.cli("exec", *arguments)
    assert done.returncode == 2
    assert said in re.sub(r"[\s│]+", " ", done.stderr)
    assert TRACEBACK not in done.stderr


def test_prepare_again_changes_nothing(end_to_end):
    done = end_to_end.cli("prepare")
    assert done.returncode == 0
    assert "nothing is due" in done.stderr
    assert end_to_end.rows("select count(*) from pipeline.deployments") == [(1,)]


def test_the_summary_for_a_script(end_to_end):
    told = end_to_end.json("run", "--json")
    assert told.keys() == {"received", "held", "waiting", "headlines", "beyond_limits"}
    assert sum(line["received"] for line in told["received"]) == end_to_end.ledger.summary.received


# --- wherever it prints ----------------------------------------------------------------------------------------


def test_no_color_is_respected_even_on_a_terminal(end_to_end):
    import os
    import pty
    import subprocess

    def shown(**more: str) -> str:
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            [PROGRAM, "sql", "selec", "--tenant", "nobody"],
            env=environment(**end_to_end.variables) | {"TERM": "xterm-256color"} | more,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        text = b""
        try:
            while chunk := os.read(main, 4096):
                text += chunk
        except OSError:  # the terminal's other end is closed
            pass
        os.close(main)
        assert process.wait() == 1
        return text.decode()

    assert "\x1b[31m" in shown()
    assert "\x1b[31m" not in shown(NO_COLOR="1")


def test_a_server_that_serves_a_command_goes_after_it(tmp_path):
    done = cli("sql", "select 42 as answer", "--format", "csv", STATE_DIR=str(tmp_path), EMBEDDED_PORT="0")
    assert done.stdout.split() == ["answer", "42"]
    assert EmbeddedServer(tmp_path / "warehouse").wait_until_stopped(30)
