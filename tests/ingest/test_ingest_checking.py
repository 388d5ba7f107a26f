"""The fast check and the contract give the same verdict, and the same rows; subtle faults are found."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingest_samples import REGISTRY, event
from pydantic import ValidationError

from analytics_dagster.ingest.blocks import Block
from analytics_dagster.ingest.checking import ROW, SOONER_JUDGED, Checked, Checker, Lines, Origin
from analytics_dagster.ingest.contract_fields import event_fields
from analytics_dagster.ingest.intake import Intake
from analytics_dagster.ingest.queries import Queries
from analytics_dagster.ingest.verdict import LONGEST_LINE, Refusal, judge
from analytics_dagster.schemas import (
    AnalyticsChannelType,
    AnalyticsEvent,
    AnalyticsEventType,
    AnalyticsMetadata,
)

TENANTS = frozenset({"acme", "zeta"})
GONE = frozenset({"gone"})
ABSENT = object()

INTAKE = Intake(TENANTS, REGISTRY, offboarded=GONE)
_CHECKER = Checker(INTAKE, sooner_judged=1)  # once for all examples: opening takes longer than checking


def check(*lines: bytes, claimed: str | None = None) -> Checked:
    return _CHECKER.check([(Origin(1, claimed), Block(b"".join(line + b"\n" for line in lines), 1))])


def rules(line: bytes, claimed: str | None = None) -> list[tuple[str, str]]:
    checked = check(line, claimed=claimed)
    assert checked.accepted.num_rows + len(checked.refused) == 1
    return [(reason.field, reason.rule) for refused in checked.refused for reason in refused.refusal.reasons]


def contract_accepts(line: bytes) -> bool:
    try:
        AnalyticsEvent.model_validate_json(line)
    except ValidationError:
        return False
    return True


words = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([10**18, 10**19, -(10**25), 1e308, 5e-324, -0.0]))
plain = st.one_of(st.none(), st.booleans(), numbers, words)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
identifiers = st.one_of(
    st.just("e1"),
    st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=12),
    st.sampled_from(["x" * 200, "é" * 200, "\x7f", 'say "hi"', "\\", "null", "ul", "\u0301x"]),
)
timestamps = st.one_of(
    st.datetimes(
        timezones=st.timezones(),
        min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis wants its limits without a zone
        max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    ).map(lambda moment: moment.isoformat(timespec="milliseconds")),
    st.sampled_from(["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.123456789-23:59", "1970-01-01T00:00:00Z"]),
)
# what the properties of `full` may hold, and what they may not, around the rims
rims = {
    "word": st.sampled_from(["abc", "abcd", "aé", "äöü", "aßßß", "", "b", 'a"b', "a\\", 7, None]),
    "code": st.sampled_from(["A-1", "A-", "A-٣", "xA-22y", "é", "", None, "A-1é", ["A-1"]]),
    "kind": st.sampled_from(["one", "two words", "it's", "One", "", 'say "x"', 1, None]),
    "count": st.sampled_from([0, 1, 5, 6, -1, 5.0, 1.5, "3", True, None, -0.0, 10**18, 10**19, 2**63, 1e300, [1]]),
    "share": st.sampled_from([0, 0.5, 0.49999999999999994, 1.25, 1.2500000000000002, -0.0, 1, "0.5", False, None])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1e-7, 0.1, 123456789012345678, float("inf"), 12345678901234567890, 0.12345678901234568]),
    "amount": st.sampled_from(
        ["9.99", "0.01", "0.009", "1000", "1000.01", "-1", "+5", "1e3", "", " 1", "1.", ".5", None]
    )
    | st.sampled_from([9.99, 0.01, 0.009, 1000, 1000.01, -1, True, 1e11, 1e12, 10**12, 1e-9, [1], {"a": 1}]),
    "flag": st.sampled_from([True, False, "true", 0, None]),
    "at": timestamps | st.sampled_from(["2026-02-30T00:00:00Z", "2026-01-31", 0, None]),
    "thing": st.sampled_from([{}, {"a": 1}, {"a": {"b": 1}}, [], "x", None]),
    "things": st.sampled_from([[], [1, "x"], [{"a": 1}], {}, 1, None]),
}
GOOD_PROPERTIES = {
    "word": "abc",
    "code": "A-1",
    "kind": "it's",
    "count": 3,
    "share": 0.75,
    "amount": "9.99",
    "flag": True,
}


@st.composite
def contracted(draw: st.DrawFn) -> dict[str, Any]:
    """Good by the contract of `full`, but for two properties at most."""
    made: dict[str, Any] = {**GOOD_PROPERTIES, **draw(st.dictionaries(st.sampled_from(["copy", "other"]), plain))}
    for name in draw(st.sets(st.sampled_from(sorted(rims)), max_size=2)):
        made[name] = draw(rims[name])
    for name in draw(st.sets(st.sampled_from(sorted(made)), max_size=1)):
        del made[name]
    return made


GOOD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "metadata.event_id": st.sampled_from(["e1", "e2"]) | identifiers,
    "metadata.tenant_id": st.sampled_from(["acme", "acme", "acme", "zeta", "gone"]),
    "metadata.source": st.sampled_from(AnalyticsChannelType),
    "metadata.timestamp": timestamps,
    "metadata.user_id": st.none() | identifiers | st.just(ABSENT),
    "metadata.anonymous_id": st.none() | identifiers | st.just(ABSENT),
    "metadata.is_test": st.booleans() | st.just(ABSENT),
    "metadata.extra": st.just(ABSENT),
    "event_type": st.sampled_from(AnalyticsEventType),
    "event_name": st.sampled_from(["full", "full", "full", "scoped", "track_play", "x", "a" * 80]),
    "properties": contracted()
    | contracted()
    | contracted()
    | contracted()
    | contracted()
    | st.dictionaries(words, plain, max_size=4)
    | st.dictionaries(words, anything, max_size=4)
    | st.just(ABSENT),
    "more": st.just(ABSENT),
}
ODD_VALUES = st.one_of(
    anything,
    st.just(ABSENT),
    st.sampled_from(["", "x" * 201, "é" * 201, "a\tb", "\0", "nobody", "Acme", "fax", "web_app ", "User_Action"]),
    st.sampled_from(["Track", "a" * 81, "a-b", "a\n", "1a", "true", 0, 1, "1700000000", "2024-02-30T00:00:00Z"]),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "1969-12-31T23:59:59Z"]),
    st.sampled_from(["1970-01-01T00:00:00+14:00", "2099-12-31T23:59:59-14:00", "２026-01-31T09:30:00Z"]),
    st.sampled_from(["2026-06-30T23:59:60Z", "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "0000-01-01T00:00:00Z"]),
    st.sampled_from(["2099-12-31T23:59:59.999999Z", "2099-12-31T23:59:59.9999999Z", "2100-01-01T00:00:00+00:01"]),
    st.sampled_from(["1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-14:00"]),
    st.sampled_from(["2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00+23:59", "2026-01-31T09:30:00-00:00"]),
    st.from_regex(
        r"(19|20)[0-9]{2}-[0-1][0-9]-[0-3][0-9][Tt _][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,10})?"
        r"(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|)",
        fullmatch=True,
    ),
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A good event, or one with a field or two gone wrong."""
    spoiled = draw(st.one_of(st.just(set()), st.just(set()), st.sets(st.sampled_from(list(GOOD_VALUES)), max_size=2)))
    made: dict[str, Any] = {"metadata": {}}
    for field, good in GOOD_VALUES.items():
        value = draw(ODD_VALUES if field in spoiled else good)
        if value is not ABSENT:
            place = made["metadata"] if field.startswith("metadata.") else made
            place[field.removeprefix("metadata.")] = value
    return made


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """An event as text, at times damaged as only text can be."""
    text = json.dumps(
        draw(events()),
        ensure_ascii=draw(st.sampled_from([False, False, True])),
        separators=draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": "), (", ", ": "), (" ,\t", " :  ")])),
    )
    damage = draw(st.sampled_from(["none"] * 20 + ["insert", "replace", "twice"]))
    if damage == "insert":
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + draw(st.sampled_from([",", " ", "]", "}", "0", "-", "1e999", '"', "\\", "\t", "//"]))
            + text[place:]
        )
    elif damage == "replace":
        before, after = draw(
            st.sampled_from(
                [
                    ("}", ",}"),
                    ("]", ", ]"),
                    ("0", "00"),
                    ("true", "True"),
                    ("null", "NaN"),
                    ("1", "1e400"),
                    ("e", "\\u0065"),
                ]
            )
        )
        text = text.replace(before, after, 1)
    elif damage == "twice":
        key = draw(st.sampled_from(['"metadata"', '"event_id"', '"event_name"', '"user_id"', '"a"']))
        text = text.replace(key, f'{key}: "e9", {key}', 1)
    return text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")


