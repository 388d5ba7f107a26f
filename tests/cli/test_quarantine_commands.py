"""`quarantine` as a person and as a script use it, mistakes included, on refused lines of all kinds."""

import base64
import io
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from platform_process import PROGRAM, TRACEBACK, environment

from analytics_dagster.cli import main
from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import PROJECT_ROOT, settings
from analytics_dagster.tenancy import load_tenant_files, register
from analytics_dagster.warehouse import WarehouseUrl, connect

DAY, NEXT = date(2026, 1, 31), date(2026, 2, 1)
REFUSED, USAGE, STAY_OPEN = 1, 2, 4
HOSTILE = "\x1b[2J[red]\u202egpj\u009b31m[/red]"  # clears a screen, is markup, turns the text around


def event(event_id: str, **fields: Any) -> dict[str, Any]:
    metadata = {"event_id": event_id, "tenant_id": "kirana", "source": "api", "timestamp": "2026-01-31T09:30:00Z"}
    return {"metadata": metadata, "event_type": "system", "event_name": "started", **fields}


@dataclass
class Quarantine:
    url: WarehouseUrl
    folder: Path

    def __call__(self, *arguments: str, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """As the program calls `main`, but in this process: starting one takes seconds."""
        output, complaints = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        file = self.folder / "input"
        file.write_bytes(said)
        with (
            file.open(encoding="utf-8") as given,
            pytest.MonkeyPatch.context() as patch,
            mock.patch.dict(os.environ, self.environment, clear=True),
        ):
            patch.setattr(sys, "argv", ["analytics-dagster", "quarantine", *arguments])
            patch.setattr(sys, "stdin", given)
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", complaints)
            settings.cache_clear()
            with pytest.raises(SystemExit) as ended:
                main()
        settings.cache_clear()
        return _safe(int(ended.value.code or 0), output.buffer.getvalue(), complaints.buffer.getvalue())

    def process(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [PROGRAM, "quarantine", *arguments], env=self.environment, capture_output=True, check=False
        )
        return _safe(done.returncode, done.stdout, done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        variables = {"WAREHOUSE_URL": self.url.text(), "STATE_DIR": str(self.folder / "state")}
        return environment(**variables) | {"LOGNAME": "ann"}

    def shown(self, *arguments: str) -> str:
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def fails(self, *arguments: str, code: int = REFUSED) -> str:
        done = self(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout == b""
        return " ".join(done.stderr.decode().replace("│", " ").split())

    def export(self, *arguments: str) -> list[dict[str, Any]]:
        done = self("export", "-", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def balanced(self) -> bool:
        with connect(self.url) as connection:
            return all(book.balances for book in books(connection, [DAY, NEXT]))


def _safe(code: int, said: bytes, complained: bytes) -> subprocess.CompletedProcess[bytes]:
    assert TRACEBACK.encode() not in complained
    for dangerous in ("\x1b", "\u202e", "\u009b"):
        assert dangerous.encode() not in said + complained
    return subprocess.CompletedProcess([], code, said, complained)


@pytest.fixture
def quarantine(warehouse: WarehouseUrl, tmp_path: Path) -> Quarantine:
    """Entries 1 to 6 by file and line, 7 and 8 of the next day: 8 is 1 again, 9 is a file that breaks off."""
    landing = tmp_path / "landing"

    def land(day: date, tenant: str, name: str, *lines: bytes) -> None:
        folder = landing / day.isoformat() / tenant
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))

    def line(content: dict[str, Any]) -> bytes:
        return json.dumps(content, ensure_ascii=False).encode()

    same = line(event("a", event_name="Not So"))
    land(DAY, "kirana", "a.ndjson", line(event("good")), same, b"\xff\xfe\x00binary", line(event("h", **{HOSTILE: 1})))
    land(DAY, "kirana", "b.ndjson", b"{" + b"x" * 5_000, line(event("l") | {"event_name": 7, "extra": 1}))
    land(DAY, "nobody", "c.ndjson", line(event("u")).replace(b"kirana", b"nobody"))
    land(NEXT, "kirana", "d.ndjson", b'{"cut', same)
    land(NEXT, "kirana", "e.ndjson.gz", b"no gzip")
    with connect(warehouse) as connection:
        register(connection, load_tenant_files(PROJECT_ROOT / "tenants"))
    for day in (DAY, NEXT):
        load_day(warehouse, landing, day)
    return Quarantine(warehouse, tmp_path)


# --- list ------------------------------------------------------------------------------------------------------


def test_the_list_is_newest_first_with_counts_by_reason(quarantine):
    told = quarantine.json("list")
    assert [line["entry_id"] for line in told["entries"]] == [9, 8, 7, 6, 5, 4, 3, 2]
    first = told["entries"][1]
    assert (first["entry_ids"], first["times_seen"], first["file"]) == ([1, 8], 2, "2026-02-01/kirana/d.ndjson")
    assert first["first_seen"] < first["last_seen"]
    assert {(c["tenant_id"], c["rule"], c["field"]): c["entries"] for c in told["counts"]} == {
        ("kirana", "string_pattern_mismatch", "event_name"): 2,
        ("kirana", "nul_byte", "line"): 1,
        ("kirana", "extra_forbidden", HOSTILE): 1,
        ("kirana", "extra_forbidden", "extra"): 1,
        ("kirana", "string_type", "event_name"): 1,
        ("kirana", "json_invalid", "line"): 2,
        ("(unknown)", "unknown_tenant", "metadata.tenant_id"): 1,
        ("kirana", "not_gzip", "file"): 1,
    }
    shown = quarantine.shown("list")
    assert "2026-01-31/kirana/b.ndjson:2" in shown
    assert "\\x1b[2J[red]\\u202egpj\\x9b31m[/red]" in shown, "markup is text, and a control character an escape"


FILTERS: list[tuple[list[str], list[int]]] = [
    (["--tenant", "(unknown)"], [6]),
    (["--tenant", "kirana", "--rule", "json_invalid"], [7, 4]),
    (["--rule", "extra_forbidden", "--field", "extra"], [5]),
    (["--rule", "string_type", "--field", "extra"], []),
    (["--since", "2026-02-01"], [9, 8, 7]),
    (["--until", "2026-01-31"], [6, 5, 4, 3, 2, 1]),
    (["--since", "2026-01-31", "--until", "2026-01-31", "--file", "b.nd"], [5, 4]),
    (["--file", "100%_"], []),
    (["--status", "discarded"], []),
    (["--status", "all", "--file", "c.ndjson"], [6]),
]


def test_a_list_of_some(quarantine):
    for filters, entries in FILTERS:
        told = quarantine.json("list", *filters)
        assert [line["entry_id"] for line in told["entries"]] == entries, filters
        assert bool(told["counts"]) is bool(entries)
        if not entries:
            assert "No entry." in quarantine.shown("list", *filters)


def test_a_list_goes_on_from_page_to_page(quarantine):
    found, before = [], []
    while before is not None:
        page = quarantine.json("list", "--limit", "3", *before)
        found += [line["entry_id"] for line in page["entries"]]
        before = ["--before", str(page["next_before"])] if page["next_before"] else None
    assert found == [9, 8, 7, 6, 5, 4, 3, 2]
    assert "--before 7" in quarantine.shown("list", "--limit", "3")
    assert "entries" not in quarantine.json("list", "--counts")
    assert "d.ndjson" not in quarantine.shown("list", "--counts")


# --- show ------------------------------------------------------------------------------------------------------


def test_an_entry_is_shown_wholly_and_safely(quarantine):
    shown = quarantine.shown("show", "3")
    assert "2026-01-31/kirana/a.ndjson, line 4" in shown
    assert "\\x1b[2J[red]\\u202egpj\\x9b31m[/red]" in shown.replace("\n", "")
    assert "extra_forbidden" in shown
    line = json.dumps(event("a", event_name="Not So"))
    assert line in quarantine.shown("show", "1").splitlines(), "to be copied"
    assert "also as 8" in quarantine.shown("show", "1")
    told = quarantine.json("show", "3")
    assert json.loads(told["original"])[HOSTILE] == 1
    assert told["history"] == []


def test_what_is_no_text_is_shown_as_bytes(quarantine):
    shown = quarantine.shown("show", "2")
    assert "not UTF-8 from byte 1 on; bytes 1 to 9 of 9" in shown
    assert "ff fe 00 62 69 6e 61 72 79" in shown
    assert "...binary" in shown
    assert base64.b64decode(quarantine.json("show", "2")["original_base64"]) == b"\xff\xfe\x00binary"


def test_a_long_line_is_cut_unless_asked_for(quarantine):
    assert "and 1,001 characters more (--full)" in quarantine.shown("show", "4")
    assert quarantine.shown("show", "4", "--full").count("x") >= 5_000
    assert "the whole file" in quarantine.shown("show", "9")


# --- export ----------------------------------------------------------------------------------------------------


def test_an_export_holds_every_byte(quarantine):
    lines = quarantine.export()
    assert [line["entry_id"] for line in lines] == list(range(1, 10))
    assert set(lines[0]) == {"entry_id", "tenant", "file", "line", "reasons", "original"}
    assert (lines[5]["tenant"], lines[8]["line"]) == ("(unknown)", None)
    stored = dict(quarantine.rows("select entry_id, original from raw.quarantine"))
    for line in lines:
        coded = line.get("original_base64")
        content = base64.b64decode(coded) if coded is not None else line["original"].encode()
        assert content == stored[line["entry_id"]]
    assert [line["entry_id"] for line in quarantine.export("7", "1", "7")] == [1, 7]
    assert quarantine.export("--tenant", "nobody") == []


def test_an_export_is_private_and_overwrites_nothing(quarantine, tmp_path):
    file = tmp_path / "export.ndjson"
    assert "9 entries exported" in quarantine("export", str(file)).stderr.decode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_bytes()
    assert "there already" in quarantine.fails("export", str(file))
    assert file.read_bytes() == written
    unknown = tmp_path / "unknown.ndjson"
    assert "no entry 77" in quarantine.fails("export", str(unknown), "1", "77")
    assert not unknown.exists()
    assert "cannot be written" in quarantine.fails("export", str(tmp_path / "no" / "folder"))


# --- replay ----------------------------------------------------------------------------------------------------


def test_an_edited_export_is_replayed(quarantine, tmp_path):
    file = tmp_path / "edited.ndjson"
    quarantine("export", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[:5]:
        line["original"] = json.dumps(event(f"fixed {line['entry_id']}"))
        line.pop("original_base64", None)
    # as an editor on another system saves it, in another order
    file.write_text("\r\n".join(["", *(json.dumps(line) for line in reversed(lines)), ""]), encoding="utf-8-sig")
    told = quarantine.json("replay", "--from", str(file), code=STAY_OPEN)
    assert {name: told[name] for name in ("accepted", "refused", "whole_files", "stay_open", "load_days")} == {
        "accepted": 5, "refused": 3, "whole_files": 1, "stay_open": 4, "load_days": [DAY.isoformat()],
    }  # fmt: skip
    assert {"rule": "json_invalid", "field": "line", "entries": 1} in told["reasons"]
    assert quarantine.balanced()
    assert quarantine.rows("select count(*) from raw.events") == [(6,)]
    shown = quarantine.shown("show", "2")
    assert "replayed: accepted, after nul_byte" in shown
    assert "ann" in shown
    history = quarantine.json("show", "2")["history"]
    assert base64.b64decode(history[0]["original_before_base64"]) == b"\xff\xfe\x00binary"
    again = quarantine.json("replay", "--from", str(file), code=STAY_OPEN)
    assert (again["accepted"], again["replayed_before"], again["load_days"]) == (0, 5, [])


def test_replay_from_standard_input(quarantine):
    (line,) = quarantine.export("1")
    said = json.dumps(line | {"original": json.dumps(event("fixed"))}).encode()
    done = quarantine("replay", "--from", "-", "--actor", "the mapping's script", said=said)
    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout.decode()
    assert "Loading days to build again: 2026-01-31" in done.stdout.decode()
    assert quarantine.rows("select actor from raw.replays") == [("the mapping's script",)]


def test_replay_by_number_and_by_filter(quarantine):
    shown = quarantine("replay", "1", "8")
    assert shown.returncode == STAY_OPEN
    assert "refused again" in shown.stdout.decode()
    assert "string_pattern_mismatch" in shown.stdout.decode()
    assert quarantine.json("replay", "--tenant", "kirana", "--since", "2026-02-01", code=STAY_OPEN)["refused"] == 2
    assert quarantine.json("replay", "--all", code=STAY_OPEN)["stay_open"] == 9
    assert quarantine.json("replay", "--rule", "no_such_rule")["stay_open"] == 0
    # the contract does not change here, but the tenant comes
    with connect(quarantine.url) as connection:
        (kirana,) = [t for t in load_tenant_files(PROJECT_ROOT / "tenants") if t.tenant_id == "kirana"]
        register(connection, [TenantConfiguration(**kirana.model_dump() | {"tenant_id": "nobody"})])
    assert quarantine.json("replay", "--rule", "unknown_tenant")["accepted"] == 1
    assert "none" in quarantine.shown("replay", "--rule", "unknown_tenant")
    assert quarantine.balanced()


def test_two_processes_replay_an_entry_once(quarantine, tmp_path):
    file = tmp_path / "edited.ndjson"
    file.write_text(json.dumps(quarantine.export("1")[0] | {"original": json.dumps(event("fixed"))}))
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: quarantine.process("replay", "--from", str(file), "--json"), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    told = [json.loads(one.stdout) for one in done]
    assert sorted((one["accepted"], one["replayed_before"]) for one in told) == [(0, 1), (1, 0)]
    assert quarantine.rows("select count(*) from raw.events where event_id = 'fixed'") == [(1,)]
    assert quarantine.balanced()


def edited(line: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(line | changes).encode() + b"\n"


@pytest.mark.parametrize(
    ("changes", "cut", "said"),
    [
        ({"entry_id": 7}, 0, "entry 7 came from another file or line"),
        ({"entry_id": 77}, 0, "the quarantine has no entry 77"),
        ({}, 30, "is the file cut off?"),
    ],
)
def test_an_export_with_mistakes_replays_nothing(quarantine, tmp_path, changes, cut, said):
    file = tmp_path / "edited.ndjson"
    one, two = quarantine.export("1", "5")
    content = edited(two, original=json.dumps(event("e"))) + edited(one, original=json.dumps(event("f")), **changes)
    file.write_bytes(content[: len(content) - cut])
    assert said in quarantine.fails("replay", "--from", str(file))
    assert quarantine.rows("select count(*) from raw.quarantine where status <> 'open'") == [(0,)]
    assert quarantine.rows("select count(*) from raw.quarantine_history") == [(0,)]


# --- discard ---------------------------------------------------------------------------------------------------


def test_entries_are_discarded_for_a_reason(quarantine):
    assert "2 discarded." in quarantine.shown("discard", "1", "9", "--reason", " sent again\x1b[0m ")
    assert quarantine.rows("select entry_id, actor, detail ->> 'reason' from raw.quarantine_history order by 1") == [
        (1, "ann", "sent again\x1b[0m"),
        (9, "ann", "sent again\x1b[0m"),
    ]
    assert "discarded: sent again" in quarantine.shown("show", "1")
    assert quarantine.json("discard", "1", "2", "--reason", "again") == {"discarded": 1, "dry_run": False, "scope": []}
    assert "0 discarded, 1 had been before" in quarantine.shown("discard", "1", "--reason", "once more")
    assert "discarded" in quarantine.fails("replay", "1")
    assert quarantine.balanced()


def test_many_are_discarded_only_when_their_scope_was_seen(quarantine):
    arguments = ["discard", "--tenant", "kirana", "--until", "2026-01-31", "--reason", "a test of theirs"]
    shown = quarantine.shown(*arguments)
    assert "string_pattern_mismatch" in shown
    assert "Nothing was discarded" in shown
    assert quarantine.json(*arguments)["dry_run"] is True
    assert quarantine.rows("select count(*) from raw.quarantine where status <> 'open'") == [(0,)]
    assert quarantine.json(*arguments, "--yes")["discarded"] == 5
    assert quarantine.json(*arguments, "--yes") == {"discarded": 0, "dry_run": False, "scope": []}
    assert quarantine.balanced()


def test_what_was_replayed_is_not_discarded(quarantine, tmp_path):
    file = tmp_path / "edited.ndjson"
    file.write_bytes(edited(quarantine.export("1")[0], original=json.dumps(event("fixed"))))
    quarantine.json("replay", "--from", str(file))
    assert "entry 1 cannot be discarded: replayed already" in quarantine.fails("discard", "1", "2", "--reason", "x")
    assert quarantine.rows("select status from raw.quarantine where entry_id = 2") == [("open",)]


# --- mistakes --------------------------------------------------------------------------------------------------


MISTAKES: list[tuple[list[str], int, str]] = [
    (["show", "77"], REFUSED, "the quarantine has no entry 77"),
    (["replay", "1", "77"], REFUSED, "the quarantine has no entry 77"),
    (["replay", *map(str, range(70, 80))], REFUSED, "no entries 70, 71, 72, 73, 74 and 5 more"),
    (["replay", "9"], REFUSED, "entry 9 cannot be replayed: about a whole file"),
    (["discard", "77", "--reason", "x"], REFUSED, "the quarantine has no entry 77"),
    (["replay"], USAGE, "say which entries"),
    (["replay", "1", "--all"], USAGE, "say which entries"),
    (["replay", "1", "--tenant", "kirana"], USAGE, "say which entries"),
    (["replay", "--from", "/nowhere/at/all"], USAGE, "/nowhere/at/all"),
    (["discard", "1"], USAGE, "--reason"),
    (["discard", "1", "--reason", "  "], USAGE, "say why"),
    (["discard", "--reason", "x", "--yes"], USAGE, "say which entries"),
    (["export", "-", "1", "--rule", "x"], USAGE, "not by both"),
    (["show", "one"], USAGE, "as an integer"),
    (["show", str(2**63)], USAGE, "9223372036854775807"),
    (["list", "--since", "yesterday"], USAGE, "--since"),
    (["list", "--since", "2026-02-01", "--until", "2026-01-31"], USAGE, "is after --until"),
    (["list", "--status", "lost"], USAGE, "--status"),
    (["list", "--file", os.fsdecode(b"\xff")], USAGE, "is not UTF-8"),
]


def test_a_mistake_is_named_and_changes_nothing(quarantine):
    for arguments, code, said in MISTAKES:
        assert said in quarantine.fails(*arguments, code=code), arguments
    assert quarantine.rows("select count(*) from raw.quarantine where status <> 'open'") == [(0,)]


def test_help_says_what_each_command_does(quarantine):
    overview = quarantine.shown("--help")
    for command in ("list", "show", "export", "replay", "discard"):
        assert command in overview
        assert "Usage:" in quarantine.shown(command, "--help")


def test_somebody_without_a_name_acts_as_the_databases_user(quarantine, monkeypatch):
    from analytics_dagster.cli.preparation import actor_at

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    with connect(quarantine.url) as connection:
        assert actor_at(connection) == quarantine.url.user
