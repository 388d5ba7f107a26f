"""Other ways to bring the same events into PostgreSQL; but for dlt, into a table like raw.events with its indexes.

None of them does what `load_day` does: whoever uses them still has to look for repeats, to keep what is refused and
to account for it. Each returns the seconds that it took; what each was given and how it is set is in its docstring.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from _events import COLUMNS
from psycopg.types.json import Jsonb
from pydantic import ValidationError
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import JSONB

from analytics_dagster.schemas import AnalyticsEvent
from analytics_dagster.warehouse import WarehouseUrl, connect

PIECE_BYTES = 1 << 20
ROWS_AT_ONCE = 10_000
DLT_VERSION = "1.31.0"


def bare_copy(url: WarehouseUrl, clean_csv: Path) -> float:
    """The limit: COPY of the clean CSV and nothing else, sent by a client as psql's \\copy does."""
    started = time.perf_counter()
    with connect(url) as connection:
        copy_csv(connection, "bare.events", clean_csv)
    return time.perf_counter() - started


def copy_csv(connection: psycopg.Connection, table: str, clean_csv: Path, *, freeze: bool = False) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} ({COLUMNS}) from stdin (format csv, freeze {freeze})") as copy,
        clean_csv.open("rb") as file,
    ):
        while piece := file.read(PIECE_BYTES):
            copy.write(piece)


def pandas_to_sql(url: WarehouseUrl, lines: Path, day: date) -> float:
    """Lines without the malformed, where it would stop. psycopg 3 and the default method: faster than "multi"."""
    import pandas as pd  # noqa: PLC0415 - the loader does without it

    started = time.perf_counter()
    sent = pd.read_json(lines, lines=True)
    rows = pd.json_normalize(sent["metadata"].tolist()).rename(columns={"timestamp": "occurred_at"})
    rows = rows.join(sent[["event_type", "event_name", "properties"]])
    rows["occurred_at"] = pd.to_datetime(rows["occurred_at"], utc=True, format="ISO8601")
    rows["is_test"] = rows["is_test"].eq(True)  # absent is false
    rows = rows.assign(batch_id=1, line_number=range(1, len(rows) + 1), load_day=day)
    engine = create_engine(url.sqlalchemy(driver="psycopg"))
    rows.to_sql(
        "events",
        engine,
        schema="bare",
        if_exists="append",
        index=False,
        chunksize=ROWS_AT_ONCE,
        dtype={"properties": JSONB},
    )
    engine.dispose()
    return time.perf_counter() - started


def pydantic_row_by_row(url: WarehouseUrl, lines: Path, day: date) -> float:
    """All lines: the contract checks one after the other, executemany writes 10,000 at once."""
    started = time.perf_counter()
    insert = f"insert into bare.events ({COLUMNS}) values ({', '.join(['%s'] * len(COLUMNS.split(',')))})"
    with connect(url) as connection, connection.cursor() as cursor, lines.open("rb") as file:
        numbered = enumerate(file, start=1)
        while batch := list(islice(numbered, ROWS_AT_ONCE)):
            cursor.executemany(insert, [row for number, line in batch if (row := _row(line, number, day))])
    return time.perf_counter() - started


def _row(line: bytes, number: int, day: date) -> tuple[Any, ...] | None:
    try:
        event = AnalyticsEvent.model_validate_json(line)
    except ValidationError:
        return None
    metadata = event.metadata
    return (
        metadata.tenant_id,
        metadata.event_id,
        event.event_type,
        event.event_name,
        metadata.source,
        metadata.timestamp,
        metadata.user_id,
        metadata.anonymous_id,
        metadata.is_test,
        Jsonb(event.properties),
        1,
        number,
        day,
    )


class Dlt:
    """dlt with its defaults and its own JSONL reader, in an environment of its own that is made once and kept."""

    def __init__(self, cache: Path) -> None:
        self._environment = cache / f"dlt-{DLT_VERSION}"
        self._python = self._environment / "bin" / "python"

    def install(self) -> str | None:
        """Why it cannot be compared with; None: it can."""
        complete = self._environment / "complete"
        if complete.exists():
            return None
        print(f"installing dlt {DLT_VERSION} into {self._environment}, for this benchmark only")
        pip = [str(self._python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self._environment)],
            [*pip, f"dlt[postgres]=={DLT_VERSION}"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"dlt {DLT_VERSION} cannot be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        complete.touch()
        return None

    def load(self, url: WarehouseUrl, lines: Path) -> float:
        """Lines without the malformed, where it would stop. Its imports are not counted, its table has no index."""
        # it asks for a password also where none is needed
        address = replace(url, password=url.password or "none").text(with_password=True)
        with tempfile.TemporaryDirectory(dir=lines.parent) as folder:
            done = subprocess.run(
                [self._python, "-I", Path(__file__).with_name("_dlt_child.py"), lines, address],
                cwd=folder,
                env={**os.environ, "DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false"},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        return float(done.stdout.split()[-1])