@settings(max_examples=80)
@given(
    lines=st.lists(written(), min_size=1, max_size=25), claimed=st.sampled_from([None, None, "acme", "nobody", "gone"])
)
@example(lines=[json.dumps(event("ul", user_id="null")).encode()], claimed=None)
def test_one_verdict(lines: list[bytes], claimed: str | None) -> None:
    checked = check(*lines, claimed=claimed)
    accepted = {row.pop("line_number"): row for row in checked.accepted.to_pylist()}
    refused = {line.line_number: line for line in checked.refused}
    assert accepted.keys() | refused.keys() == {n for n, line in enumerate(lines, 1) if line.strip()}
    assert not accepted.keys() & refused.keys()
    assert list(accepted) == sorted(accepted)
    about_lines = {"duplicate_key", "tenant_mismatch", "unknown_tenant", "offboarded_tenant", "bad_utf8", "nul_byte"}
    for number, line in refused.items():
        # the reasons that SQL found are those that the contract gives, in its order
        assert line.refusal == judge(lines[number - 1], claimed, INTAKE)
        found = {reason.rule for reason in line.refusal.reasons if not reason.field.startswith("properties.")}
        assert line.refusal.reasons
        assert line.original == lines[number - 1]
        assert contract_accepts(line.original) == (found <= about_lines and "bad_utf8" not in found)
        json.dumps([reason.as_json() for reason in line.refusal.reasons])
    for number, row in accepted.items():
        # the row that the fast check made is the row that the contract makes
        outcome = judge(lines[number - 1], claimed, INTAKE)
        assert not isinstance(outcome, Refusal)
        seen = outcome[1].metadata
        assert row["batch_id"] == 1
        assert (row["tenant_id"], row["event_id"], row["source"]) == (seen.tenant_id, seen.event_id, seen.source)
        assert (row["user_id"], row["anonymous_id"], row["is_test"]) == (seen.user_id, seen.anonymous_id, seen.is_test)
        assert (row["event_type"], row["event_name"]) == (outcome[1].event_type, outcome[1].event_name)
        assert row["occurred_at"] == seen.timestamp
        assert json.loads(row["properties"]) == outcome[1].properties


