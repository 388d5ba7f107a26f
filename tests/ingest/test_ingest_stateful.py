"""Loads, repeats, crashes, replays, corrections, registrations, late files in any order, against a model in Python.

The model knows what each line must become; after each step the warehouse must say the same of every tenant and event.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ingest_samples import DAY, empty_raw, event, lines, tenant

from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.quarantine import OPEN, Choice, Edit, discard, replay
from analytics_dagster.registration import register_files
from analytics_dagster.tenancy import register
from analytics_dagster.warehouse import WarehouseUrl, connect

pytestmark = pytest.mark.slow

DAYS = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=20)]
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Line:
    tenant: str | None  # none: it is no event
    event_id: str
    content: str

    def written(self) -> bytes:
        if self.tenant is None:
            return f'{{"broken": "{self.event_id}{self.content}"'.encode()
        made = event(self.event_id, self.tenant)
        return json.dumps({**made, "properties": {"track_id": self.content}}).encode()


@dataclass
class Entry:
    """A line in quarantine."""

    file: str
    number: int
    claimed: str | None
    line: Line
    account: str
    status: str = "open"


@dataclass
class Model:
    registered: set[str] = field(default_factory=lambda: {"acme"})
    contents: set[str] = field(default_factory=set)
    events: dict[tuple[str, str], str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    accounts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def load(self, files: list[tuple[str, str | None, list[Line]]]) -> None:
        for name, claimed, written in files:
            content = sha256(b"".join(line.written() + b"\n" for line in written)).hexdigest()
            if content in self.contents:
                continue
            self.contents.add(content)
            for number, line in enumerate(written, start=1):
                account, outcome = self._judge(line, claimed)
                self.accounts[account, "received"] += 1
                self.accounts[account, outcome] += 1
                if outcome == "quarantined":
                    self.entries.append(Entry(name, number, claimed, line, account))

    def replay(self, entries: list[Entry]) -> None:
        for entry in entries:
            before = entry.account
            entry.account, outcome = self._judge(entry.line, entry.claimed)
            self.accounts[before, "received"] -= 1
            self.accounts[before, "quarantined"] -= 1
            self.accounts[entry.account, "received"] += 1
            self.accounts[entry.account, outcome] += 1
            entry.status = "open" if outcome == "quarantined" else "replayed"

    def open(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.status == "open"]

    def _judge(self, line: Line, claimed: str | None) -> tuple[str, str]:
        account = claimed or line.tenant
        account = account if account in self.registered else UNKNOWN
        if line.tenant is None or (claimed or line.tenant) != line.tenant or line.tenant not in self.registered:
            return account or UNKNOWN, "quarantined"
        first = self.events.setdefault((line.tenant, line.event_id), "")
        if not first:
            self.events[line.tenant, line.event_id] = line.content
            return line.tenant, "accepted"
        return line.tenant, "duplicate" if first == line.content else "quarantined"


LINES = st.builds(
    Line,
    st.sampled_from(["acme", "acme", "late", None]),
    st.sampled_from(["e1", "e2", "e3"]),
    st.sampled_from(["a", "b"]),
)
FILES = st.lists(LINES, min_size=1, max_size=6)


class Ingestion(RuleBasedStateMachine):
    url: ClassVar[WarehouseUrl]
    connection: ClassVar[psycopg.Connection]
    folders: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        empty_raw(self.connection)
        for table in ("bi_roles", "tenant_history", "tenants"):
            self.connection.execute(f"delete from tenancy.{table}")
        register(self.connection, [tenant("acme")])
        self.landing: Path = self.folders()
        self.landed: dict[date, list[tuple[str, str | None, list[Line]]]] = {day: [] for day in DAYS}
        self.count = 0
        self.model = Model()

    def _land(self, day: date, claimed: str | None, written: list[Line]) -> None:
        self.count += 1
        folder = self.landing / str(day) / (claimed or "")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.count:03}.ndjson"
        path.write_bytes(lines(*(line.written() for line in written)))
        self.landed[day].append((str(path.relative_to(self.landing)), claimed, written))

    @rule(day=st.sampled_from(DAYS), claimed=st.sampled_from(["acme", "late", None]), written=FILES)
    def land(self, day: date, claimed: str | None, written: list[Line]) -> None:
        self._land(day, claimed, written)

    @precondition(lambda self: any(self.landed.values()))
    @rule(data=st.data(), day=st.sampled_from(DAYS))
    def land_a_file_again(self, data: st.DataObject, day: date) -> None:
        _, claimed, written = data.draw(st.sampled_from([file for files in self.landed.values() for file in files]))
        self._land(day, claimed, written)

    @rule(day=st.sampled_from(DAYS))
    def load(self, day: date) -> None:
        load_day(self.url, self.landing, day)
        self.model.load(sorted(self.landed[day]))

    @rule(day=st.sampled_from(DAYS))
    def crash_while_loading(self, day: date) -> None:
        with connect(self.url) as connection, connection.transaction(force_rollback=True):
            load_day(connection, self.landing, day)

    @rule()
    def register_the_late_tenant(self) -> None:
        register_files(self.connection, [tenant("acme"), tenant("late")])
        if "late" not in self.model.registered:
            self.model.registered.add("late")
            self.model.replay([entry for entry in self.model.open() if "late" in (entry.claimed, entry.line.tenant)])

    @rule()
    def replay_everything(self) -> None:
        replay(self.connection, OPEN, actor="ann")
        self.model.replay(self.model.open())

    @precondition(lambda self: self.model.open())
    @rule(data=st.data(), corrected=LINES)
    def correct_a_line(self, data: st.DataObject, corrected: Line) -> None:
        entry = data.draw(st.sampled_from(self.model.open()))
        edit = Edit(entry.file, entry.number, corrected.written(), "export")
        number = self._entry_id(entry)
        replay(self.connection, Choice(entry_ids=(number,)), actor="ann", edits={number: edit})
        entry.line = replace(corrected)
        self.model.replay([entry])

    @precondition(lambda self: self.model.open())
    @rule(data=st.data())
    def discard_a_line(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.model.open()))
        discard(self.connection, Choice(entry_ids=(self._entry_id(entry),)), actor="ann", reason="a test")
        entry.status = "discarded"

    @invariant()
    def the_warehouse_says_what_the_model_says(self) -> None:
        stored = self.connection.execute(
            "select tenant_id, event_id, properties ->> 'track_id' from raw.events"
        ).fetchall()
        assert sorted(stored) == sorted((*key, content) for key, content in self.model.events.items())
        found = books(self.connection, DAYS)
        assert all(book.balances for book in found), found
        columns = ("received", "accepted", "duplicate", "quarantined")
        assert {(book.tenant_id, column): getattr(book, column) for book in found for column in columns} == {
            (account, column): self.model.accounts[account, column]
            for account in {account for account, _ in self.model.accounts}
            if self.model.accounts[account, "received"]
            for column in columns
        }
        entries = self.connection.execute(
            "select b.path, q.line_number, coalesce(q.tenant_id, '(unknown)'), q.status, q.original"
            " from raw.quarantine as q join raw.batches as b using (batch_id)"
        ).fetchall()
        assert sorted(entries) == sorted(
            (entry.file, entry.number, entry.account, entry.status, entry.line.written())
            for entry in self.model.entries
        )

    def _entry_id(self, entry: Entry) -> int:
        ((found,),) = self.connection.execute(
            "select entry_id from raw.quarantine join raw.batches using (batch_id)"
            " where path = %s and line_number = %s",
            [entry.file, entry.number],
        ).fetchall()
        return int(found)


def test_nothing_is_lost_in_any_order_of_events(warehouse: WarehouseUrl, tmp_path_factory: Any) -> None:
    with connect(warehouse, autocommit=True) as connection:

        class OnThisWarehouse(Ingestion):
            pass

        OnThisWarehouse.url, OnThisWarehouse.connection = warehouse, connection
        OnThisWarehouse.folders = staticmethod(lambda: tmp_path_factory.mktemp("landing"))
        run_state_machine_as_test(
            OnThisWarehouse,
            settings=settings(
                max_examples=40,
                stateful_step_count=15,
                suppress_health_check=list(HealthCheck),
            ),
        )
