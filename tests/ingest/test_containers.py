"""Every container, whole and broken: the same rows as from NDJSON, every record counted, originals kept."""

import io
import json
import random
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from container_files import Event, as_csv, as_json, as_ndjson, as_parquet, check, compressed, flat, packed, read
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ingest_samples import DAY, event
from pyarrow import parquet
from unmeasured import processes_unmeasured

from analytics_dagster.ingest import blocks as limits
from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.containers import inflating, parquet_rows, record_again
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.naming import naming_of
from analytics_dagster.ingest.report import Tally
from analytics_dagster.warehouse import WarehouseUrl

NAMES = [
    *("a.ndjson.zst", "a.json", "pretty.json.gz", "a.json.zst", "a.csv", "a.csv.gz", "a.csv.zst"),
    *("a.parquet", "nested.parquet"),
]
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
identifiers = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
plain = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    metadata = {
        "event_id": draw(identifiers),
        "tenant_id": draw(st.sampled_from(["acme", "zeta", "nobody"])),
        "source": draw(st.sampled_from(["api", "web_app", "fax"])),
        "timestamp": draw(st.sampled_from(["2026-01-31T09:30:00.125+01:00", "2026-01-31T09:30:00Z", "yesterday"])),
    }
    optional = draw(st.fixed_dictionaries({}, optional={"user_id": identifiers, "is_test": st.booleans()}))
    properties = draw(st.dictionaries(text, values, max_size=3))
    name = draw(st.sampled_from(["track_play", "Track"]))
    return {
        "metadata": metadata | optional,
        "event_type": "user_action",
        "event_name": name,
        "properties": properties,
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(sent=st.lists(events(), min_size=1, max_size=8), name=st.sampled_from(NAMES), small=st.booleans())
def test_every_container_gives_the_rows_of_ndjson(
    sent: list[Event], name: str, small: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("same")
    (folder / "plain.ndjson").write_bytes(as_ndjson(sent))
    (folder / name).write_bytes(packed(name, sent))
    expected = read(folder / "plain.ndjson", None)
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(limits, "BLOCK_BYTES", 300)
            patch.setattr(inflating, "PIECE_BYTES", 11)
            patch.setattr(parquet_rows, "MOST_ROWS", 2)
        found = read(folder / name, None)

    def told(rows: list[Event]) -> list[Event]:
        # a row of a CSV is where it begins, which is not where the line of NDJSON is
        return [{**row, "line_number": 0, "properties": json.loads(row["properties"])} for row in rows]

    assert told(found.accepted) == told(expected.accepted)
    assert found.flaw is None
    assert [line.refusal.tenant_id for line in found.refused] == [line.refusal.tenant_id for line in expected.refused]
    assert [(field, rule) for _, field, rule in found.reasons] == [
        (field.removeprefix("metadata.") if "csv" in name or name == "a.parquet" else field, rule)
        for _, field, rule in expected.reasons
    ]
    if "csv" not in name:
        numbers = [row["line_number"] for row in found.accepted] + [line.line_number for line in found.refused]
        assert sorted(numbers) == list(range(1, len(sent) + 1))
    # what quarantine keeps is enough to judge a record again
    for line in found.refused:
        again = check([record_again(naming_of(name), line.original, line.line_number, None)], None)
        assert [(one.original, one.refusal) for one in again.refused] == [(line.original, line.refusal)]


def test_every_container_is_loaded_with_its_books(
    warehouse: WarehouseUrl, tenants: psycopg.Connection, landing: Path
) -> None:
    folder = landing / DAY.isoformat() / "acme"
    folder.mkdir(parents=True)
    names = ["plain.ndjson", *NAMES]
    for number, name in enumerate(names):
        sent = [event(f"{number}-{n}", is_test=bool(n % 2)) for n in range(3)] + [event("bad", "zeta"), event("0-0")]
        (folder / name).write_bytes(packed(name, sent))
    report = load_day(warehouse, landing, DAY)
    count = len(names)
    assert report.tenants == {"acme": Tally(received=5 * count, accepted=3 * count, duplicate=count, quarantined=count)}
    assert report.problems == ()
    assert all(book.balances for book in books(tenants, [DAY]))
    [(rows,)] = tenants.execute(
        "select count(distinct (event_type, event_name, source, occurred_at, user_id, is_test, properties))"
        " from raw.events"
    ).fetchall()
    assert rows == 2, "they differ in is_test alone"


# --- JSON ------------------------------------------------------------------------------------------------------


def test_each_broken_element_is_refused_by_itself(tmp_path: Path) -> None:
    good = [json.dumps(event(f"e{n}")).encode() for n in range(3)]
    path = tmp_path / "a.json"
    path.write_bytes(
        b"\xef\xbb\xbf ["
        + good[0]
        + b', {"a": }, 12, "x\n", {"b": "1\n2"},, nonsense '
        + good[1]
        + b"} "
        + good[2]
        + b"]"
    )
    found = read(path)
    assert found.ids == ["e0", "e1", "e2"]
    assert found.flaw is None
    assert [(line.line_number, line.original) for line in found.refused] == [
        *((2, b'{"a": }'), (3, b"12"), (4, b'"x\n"'), (5, b'{"b": "1\n2"}'), (6, b"nonsense"), (8, b"}"))
    ]
    assert [rule for _, _, rule in found.reasons] == [
        *("json_invalid", "model_type", "json_invalid", "json_invalid", "json_invalid", "json_invalid")
    ]


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (as_json([event("e1")])[1:-1], ["e1"]),  # one object
        (as_ndjson([event("e1"), event("e2")]), ["e1", "e2"]),  # a name that promises too much
        (as_json([event("e1")]) + b"\n" + as_json([event("e2")]), ["e1", "e2"]),
        (as_json([event("e1") | {"properties": {"deep": json.loads("[" * 30 + "]" * 30), "s": '\\"[{'}}]), ["e1"]),
    ],
)
def test_values_one_after_another(tmp_path: Path, content: bytes, ids: list[str]) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = read(path)
    assert (found.ids, found.refused, found.flaw) == (ids, [], None)