def test_most_events_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics_dagster.ingest.checking.judge", None)
    lines = [json.dumps(event(f"e{number}", user_id="Zoë", anonymous_id=None)).encode() for number in range(100)]
    del (bare := event("bare"))["properties"]
    assert check(*lines, json.dumps(bare).encode() + b"\r").accepted.num_rows == 101
    assert check(*(line.replace(b": ", b":").replace(b", ", b",") for line in lines)).accepted.num_rows == 100


@pytest.mark.parametrize(
    ("key", "number"),
    [
        pytest.param(',"x":1', "1e6", id="1000000.0 is six signs longer"),
        pytest.param(',"event_name":"abcd"', "1e20", id="a key twice"),
        pytest.param(',"x":{"n":1000000.0}', "1e6", id="what DuckDB writes stands elsewhere"),
    ],
)
@pytest.mark.parametrize("place", ["metadata", "event"])
def test_a_number_that_duckdb_writes_longer_hides_no_key(place: str, key: str, number: str) -> None:
    line = json.dumps(event("e1") | {"properties": {"n": 7}}, separators=(",", ":")).replace('"n":7', f'"n":{number}')
    before = '},"event_type"' if place == "metadata" else ',"properties"'
    assert rules(line.encode()) == []
    assert rules(line.replace(before, key + before, 1).encode()) != []


