"""The command `tenant`, as a person and as a script use it, on a warehouse with a real Dagster instance."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import Result
from typer.testing import CliRunner

from analytics_dagster.cli import app, main
from analytics_dagster.cli.console import plain
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import settings
from analytics_dagster.tenancy.limits import mark_breaches
from analytics_dagster.warehouse import WarehouseUrl, connect

ACME = ["--name", "Acme", "--kind", "music", "--tier", "free", "--region", "eu", "--time-zone", "Europe/Berlin"]
ACME += ["--currency", "EUR", "--plan", "free"]


class Command:
    def __init__(self, url: WarehouseUrl, folder: Path) -> None:
        self.url = url
        self.tenants_dir = folder

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["tenant", *words], terminal_width=200)

    def json(self, *words: str) -> object:
        done = self(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def refused(self, *words: str) -> AnalyticsError:
        done = self(*words)
        assert done.exit_code == 1
        assert isinstance(done.exception, AnalyticsError), done.exception
        assert done.exception.remedy
        return done.exception

    def partitions(self) -> list[str]:
        from analytics_dagster.defs.tenant_partitions import tenant_keys_here

        return list(tenant_keys_here(self.url))


@pytest.fixture
def tenant(warehouse: WarehouseUrl, tmp_path: Path) -> Iterator[Command]:
    folder = tmp_path / "tenants"
    folder.mkdir()
    given = {
        "ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True),
        "ANALYTICS_STATE_DIR": str(tmp_path / "state"),
        "ANALYTICS_TENANTS_DIR": str(folder),
        "LOGNAME": "ada",
    }
    (tmp_path / "state").mkdir()
    with patch.dict(os.environ, given):
        settings.cache_clear()
        yield Command(replace(warehouse), folder)
    settings.cache_clear()


def test_a_tenant_is_added_shown_changed_and_listed(tenant):
    shown = tenant("add", "acme", *ACME, "--set", "event_bytes=512", "--set", "compliance_frameworks=gdpr,sox")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"event_bytes +│ +512 │ own", shown.stdout)
    assert re.search(r"events_per_day +│ 100,000 │ tier", shown.stdout)
    assert re.search(r"role analytics_tenant_acme +│ reads", shown.stdout)
    assert tenant.partitions() == ["acme"]

    changed = tenant("set", "acme", "tier=standard", "retention-days=90")
    assert re.search(r"tier +│ free +│ standard", changed.stdout)
    assert changed.stderr == ""
    assert tenant.json("set", "acme", "tier=standard") == []
    assert "Nothing changed" in tenant("set", "acme", "tier=standard").stdout
    past = tenant("set", "acme", "time_zone=Asia/Tokyo")
    assert "time_zone changes what past days mean" in " ".join(past.stderr.split())

    found = tenant.json("show", "acme")
    assert (found["status"], found["origin"], found["configuration"]["retention_days"]) == ("active", "command", 90)
    assert [(entry["action"], entry["actor"]) for entry in found["history"]] == [
        ("changed", "ada"),
        ("changed", "ada"),
        ("added", "ada"),
    ]
    assert "time_zone: Europe/Berlin → Asia/Tokyo" in " ".join(tenant("show", "acme").stdout.split())
    assert [line["tenant_id"] for line in tenant.json("list", "--tier", "standard")] == ["acme"]
    assert tenant.json("list", "--status", "suspended") == []
    assert re.search(r"acme +│ Acme +│ music +│ standard +│ active", tenant("list").stdout)


def test_a_tenant_of_a_file(tenant, tmp_path):
    elsewhere = tmp_path / "beta.yaml"
    fields = {"tenant_id": "beta", "name": "Beta", "kind": "shop", "tier": "free", "region": "eu"}
    fields |= {"time_zone": "UTC", "currency": "EUR", "plan": "free"}
    elsewhere.write_text(json.dumps(fields))
    assert tenant("add", "--file", str(elsewhere)).exit_code == 0
    assert tenant.json("show", "beta")["configuration"]["name"] == "Beta"
    (tenant.tenants_dir / "gamma.yaml").write_text(json.dumps(fields | {"tenant_id": "gamma"}))
    assert "prepare" in str(tenant.refused("add", "gamma", *ACME))
    for words in (["add"], ["add", "x", "--file", str(elsewhere)], ["add", "--file", str(elsewhere), "--tier", "free"]):
        done = tenant(*words)
        assert done.exit_code == 2
        assert "Traceback" not in done.output


def test_every_fault_is_named_and_nothing_is_added(tenant):
    fault = str(tenant.refused("add", "Not An Id", *ACME[2:], "--set", "retention_days=soon"))
    assert "tenant_id: " in fault
    assert "name: is missing" in fault
    assert "retention_days: " in fault
    assert "there is no plan" in str(tenant.refused("add", "acme", *ACME[:-1], "platinum"))
    for words in ("tier", "=x", "colour=red", "\x1b[2J=1"):
        done = tenant("add", "acme", *ACME, "--set", words)
        assert done.exit_code == 2
        assert "\x1b[2J" not in done.output
    assert tenant.json("list") == []


@pytest.mark.parametrize(
    "name",
    ["Robert'); drop table tenancy.tenants; --", "[red]bold[/red]", "\u202egnp.exe", "\x9b31mred", "x" * 200, "متجر"],
)
def test_a_hostile_name_is_shown_harmless(tenant, name):
    words = [name if word == "Acme" else word for word in ACME]
    shown = tenant("add", "acme", *words)
    assert shown.exit_code == 0, shown.output
    texts = [shown.stdout, tenant("list").stdout, tenant("show", "acme", "--json").stdout]
    for text in texts:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert json.loads(texts[2])["configuration"]["name"] == name
    if "[red]" in name:
        assert "[red]bold[/red]" in texts[0]


def test_what_is_plain_stays():
    assert plain("a\u00a0b\n\tü→متجر") == "a\u00a0b\n\tü→متجر"
    assert plain("\x1b[2J\x9b\u202e") == "\\x1b[2J\\x9b\\u202e"


def test_what_a_tenant_sent_and_is_served(tenant):
    tenant("add", "acme", *ACME)
    with connect(tenant.url) as connection:
        connection.execute(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (now(), 'a', 'a', 1)"
        )
        connection.execute("insert into raw.accounts values (1, 'acme', '2026-01-31', 200000, 199999, 0, 1)")
        connection.execute("insert into tenancy.publications values ('acme', '2026-01-31', '{\"kpi_daily\": 1234}', 0)")
        mark_breaches(connection, [date(2026, 1, 31)])
    shown = tenant("show", "acme").stdout
    assert re.search(r"2026-01-31 +│ +200,000 │ +199,999 │ +0 │ +1 │ +0", shown)
    assert "beyond its limit: acme, load of 2026-01-31: received 200,000 events, its limit is 100,000 a day" in shown
    assert "served as of 2026-01-31: 1,234 rows" in shown
    assert tenant.json("show", "acme")["breaches"][0]["observed"] == 200_000


def test_suspending_and_resuming(tenant):
    tenant("add", "acme", *ACME)
    suspended = tenant("suspend", "acme", "--reason", "unpaid")
    assert suspended.exit_code == 0
    assert "acme  suspended" in suspended.stdout
    assert re.search(r"role analytics_tenant_acme +│ sees nothing", suspended.stdout)
    assert "suspended already" in str(tenant.refused("suspend", "acme"))
    assert tenant.partitions() == ["acme"]
    resumed = tenant.json("resume", "acme")
    assert resumed["status"] == "active"
    assert [(entry["action"], entry["reason"]) for entry in resumed["history"][:2]] == [
        ("resumed", None),
        ("suspended", "unpaid"),
    ]
    assert "no tenant 'nobody'" in str(tenant.refused("suspend", "nobody"))


def test_offboarding_shows_then_does_then_proves(tenant):
    tenant("add", "acme", *ACME)
    tenant("add", "zeta", *ACME)
    with connect(tenant.url) as connection:
        connection.execute("insert into quality.holds values ('2026-01-01', 'acme', '[]')")
    for words in ([], ["--dry-run"], ["--reason", "left"]):
        planned = tenant("offboard", "acme", *words)
        assert planned.exit_code == 0
        assert "Nothing was changed" in planned.stdout
        assert re.search(r"quality.holds │ +1", planned.stdout)
        assert "Neither is built yet" in planned.stdout
    assert tenant.json("offboard", "acme")["done"] is False
    assert tenant.json("show", "acme")["status"] == "active"
    for words in (["--yes"], ["--yes", "--reason", " "], ["--yes", "--dry-run", "--reason", "left"]):
        assert tenant("offboard", "acme", *words).exit_code == 2

    file = tenant.tenants_dir / "acme.yaml"
    file.write_text("")
    assert "First delete" in tenant("offboard", "acme").stdout
    assert "delete the file" in str(tenant.refused("offboard", "acme", "--yes", "--reason", "left"))
    file.unlink()

    assert tenant.partitions() == ["acme", "zeta"]
    done = tenant.json("offboard", "acme", "--yes", "--reason", "left")
    assert (done["done"], done["status"], done["partition"], done["published"]) == (True, "offboarded", False, False)
    assert done["rows"] == {"quality.holds": 1}
    assert (done["access"]["keys_in_use"], done["access"]["role_exists"]) == (0, False)
    assert tenant.partitions() == ["zeta"]
    assert "offboarded" in str(tenant.refused("offboard", "acme", "--yes", "--reason", "again"))
    assert "another one" in str(tenant.refused("add", "acme", *ACME))
    assert tenant.json("show", "acme")["history"][0]["reason"] == "left"
    last = tenant("offboard", "zeta", "--yes", "--reason", "left")
    assert "zeta  offboarded" in last.stdout
    assert last.exit_code == 0


def test_access_that_came_back_is_told(tenant, monkeypatch):
    from analytics_dagster.defs import tenant_partitions

    tenant("add", "acme", *ACME)
    monkeypatch.setattr(tenant_partitions, "follow_registry", lambda *_: None)
    done = tenant("offboard", "acme", "--yes", "--reason", "left")
    assert done.exit_code == 1
    assert "still there" in done.stderr


def test_what_a_terminal_would_obey_is_not_in_an_error(tenant, capsys, monkeypatch):
    del tenant
    monkeypatch.setattr("sys.argv", ["analytics-dagster", "tenant", "show", "\x1b[2J\u202e"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: there is no tenant")
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_bytes_that_are_no_text_are_refused(tenant):
    for words in (["show", "\udcff"], ["suspend", "acme", "--reason", "\udcff"]):
        done = tenant(*words)
        assert done.exit_code == 2
        assert "not UTF-8" in done.stderr
    assert tenant("add", "acme", "--name", "\udcff", *ACME[2:]).exit_code == 1


def test_an_operator_without_a_name(tenant, monkeypatch):
    def nameless() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert tenant("add", "acme", *ACME).exit_code == 0
    assert tenant.json("show", "acme")["history"][0]["actor"] == f"user {os.getuid()}"