@pytest.mark.parametrize("content", [b"", b"[]", b" [ , ] ", b"\n"])
def test_a_file_without_an_element_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = read(path)
    assert found.flaw is not None
    assert found.flaw.rule == "empty_file"


@pytest.mark.parametrize("cut", [1, 2, 40, 150])
def test_an_array_that_breaks_off(tmp_path: Path, cut: int) -> None:
    whole = as_json([event("e1"), event("e2")])
    path = tmp_path / "a.json"
    path.write_bytes(whole[:-cut])
    found = read(path)
    assert found.flaw is not None
    assert found.flaw.rule == "truncated_json"
    kept = whole[whole.rindex(b'{"metadata"') : -cut]
    assert found.flaw.remainder == (b"" if cut == 1 else kept)
    assert found.ids == (["e1", "e2"] if cut == 1 else ["e1"])


def test_an_element_of_any_length_is_counted_and_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST_KEPT", 2_000_000)
    monkeypatch.setattr(inflating, "PIECE_BYTES", 100_001)
    path = tmp_path / "a.json"
    long = [{"x": "\\" * 9_000_000}, {"y": '[{"\\' * 1_000_000}]
    path.write_bytes(json.dumps([event("e1"), *long, event("e2")]).encode() + b"word" * 1_000_000)
    found = read(path)
    assert found.ids == ["e1", "e2"]
    assert [(number, rule) for number, _, rule in found.reasons][:2] == [(2, "line_too_long"), (3, "line_too_long")]
    kept = [len(line.original) for line in found.refused]
    assert (kept[:2], sum(kept[2:])) == ([2_000_000] * 2, 4_000_000), "a word without end becomes several"


# --- CSV -------------------------------------------------------------------------------------------------------

HEADER = b"event_id,tenant_id,source,timestamp,event_type,event_name,properties,properties.track,is_test\r\n"


def row(event_id: bytes, rest: bytes = b",,", tenant: bytes = b"acme") -> bytes:
    return b"%b,%b,api,2026-01-31T09:30:00Z,user_action,track_play,%b\r\n" % (event_id, tenant, rest)