def test_a_line_without_spaces_is_not_read_for_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics_dagster.ingest.contract_sql._has_known_keys", lambda: "false")
    written = [json.dumps(event("e1"), separators=signs).encode() + b"\n" for signs in ((",", ":"), (", ", ": "))]
    lines = Lines([(Origin(1, None), Block(b"".join(written), 1))]).for_duckdb()
    assert Queries(TENANTS, REGISTRY).good(lines)["good"].to_pylist() == [True, False]


def test_of_all_fields_only_properties_may_hold_numbers() -> None:
    """What `_is_all_known` counts on."""
    for field in event_fields(AnalyticsEvent):
        for asked in field.with_inside():
            query = f"select {asked.sure} from (select '12' as {asked.column})"
            assert duckdb.execute(query).fetchone() == (False,), asked.path


def test_many_lines_keep_their_order() -> None:
    """Which of two equal events is the first depends on it."""
    lines = [json.dumps(event(f"e{number}", user_id="u" * (number % 50 + 1))).encode() for number in range(30_000)]
    lines[7::1_000] = [b"{}"] * 30
    checked = check(*lines)
    numbers = checked.accepted["line_number"].to_pylist()
    assert numbers == sorted(numbers)
    assert [f"e{number - 1}" for number in numbers] == checked.accepted["event_id"].to_pylist()
    assert [line.line_number for line in checked.refused] == list(range(8, 30_000, 1_000))


