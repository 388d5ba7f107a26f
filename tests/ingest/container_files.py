"""Events packed into files of every container, and what reading and checking make of a file."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from analytics_dagster.ingest.checking import Checked, Checker, Origin, RefusedLine
from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.reading import Block, FileReading, Flaw

Event = dict[str, Any]
COLUMNS = ["event_id", "tenant_id", "source", "timestamp", "user_id", "anonymous_id", "is_test"]


def flat(event: Event) -> dict[str, Any]:
    metadata = event["metadata"]
    return {
        **{name: metadata.get(name) for name in COLUMNS},
        "event_type": event["event_type"],
        "event_name": event["event_name"],
        "properties": json.dumps(event["properties"], ensure_ascii=False),
    }


def as_ndjson(events: Sequence[Event]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def as_json(events: Sequence[Event], indent: int | None = None) -> bytes:
    return json.dumps(events, indent=indent, ensure_ascii=indent is None).encode()


def as_csv(events: Sequence[Event]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*COLUMNS, "event_type", "event_name", "properties"])
    writer.writeheader()
    for event in events:
        row = flat(event)
        writer.writerow(row | {"is_test": {None: "", True: "TRUE", False: "false"}[row["is_test"]]})
    return out.getvalue().encode()


def as_parquet(events: Sequence[Event], *, nested: bool = False, group: int = 1000) -> bytes:
    out = io.BytesIO()
    if nested:
        rows = [event | {"properties": json.dumps(event["properties"])} for event in events]
        fields = [(name, pa.bool_() if name == "is_test" else pa.string()) for name in COLUMNS]
        schema = pa.schema(
            [
                ("metadata", pa.struct(fields)),
                *((name, pa.string()) for name in ("event_type", "event_name", "properties")),
            ]
        )
    else:
        rows = [flat(event) for event in events]
        schema = pa.schema(
            [
                (name, pa.bool_() if name == "is_test" else pa.string())
                for name in [*COLUMNS, "event_type", "event_name", "properties"]
            ]
        )
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), out, row_group_size=group)
    return out.getvalue()


def packed(name: str, events: Sequence[Event]) -> bytes:
    """By the ending of the name."""
    plain = name.removesuffix(".gz").removesuffix(".zst")
    if plain.endswith(".csv"):
        content = as_csv(events)
    elif plain.endswith(".parquet"):
        content = as_parquet(events, nested="nested" in name, group=3)
    elif plain.endswith(".json"):
        content = as_json(events, 1 if "pretty" in name else None)
    else:
        content = as_ndjson(events)
    return compressed(name, content)


def compressed(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    return pa.compress(content, codec="zstd", asbytes=True) if name.endswith(".zst") else content


@dataclass
class Read:
    accepted: list[dict[str, Any]]
    refused: list[RefusedLine]
    flaw: Flaw | None

    @property
    def ids(self) -> list[str]:
        return [row["event_id"] for row in self.accepted]

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        return [(line.line_number, r.field, r.rule) for line in self.refused for r in line.refusal.reasons]


def read(path: Path, claimed_tenant: str | None = "acme") -> Read:
    reading = FileReading(path, path.stat().st_size, claimed_tenant=claimed_tenant)
    blocks = list(reading.blocks())
    checked = [check(blocks, claimed_tenant)] if blocks else []
    rows = [row for one in checked for row in one.accepted.to_pylist()]
    return Read(rows, [line for one in checked for line in one.refused], reading.flaw)


@cache
def checker() -> Checker:
    """One for all tests: most of a small check is the opening of DuckDB."""
    return Checker(Intake(frozenset({"acme", "zeta"})))


def check(blocks: Sequence[Block], claimed_tenant: str | None = "acme") -> Checked:
    return checker().check([(Origin(1, claimed_tenant), block) for block in blocks])