def test_a_csv_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [
        row(b"e1", b'"{""a"": [1,\r\n 2]}",t 1,TRUE'),
        b"\r\n",
        row(b'"e,""2"""', b',"two\r\nlines",false', tenant=b""),
    ]
    path.write_bytes(b"\xef\xbb\xbf\r\n" + HEADER + b"".join(rows).rstrip())
    found = read(path)
    assert found.refused == []
    assert [
        (r["event_id"], r["line_number"], r["is_test"], json.loads(r["properties"]), r["user_id"])
        for r in found.accepted
    ] == [
        ("e1", 3, True, {"a": [1, 2], "track": "t 1"}, None),
        ('e,"2"', 6, False, {"track": "two\r\nlines"}, None),
    ]


@pytest.mark.parametrize(
    ("bad", "reasons"),
    [
        (b"e,acme\r\n", [("record", "ragged_row")]),
        (row(b"e", b",,,"), [("record", "ragged_row")]),
        (row(b'"e"x'), [("record", "csv_malformed")]),
        (row(b"\xff"), [("record", "bad_utf8")]),
        (row(b"e\0"), [("event_id", "nul_character")]),
        (row(b"e", b",,maybe"), [("is_test", "bool_type")]),
        (row(b"e", b"{,,"), [("properties", "json_invalid")]),
        (row(b"e", b"[1],,"), [("properties", "not_an_object")]),
        (row(b"e", b'"{}} , ""x"": {{}",,'), [("properties", "json_invalid")]),
        (row(b"e", b'"{""track"": 1}",t,'), [("line", "duplicate_key")]),
        (row(b"e", tenant=b"zeta"), [("tenant_id", "tenant_mismatch")]),
        (b",,,,,,,x,\r\n", None),
        (row(b"e", b",%b," % (b"x" * 10_000_000)), [("record", "line_too_long")]),
    ],
)
def test_a_bad_row_goes_alone(tmp_path: Path, bad: bytes, reasons: list[tuple[str, str]] | None) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + row(b"e1") + bad + row(b"e2"))
    found = read(path)
    assert found.ids == ["e1", "e2"]
    assert found.flaw is None
    assert [line.original for line in found.refused] == [HEADER + bad.removesuffix(b"\r\n")]
    assert [number for number, _, _ in found.reasons] == [3] * len(found.reasons)
    if reasons:
        assert [(field, rule) for _, field, rule in found.reasons] == reasons


def test_a_quote_that_is_never_closed_takes_no_other_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + row(b"e1") + row(b'"open') + row(b"e2") + row(b"e3"))
    found = read(path)
    assert (found.ids, found.reasons) == (["e1", "e2", "e3"], [(3, "record", "csv_malformed")])
    monkeypatch.setattr(limits, "LONGEST_KEPT", 500)
    path.write_bytes(HEADER + row(b'"open') + b"".join(row(b"e%d" % n) for n in range(100)) + row(b'"e', b'",,'))
    found = read(path)
    assert found.ids == [f"e{n}" for n in range(100)]
    assert [rule for _, _, rule in found.reasons] == ["csv_malformed", "ragged_row"]


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (HEADER.replace(b"source", b"event_id"), ["event_id"]),
        (HEADER.replace(b"source", b"Quelle"), ["Quelle"]),
        (HEADER.replace(b"source", b""), ["(no name)"]),
        (HEADER.replace(b"source", b"properties."), ["properties."]),
        (HEADER.replace(b"source", b"\xff"), ["\\xff"]),
        (HEADER.replace(b",", b";"), [HEADER.replace(b",", b";").strip().decode()[:79] + "…"]),
        (b'"a"b\r\n', ["header"]),
    ],
)
def test_a_bad_header_refuses_the_rows_and_loses_none(tmp_path: Path, header: bytes, fields: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(header + row(b"e1") + row(b"e2"))
    found = read(path)
    assert found.flaw is not None
    assert found.flaw.rule == "bad_header"
    assert fields[0] in found.flaw.message
    assert [(number, field) for number, field, _ in found.reasons] == [(n, field) for n in (2, 3) for field in fields]
    assert [line.original for line in found.refused] == [header + row(b"e1").strip(), header + row(b"e2").strip()]


def test_a_compressed_csv_that_breaks_off_inside_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    stored = compressed("a.csv.gz", HEADER + row(b"e1") + row(b"e2", b',"two\r\nlines",') + row(b"e3"))
    for cut in range(1, len(stored) - 20):
        path.write_bytes(stored[:-cut])
        found = read(path)
        assert found.flaw is not None
        assert found.flaw.rule == "truncated_gzip"
        assert found.refused == []
        assert found.ids == ["e1", "e2", "e3"][: len(found.ids)]


def test_a_header_that_is_too_long_to_be_kept_with_each_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"".join(b"properties.%d," % n for n in range(9000)) + b"event_id\n" + b"short\n")
    found = read(path)
    assert [line.original for line in found.refused] == [b"short"]
    again = check([record_again(naming_of("a.csv"), b"short", 2, None)])
    assert again.refused[0].refusal.reasons[0].rule == "not_one_row"