GOOD = json.dumps(event("e1"))
FULL = json.dumps(event("e1", tenant_id="acme") | {"event_name": "full", "properties": GOOD_PROPERTIES})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"event_id": "e1", ', "", [("metadata.event_id", "missing")]),
        (
            '"event_id": "e1", "tenant_id"',
            '"id": "e1", "tenant"',
            [
                ("metadata.event_id", "missing"),
                ("metadata.tenant_id", "missing"),
                ("metadata.id", "extra_forbidden"),
                ("metadata.tenant", "extra_forbidden"),
            ],
        ),
        ('"e1"', '""', [("metadata.event_id", "string_too_short")]),
        ('"e1"', json.dumps("é" * 201, ensure_ascii=False), [("metadata.event_id", "string_too_long")]),
        ('"e1"', "17", [("metadata.event_id", "string_type")]),
        ('"u1"', "[1]", [("metadata.user_id", "string_type")]),
        ("acme", "Acme Corp", [("metadata.tenant_id", "string_pattern_mismatch")]),
        ("acme", "nobody", [("metadata.tenant_id", "unknown_tenant")]),
        ("web_app", "fax", [("metadata.source", "enum")]),
        ('"user_id"', '"is_test": "no", "user_id"', [("metadata.is_test", "bool_type")]),
        ("2026-01-31T09:30:00.125+01:00", "yesterday", [("metadata.timestamp", "timestamp_format")]),
        ('"2026-01-31T09:30:00.125+01:00"', "1700000000", [("metadata.timestamp", "datetime_type")]),
        ("2026-01-31", "2026-02-30", [("metadata.timestamp", "timestamp_day")]),
        ("2026-01-31", "1969-01-31", [("metadata.timestamp", "timestamp_range")]),
        ('"user_action"', '"user_actoin"', [("event_type", "enum")]),
        ('"full"', '"Track Play"', [("event_name", "string_pattern_mismatch")]),
        ('"full"', "42", [("event_name", "string_type")]),
        ('"event_name"', '"name"', [("event_name", "missing"), ("name", "extra_forbidden")]),
        ('"metadata"', '"meta"', [("metadata", "missing"), ("meta", "extra_forbidden")]),
        ('"word": "abc"', '"word": "abcd"', [("properties.word", "string_too_long")]),
        ('"word": "abc"', '"word": "bc"', [("properties.word", "string_pattern_mismatch")]),
        ('"word": "abc", ', "", [("properties.word", "missing")]),
        ('"it\'s"', '"its"', [("properties.kind", "literal_error")]),
        ('"count": 3', '"count": 6', [("properties.count", "less_than_equal")]),
        ('"count": 3', '"count": 3.0', [("properties.count", "int_type")]),
        ("0.75", "0.25", [("properties.share", "greater_than_equal")]),
        ("0.75", '"0.75"', [("properties.share", "float_type")]),
        ('"9.99"', '"9,99"', [("properties.amount", "amount_type")]),
        ('"9.99"', "0.001", [("properties.amount", "greater_than_equal")]),
        ('"9.99"', '"1000.01"', [("properties.amount", "less_than_equal")]),
        ('"flag": true', '"flag": 1', [("properties.flag", "bool_type")]),
        ('"flag": true', '"at": "noon"', [("properties.at", "timestamp_format")]),
        ('"flag": true', '"thing": []', [("properties.thing", "dict_type")]),
        ('"flag": true', '"things": 1', [("properties.things", "list_type")]),
    ],
)
def test_common_faults_are_decided_in_sql(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr("analytics_dagster.ingest.checking.judge", None)
    assert before in FULL
    assert rules(FULL.replace(before, after).encode()) == expected


def test_few_lines_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics_dagster.ingest.queries.Queries.faulty", None)
    refused = Checker(INTAKE).check([(Origin(1, None), Block(b"{}\n" * (SOONER_JUDGED - 1), 1))]).refused
    assert len(refused) == SOONER_JUDGED - 1
    assert {line.refusal for line in refused} == {judge(b"{}", None, INTAKE)}


def test_every_fault_of_a_line_is_told_by_sql_in_the_order_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    line = FULL.replace("web_app", "fax").replace('"e1"', '""').replace('"count": 3', '"count": "3"').encode()
    told = judge(line, "zeta", INTAKE)
    monkeypatch.setattr("analytics_dagster.ingest.checking.judge", None)
    assert rules(line.replace(b'"word": "abc"', b'"word": 1'), "acme") == [
        ("metadata.event_id", "string_too_short"),
        ("metadata.source", "enum"),
        ("properties.word", "string_type"),
        ("properties.count", "int_type"),
    ]
    assert check(line, claimed="zeta").refused[0].refusal == told
    assert isinstance(told, Refusal)
    assert told.reasons[-1].rule == "tenant_mismatch"


def test_the_most_specific_contract_applies() -> None:
    def scoped(tenant: str, **properties: Any) -> list[tuple[str, str]]:
        return rules(json.dumps(event("e1", tenant) | {"event_name": "scoped", "properties": properties}).encode())

    assert scoped("acme", count=1) == scoped("zeta", word="a") == []
    assert scoped("acme", word="a") == [("properties.count", "missing")]
    assert scoped("zeta", count=1) == [("properties.word", "missing")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a": "\xff"}', [("line", "bad_utf8")]),
        (b'{"a": "\0"}', [("line", "nul_byte")]),
        (b'"' + b"x" * LONGEST_LINE + b'"', [("line", "line_too_long")]),
        (b"[1, 2]", [("line", "model_type")]),
        (b"[" * 500 + b"]" * 500, [("line", "json_invalid")]),
        (b"not json", [("line", "json_invalid")]),
        (GOOD.replace('"7"', '"\\u0000"').encode(), [("properties", "nul_character")]),
        (GOOD.replace('"track_id"', '"\\u0000"').encode(), [("properties", "nul_character")]),
        (GOOD.replace('"e1"', '"\\u0000"').encode(), [("metadata.event_id", "nul_character")]),
        (GOOD.replace('"e1"', '"a\\nb"').encode(), [("metadata.event_id", "string_pattern_mismatch")]),
        (GOOD.replace('"7"', '"\\ud800"').encode(), [("line", "json_invalid")]),
        (GOOD.replace('"7"', "NaN").encode(), [("properties", "number_out_of_range")]),
        (GOOD.replace('"7"', "[-Infinity]").encode(), [("properties", "number_out_of_range")]),
        (GOOD.replace('"7"', "[1, 1e400]").encode(), [("properties", "number_out_of_range")]),
        (GOOD.replace('"7"', '{"b": 1e400}').encode(), [("properties", "number_out_of_range")]),
        (GOOD.replace('"7"', "9" * 5000).encode(), [("line", "json_invalid")]),
        (GOOD.replace('"7"', '7, "track_id": 8').encode(), [("line", "duplicate_key")]),
        (GOOD.replace('"7"', '{"a": {"k": 1, "k": 1}}').encode(), [("line", "duplicate_key")]),
        (GOOD.encode(), []),
        (GOOD.replace('"9.99"}', '"9.99",}').encode(), [("line", "json_invalid")]),
        (GOOD.replace('"9.99"}', '"9.99",\t }').encode(), [("line", "json_invalid")]),
        (GOOD.replace('"event_id": "e1", ', "").encode(), [("metadata.event_id", "missing")]),
        (GOOD.replace('"user_id"', '"userId"').encode(), [("metadata.userId", "extra_forbidden")]),
        (GOOD.replace('"user_action"', '"x"').encode(), [("event_type", "enum")]),
        (
            GOOD.replace("09:30:00.125+01:00", "24:00:00Z").encode(),
            [("metadata.timestamp", "timestamp_format")],
        ),
        (GOOD.replace("T09", " 09").encode(), [("metadata.timestamp", "timestamp_format")]),
        (GOOD.replace("2026", "0001").encode(), [("metadata.timestamp", "timestamp_range")]),
        (GOOD.replace("acme", "nobody").encode(), [("metadata.tenant_id", "unknown_tenant")]),
    ],
)
def test_faults_by_name(line: bytes, expected: list[tuple[str, str]]) -> None:
    assert rules(line) == expected


