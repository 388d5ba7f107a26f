"""`quality` as a person and as a script use it, on what a gate remembers of three tenants."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import Result
from typer.testing import CliRunner

from analytics_dagster.cli import app
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.profiling import Profile
from analytics_dagster.quality.recording import record
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.settings import settings
from analytics_dagster.warehouse import WarehouseUrl, connect

DAY = date(2026, 3, 1)
NEXT = DAY + timedelta(days=1)
HOSTILE = "\x1b[2J[red]\u202eexp <= 1[/red]"


class Command:
    def __init__(self, url: WarehouseUrl) -> None:
        self.url = url

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["quality", *words], terminal_width=200)

    def shown(self, *words: str) -> str:
        done = self(*words)
        assert done.exit_code == 0, done.output
        for dangerous in ("\x1b", "\u202e"):
            assert dangerous not in done.output
        return " ".join(done.stdout.replace("│", " ").split())

    def json(self, *words: str) -> object:
        done = self(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        done = self(*words)
        assert done.exit_code == 1
        assert isinstance(done.exception, AnalyticsError), done.exception
        assert done.exception.remedy
        return str(done.exception)


def verdict(day: date, tenant: str, name: str, severity: str, *, passed: bool, **more: object) -> Verdict:
    told = {"observed": 0.75, "expected": "share <= 0.5", "note": "", "sample": ()} | more
    return Verdict(day, tenant, "raw_events", name, severity, passed=passed, **told)  # type: ignore[arg-type]


@pytest.fixture
def quality(warehouse: WarehouseUrl, tmp_path: Path) -> Iterator[Command]:
    """`broken` is held on both days, by its load and by its marts; `calm` and `silent` are not."""
    (tmp_path / "state").mkdir()
    given = {
        "ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True),
        "ANALYTICS_STATE_DIR": str(tmp_path / "state"),
        "LOGNAME": "ada",
    }
    with connect(warehouse) as connection:
        for tenant in ("broken", "calm", "silent"):
            connection.execute(
                "insert into tenancy.tenants"
                " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
                " values (%s, 'x', 'music', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
                [tenant],
            )
        for number in range(4):
            connection.execute(
                "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'a', %s, 1)",
                [DAY + timedelta(days=number), str(number)],
            )
            connection.execute(
                "insert into raw.accounts (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)"
                " select max(batch_id), 'broken', %s, 1, 1, 0, 0 from raw.batches",
                [DAY + timedelta(days=number)],
            )
        connection.execute("insert into tenancy.publications values ('broken', '2026-02-28', '{}', 0)")
        loads = [(DAY, "broken"), (NEXT, "broken"), (DAY, "calm")]
        record(
            connection,
            "loads",
            "run 1",
            [
                verdict(DAY, "broken", "lines_are_well_formed", "critical", passed=False, sample=("e1", "e2")),
                verdict(DAY, "broken", "lines_are_new", "warning", passed=False, observed=None, expected=HOSTILE),
                verdict(DAY, "broken", "amounts_are_usual", "critical", passed=True, observed=None, note="unheard of"),
                verdict(NEXT, "broken", "lines_are_well_formed", "critical", passed=True),
                verdict(DAY, "calm", "lines_are_well_formed", "critical", passed=True),
                verdict(DAY, "calm", "lines_are_new", "warning", passed=False),
            ],
            profiles=[Profile(day, tenant, "1/1/0/0", {}, {}) for day, tenant in loads],
        )
        record(connection, "marts", "run 2", [verdict(NEXT, "broken", "marts_add_up", "critical", passed=False)])
    with patch.dict(os.environ, given):
        settings.cache_clear()
        yield Command(replace(warehouse))
    settings.cache_clear()


def test_who_is_held_why_since_when_and_how_to_go_on(quality):
    shown = quality.shown("list")
    assert re.search(r"broken 2026-03-01 [\d-]+ [\d:]+ raw_events.lines_are_well_formed: expected share <= 0.5", shown)
    assert "its marts: raw_events.marts_add_up" in shown
    assert "analytics-dagster quality release broken 2026-03-01 --reason" in shown
    first, second = quality.json("list")
    assert (first["tenant_id"], first["load_day"], first["stage"], first["waiting_loads"], first["as_of"]) == (
        "broken",
        "2026-03-01",
        "loads",
        3,
        "2026-02-28",
    )
    assert (second["load_day"], second["stage"], second["waiting_loads"]) == ("2026-03-02", "marts", 2)


def test_the_verdicts_of_a_load_the_failing_first(quality):
    shown = quality.shown("show", "broken")
    assert "broken, load of 2026-03-01 held" in shown
    assert "3 expectations judged, 2 failed, score 0.00" in shown
    assert re.search(r"well_formed critical share <= 0.5 0.75 failed – e1, e2 .*lines_are_new warning", shown)
    assert "\\x1b[2J[red]\\u202eexp <= 1[/red] nothing failed" in shown
    assert "amounts_are_usual" not in shown
    assert "amounts_are_usual critical share <= 0.5 nothing passed unheard of" in quality.shown(
        "show", "broken", "--all"
    )

    told = quality.json("show", "broken", "2026-03-01")
    assert (told["state"], told["score"], told["judged"], len(told["verdicts"])) == ("held", 0.0, 3, 2)
    assert told["verdicts"][0]["sample"] == ["e1", "e2"]
    assert told["verdicts"][0]["run_id"] == "run 1"
    assert len(quality.json("show", "broken", "--all")["verdicts"]) == 3
    both = quality.json("show", "broken", "2026-03-02", "--all")["verdicts"]
    assert [(each["expectation"], each["stage"]) for each in both] == [
        ("marts_add_up", "marts"),
        ("lines_are_well_formed", "loads"),
    ]
    assert "load of 2026-03-01 passed" in quality.shown("show", "calm")


def test_a_load_that_only_passes_and_one_that_nobody_judged(quality):
    with connect(quality.url) as connection:
        passed = verdict(NEXT, "calm", "lines_are_new", "warning", passed=True)
        record(connection, "loads", "run 3", [passed], profiles=[Profile(NEXT, "calm", "1/1/0/0", {}, {})])
    assert "Nothing failed; --all shows" in quality.shown("show", "calm")
    assert "no load of it was judged" in quality.refused("show", "silent")
    assert "load of 2026-05-05 was not judged" in quality.refused("show", "calm", "2026-05-05")
    for command in (["show", "nobody"], ["scores", "nobody"], ["release", "nobody", "2026-03-01", "--reason", "x"]):
        assert "no tenant 'nobody'" in quality.refused(*command)


def test_a_release_and_what_follows_from_it(quality):
    done = quality.shown("release", "broken", "2026-03-01", "--reason", "a [bold]sale[/bold]")
    assert "Released: the load of 2026-03-01 of broken, by ada." in done
    assert "raw_events.lines_are_well_formed: expected share <= 0.5, observed 0.75" in done
    assert "catch up up to" not in done
    assert "catch up to the load before 2026-03-02, which is held, too, in the next build" in done
    assert [hold["load_day"] for hold in quality.json("list")] == ["2026-03-02"]
    assert re.search(
        r"released by ada, [\d: -]+: a \[bold\]sale\[/bold\]", quality.shown("show", "broken", "2026-03-01")
    )

    assert "held are its loads of 2026-03-02" in quality.refused("release", "broken", "2026-03-01", "--reason", "x")
    told = quality.json("release", "broken", "2026-03-02", "--reason", "x", "--actor", "bob")
    assert (told["actor"], told["reason"], told["content"], told["still_held"]) == ("bob", "x", "1/1/0/0", [])
    assert quality.shown("list") == "No load is held."
    assert quality.json("list") == []


def test_a_release_behind_another_hold_serves_nothing_yet(quality):
    assert "Its marts still stand before the load of 2026-03-01" in quality.shown(
        "release", "broken", "2026-03-02", "--reason", "x"
    )


def test_scores(quality):
    every = quality.json("scores")
    assert [(line["tenant_id"], line["load_day"], line["score"], line["state"]) for line in every] == [
        ("broken", "2026-03-02", 100.0, "held"),
        ("calm", "2026-03-01", 71.43, "passed"),
    ]
    lines = quality.json("scores", "broken")
    assert [(line["load_day"], line["score"], line["score_7d"]) for line in lines] == [
        ("2026-03-02", 100.0, 50.0),
        ("2026-03-01", 0.0, 0.0),
    ]
    assert len(quality.json("scores", "broken", "--limit", "1")) == 1
    assert re.search(r"broken 2026-03-01 0.00 0.00 held 2 1 1", quality.shown("scores", "broken"))
    assert quality.shown("scores", "silent") == "No load was judged yet."


@pytest.mark.parametrize(
    "words",
    [
        ["release", "broken", "2026-03-01"],
        ["release", "broken", "2026-03-01", "--reason", " "],
        ["release", "broken", "yesterday", "--reason", "x"],
        ["release", "broken", "--reason", "x"],
        ["show"],
        ["show", "\udcff"],
        ["scores", "a\0b"],
        ["scores", "broken", "--limit", "0"],
    ],
)
def test_what_cannot_be_meant_is_refused(quality, words):
    done = quality(*words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert len(quality.json("list")) == 2