# --- Parquet ---------------------------------------------------------------------------------------------------


def parquet_of(table: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


def test_values_of_every_type(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, 8, 30, 0, 125, tzinfo=UTC)
    own = {
        "amount": pa.array([Decimal("9.90")]),
        "day": pa.array([date(2026, 1, 31)]),
        "at": pa.array([time(8, 30)]),
        "took": pa.array([timedelta(seconds=90)]),
        "raw": pa.array([b"\xff\x00"]),
        "small": pa.array([1.5], pa.float32()),
        "list": pa.array([[1, None, 3]]),
        "struct": pa.array([{"a": 1, "b": None, "c": {"d": [moment]}}]),
        "word": pa.array(["x"]).dictionary_encode(),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "id": pa.array([b"0123456789abcdef"], pa.uuid()),
        "none": pa.array([None], pa.string()),
    }
    columns = {
        "event_id": ["e1"],
        "source": ["api"],
        "timestamp": pa.array([moment], pa.timestamp("ns", "Europe/Berlin")),
        "event_type": ["user_action"],
        "event_name": ["track_play"],
        "is_test": [True],
        "properties": pa.array([[("own", 1.5)]], pa.map_(pa.string(), pa.float64())),
    }
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet_of(pa.table(columns | {f"properties.{name}": column for name, column in own.items()})))
    found = read(path)
    assert found.refused == []
    assert found.accepted[0]["occurred_at"] == moment
    assert json.loads(found.accepted[0]["properties"]) == {
        "own": 1.5,
        "amount": "9.90",
        "day": "2026-01-31",
        "at": "08:30:00",
        "took": 90.0,
        "raw": "/wA=",
        "small": 1.5,
        "list": [1, None, 3],
        "struct": {"a": 1, "c": {"d": ["2026-01-31T08:30:00.000125+00:00"]}},
        "word": "x",
        "map": {"k": 1},
        "id": "30313233-3435-3637-3839-616263646566",
    }


def flat_table(count: int = 3, **columns: object) -> pa.Table:
    table = pa.Table.from_pylist([{k: v for k, v in flat(event(f"e{n}")).items() if v} for n in range(count)])
    for key, values in columns.items():
        name, column = key.replace("__", "."), values if isinstance(values, pa.Array) else pa.array(values)
        at = table.column_names.index(name) if name in table.column_names else None
        table = table.append_column(name, column) if at is None else table.set_column(at, name, column)
    return table


def not_utf8(*values: bytes) -> pa.Array:
    stored = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(stored), stored.buffers())


@pytest.mark.parametrize(
    ("columns", "reasons", "shown"),
    [
        ({"user_id": [1, None, None]}, [(1, "user_id", "string_type")], None),
        ({"event_id": not_utf8(b"\xffe", b"e1", b"e2")}, [(1, "event_id", "unreadable_value")], "\\xffe"),
        (
            {"properties__t": pa.array([10**17, 5, 5], pa.timestamp("ms", "UTC"))},
            [(1, "properties.t", "unreadable_value")],
            "1" + "0" * 17,
        ),
        (
            {"properties__t": pa.array([[("a", 1), ("a", 2)], None, []], pa.map_(pa.string(), pa.int64()))},
            [(1, "properties.t", "unreadable_value")],
            None,
        ),
        ({"properties__n": [float("nan"), 1.0, 2.0]}, [(1, "properties", "number_out_of_range")], None),
        ({"properties": ["[1]", None, "{}"]}, [(1, "properties", "not_an_object")], "[1]"),
        ({"properties": [1, None, None]}, [(1, "properties", "not_an_object")], "1"),
        (
            {"timestamp": pa.array([5, 5, 5], pa.timestamp("s"))},
            [(n, "timestamp", "timestamp_format") for n in (1, 2, 3)],
            None,
        ),
        ({"extra": ["a", "b", "c"]}, [(n, "extra", "unknown_column") for n in (1, 2, 3)], None),
    ],
)
def test_wrong_types_and_values_are_refused_row_by_row(
    tmp_path: Path, columns: dict[str, object], reasons: list[tuple[int, str, str]], shown: str | None
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet_of(flat_table(**columns)))
    found = read(path)
    assert found.reasons == reasons
    assert found.ids == [f"e{n - 1}" for n in (1, 2, 3) if n not in {number for number, _, _ in reasons}]
    assert (found.flaw.rule if found.flaw else None) == ("bad_header" if "extra" in columns else None)
    if shown is not None:
        assert found.refused[0].refusal.reasons[0].value == shown