def test_the_tenant_of_a_refused_line() -> None:
    def tenant_of(line: bytes, claimed: str | None) -> str | None:
        return check(line, claimed=claimed).refused[0].refusal.tenant_id

    assert tenant_of(b"not json", "acme") == "acme"
    assert tenant_of(b"not json", "nobody") is None
    assert tenant_of(GOOD.encode(), "zeta") == "zeta", "a folder speaks for its tenant alone"
    assert tenant_of(b'{"metadata": {"tenant_id": "zeta"}}', "acme") == "acme"
    assert tenant_of(b'{"metadata": {"tenant_id": "zeta"}}', None) == "zeta"
    assert tenant_of(GOOD.encode(), "nobody") is None
    assert tenant_of(b'{"metadata": {"tenant_id": 7}}', "acme") == "acme"
    assert tenant_of(b'{"metadata": []}', None) is None
    assert rules(GOOD.replace("acme", "nobody").encode(), "zeta") == [
        ("metadata.tenant_id", "tenant_mismatch"),
        ("metadata.tenant_id", "unknown_tenant"),
    ]


def test_what_is_shown_of_a_value_is_short_and_storable() -> None:
    long = check(GOOD.replace('"user_action"', '"' + "\\u0000x" * 200 + '"').encode()).refused[0].refusal.reasons[0]
    assert long.value is not None
    assert len(long.value) == 80
    assert long.value.endswith("…")
    key = check(GOOD.replace('"user_id"', '"\\u0000"').encode()).refused[0].refusal.reasons[0]
    assert key.field == "metadata.␀"


def test_contract_columns() -> None:
    nothing = Checker(Intake(frozenset(), REGISTRY)).check([(Origin(1, None), Block(b"\n \n", 1))])
    assert (nothing.accepted.num_rows, nothing.refused) == (0, [])
    assert set(ROW.names) - {"position"} < set(nothing.accepted.column_names)


def test_python_makes_events_with_python_times() -> None:
    def made(moment: object) -> AnalyticsMetadata:
        return AnalyticsMetadata(tenant_id="acme", source=AnalyticsChannelType.API, timestamp=moment)

    noon = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    assert made(noon).timestamp == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert AnalyticsMetadata(tenant_id="acme", source=AnalyticsChannelType.API).event_id
    for wrong in ("2026-01-31T12:00:00Z", 1, noon.replace(tzinfo=None), noon.replace(year=1)):
        with pytest.raises(ValidationError):
            made(wrong)
