"""The fast check and the contract give the same verdict, and the same rows; subtle faults are found."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingest_samples import event
from pydantic import ValidationError

from analytics_dagster.ingest.checking import ROW, Checked, Checker, Origin
from analytics_dagster.ingest.reading import Block
from analytics_dagster.ingest.verdict import LONGEST_LINE, Refusal, judge
from analytics_dagster.schemas import (
    AnalyticsChannelType,
    AnalyticsEvent,
    AnalyticsEventType,
    AnalyticsMetadata,
)

TENANTS = frozenset({"acme", "zeta"})
ABSENT = object()

_CHECKER = Checker(TENANTS)  # once for all examples: opening takes longer than checking


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
    st.sampled_from(["x" * 200, "é" * 200, "\x7f", 'say "hi"', "\\", "null", "ul"]),
)
timestamps = st.one_of(
    st.datetimes(
        timezones=st.timezones(),
        min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis wants its limits without a zone
        max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    ).map(lambda moment: moment.isoformat(timespec="milliseconds")),
    st.sampled_from(["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.123456789-23:59", "1970-01-01T00:00:00Z"]),
)
GOOD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "metadata.event_id": identifiers,
    "metadata.tenant_id": st.sampled_from(["acme", "acme", "acme", "zeta"]),
    "metadata.source": st.sampled_from(AnalyticsChannelType),
    "metadata.timestamp": timestamps,
    "metadata.user_id": st.none() | identifiers | st.just(ABSENT),
    "metadata.anonymous_id": st.none() | identifiers | st.just(ABSENT),
    "metadata.is_test": st.booleans() | st.just(ABSENT),
    "metadata.extra": st.just(ABSENT),
    "event_type": st.sampled_from(AnalyticsEventType),
    "event_name": st.sampled_from(["track_play", "x", "a" * 80]),
    "properties": st.dictionaries(words, plain, max_size=4)
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
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")])),
    )
    damage = draw(st.sampled_from(["none"] * 9 + ["insert", "replace", "twice"]))
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


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(written(), min_size=1, max_size=25), claimed=st.sampled_from([None, None, "acme", "nobody"]))
@example(lines=[json.dumps(event("ul", user_id="null")).encode()], claimed=None)
def test_one_verdict(lines: list[bytes], claimed: str | None) -> None:
    checked = check(*lines, claimed=claimed)
    accepted = {row.pop("line_number"): row for row in checked.accepted.to_pylist()}
    refused = {line.line_number: line for line in checked.refused}
    assert accepted.keys() | refused.keys() == {n for n, line in enumerate(lines, 1) if line.strip()}
    assert not accepted.keys() & refused.keys()
    assert list(accepted) == sorted(accepted)
    about_lines = {"duplicate_key", "tenant_mismatch", "unknown_tenant", "bad_utf8", "nul_byte"}
    for number, line in refused.items():
        found = {reason.rule for reason in line.refusal.reasons}
        assert found
        assert line.original == lines[number - 1]
        assert contract_accepts(line.original) == (found <= about_lines and "bad_utf8" not in found)
        json.dumps([reason.as_json() for reason in line.refusal.reasons])
    for number, row in accepted.items():
        # the row that the fast check made is the row that the contract makes
        outcome = judge(lines[number - 1], claimed, TENANTS)
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


GOOD = json.dumps(event("e1"))


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
            [("metadata.timestamp", "datetime_from_date_parsing")],
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
    with Checker(frozenset()) as checker:
        nothing = checker.check([(Origin(1, None), Block(b"\n \n", 1))])
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