def test_metadata_that_is_no_struct(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet_of(pa.table({"metadata": [1], "event_type": ["system"], "properties": ["x"]})))
    found = read(path)
    assert found.reasons == [(1, "properties", "json_invalid")]
    path.write_bytes(parquet_of(pa.table({"metadata": [1], "event_type": ["system"]})))
    assert [field for _, field, _ in read(path).reasons] == ["metadata", "event_name"]


def test_a_damaged_row_group_takes_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    stored = bytearray(as_parquet([event(f"e{n}") for n in range(9)], group=3))
    middle = parquet.ParquetFile(io.BytesIO(bytes(stored))).metadata.row_group(1)
    begin = middle.column(0).dictionary_page_offset
    stored[begin : begin + 12] = b"\xff" * 12
    path.write_bytes(bytes(stored))
    found = read(path)
    assert found.ids == ["e0", "e1", "e2", "e6", "e7", "e8"]
    assert [r["line_number"] for r in found.accepted] == [1, 2, 3, 7, 8, 9]
    assert found.flaw is not None
    assert found.flaw.rule == "corrupt_parquet"
    assert "3 of its rows" in found.flaw.message


@pytest.mark.parametrize("cut", [1, 100])
def test_a_parquet_without_its_end(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(as_parquet([event("e1")])[:-cut])
    found = read(path)
    assert found.flaw is not None
    assert found.flaw.rule == "not_parquet"
    assert found.flaw.remainder.startswith(b"PAR1")
    path.write_bytes(b"")
    empty = read(path)
    assert empty.flaw is not None
    assert empty.flaw.rule == "empty_file"


@pytest.mark.parametrize("original", [b"{", b"[1]"])
def test_an_edited_row_that_is_no_object(original: bytes) -> None:
    again = check([record_again(naming_of("a.parquet"), original, 1, "acme")])
    assert again.refused[0].refusal.reasons[0].rule in {"json_invalid", "not_an_object"}


# --- formats inside of containers ------------------------------------------------------------------------------


def test_segment_in_ndjson(tmp_path: Path) -> None:
    good = {"type": "page", "messageId": "m1", "timestamp": "2026-01-31T09:30:00Z"}
    records = [
        json.dumps(good).encode(),
        b"",
        json.dumps(good | {"messageId": None}).encode(),
        json.dumps(good | {"timestamp": "soon"}).encode(),
        b'{"type": "page", "type": "page", "messageId": "m2", "timestamp": "2026-01-31T09:30:00Z"}',
        b'{"x": "\xff"}',
        b'{"x": "' + b"x" * 2_000_000 + b'"}',
        b"{",
    ]
    path = tmp_path / "a.segment.ndjson.zst"
    path.write_bytes(compressed(path.name, b"\n".join(records)))
    found = read(path)
    assert found.ids == ["m1"]
    assert found.reasons == [
        (3, "messageId", "missing"),
        (4, "timestamp", "timestamp_format"),
        (5, "record", "duplicate_key"),
        (6, "record", "bad_utf8"),
        (7, "record", "line_too_long"),
        (8, "record", "json_invalid"),
    ]
    assert [line.original for line in found.refused] == records[2:]
    assert {line.refusal.tenant_id for line in found.refused} == {"acme"}
    assert (1, "metadata.tenant_id", "missing") in read(path, None).reasons, "without a folder nobody says the tenant"


def test_cloud_events_in_a_batch(tmp_path: Path) -> None:
    cloud = {
        "specversion": "1.0",
        "id": "c1",
        "source": "/x",
        "type": "track_play",
        "time": "2026-01-31T09:30:00Z",
        "data": {"event_type": "user_action"},
    }
    path = tmp_path / "a.cloudevents.json"
    path.write_bytes(json.dumps([cloud, cloud | {"tenantid": "zeta"}, cloud | {"tenantid": "who"}]).encode())
    mixed = read(path, None)
    assert [(r["event_id"], r["tenant_id"]) for r in mixed.accepted] == [("c1", "zeta")]
    assert mixed.reasons == [(1, "tenantid", "missing"), (3, "tenantid", "unknown_tenant")]
    assert read(path).ids == ["c1"]


# --- zstd, damage, memory --------------------------------------------------------------------------------------


def test_zstd_that_breaks_off_or_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.zst"
    random.seed(7)
    sent = [event(f"e{n}", user_id=f"{random.getrandbits(900):x}"[:190]) for n in range(3000)]
    stored = compressed(path.name, as_ndjson(sent))
    for content, rule in [
        (stored[: len(stored) // 2], "truncated_zstd"),
        (stored + b"garbage", "corrupt_zstd"),
        (b"plain", "not_zstd"),
        (b"", "empty_file"),
    ]:
        path.write_bytes(content)
        found = read(path)
        assert found.flaw is not None
        assert found.flaw.rule == rule
        assert found.refused == []
        assert found.ids == [f"e{n}" for n in range(len(found.ids))]
        if rule == "truncated_zstd":
            assert len(found.ids) > 1000
        if rule == "corrupt_zstd":
            assert len(found.ids) >= 2995
        if rule == "not_zstd":
            assert found.flaw.remainder == b"plain"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@example(name="a.parquet", content=b"\x80", at=1034)  # the name of a column
@given(
    name=st.sampled_from(["a.json", "a.csv", "a.csv.zst", "a.parquet", "a.segment.json", "a.cloudevents.ndjson"]),
    content=st.one_of(
        st.binary(max_size=200), st.sampled_from([b'[{"a', b'"', b"[" * 99, b"\\", HEADER, b"\xff,\0\n\r"])
    ),
    at=st.integers(0, 2000),
)
def test_no_bytes_whatever_stop_the_reading(
    name: str, content: bytes, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stored = packed(name, [event("e1"), event("e2", user_id='q"\n', tenant_id="nobody")])
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(stored[:at] + content + stored[at + len(content) :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inflating, "PIECE_BYTES", 64)
        found = read(path)
    assert found.accepted or found.refused or found.flaw
    places = [row["line_number"] for row in found.accepted] + [line.line_number for line in found.refused]
    assert len(places) == len(set(places))
    assert all(json.dumps(r.as_json()).isascii() for line in found.refused for r in line.refusal.reasons)


PEAK = """
import resource, sys
from pathlib import Path
from analytics_dagster.ingest.reading import FileReading
path = Path(sys.argv[1])
count = 0
for block in FileReading(path, path.stat().st_size, claimed_tenant="acme").blocks():
    count += len(block.sources.numbers)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.parquet"])
@processes_unmeasured()
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    peaks = {}
    for count in (60_000, 240_000):
        path = tmp_path / f"{count}{name}"
        _write_many(path, count)
        done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
        read_count, peaks[count] = map(int, done.stdout.split())
        assert read_count == count
        path.unlink()
    assert peaks[240_000] < peaks[60_000] * 1.15 + 10, peaks


def _write_many(path: Path, count: int) -> None:
    part = [event(f"{n:036}") | {"properties": {"pad": "x" * 100}} for n in range(20_000)]
    if path.suffix == ".parquet":
        table = pa.Table.from_pylist([flat(one) for one in part])
        with parquet.ParquetWriter(path, table.schema) as writer:
            whole = pa.concat_tables([table] * (count // 20_000)).combine_chunks()
            writer.write_table(whole, row_group_size=count)  # one row group, however long
        return
    with path.open("wb") as file:
        for number in range(count // 20_000):
            if path.suffix == ".csv":
                file.write(as_csv(part).partition(b"\n")[2 if number else 0] if number else as_csv(part))
            else:
                file.write(as_json(part))
