"""An edited export read back: whole, or refused with the line that is wrong."""

import json
from typing import Any

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.quarantine import Edit, export_line, read_edits

LINE = {"entry_id": 1, "file": "2026-01-31/acme/a.ndjson", "line": 3, "original": "x"}


def lines(*written: Any) -> list[bytes]:
    return [one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in written]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in LINE.items() if key != name}


@pytest.mark.parametrize("content", [b"", b"plain", "ä\u2028\x1b\0".encode(), b"\xff\0", b"\xed\xa0\x80"])
def test_what_was_exported_is_read_back_byte_by_byte(content):
    line = export_line(1, "acme", "2026-01-31/acme/a.ndjson", 3, [], content)
    assert read_edits(lines(line), "x") == {1: Edit("2026-01-31/acme/a.ndjson", 3, content, "x, line 1")}


def test_editors_add_marks_and_blank_lines():
    first, second = lines(LINE, LINE | {"entry_id": 2, "line": None})
    found = read_edits([b"\xef\xbb\xbf" + first, b"\r\n", second], "x")
    assert [(number, edit.line, edit.where) for number, edit in found.items()] == [
        (1, 3, "x, line 1"),
        (2, None, "x, line 3"),
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "holds no entry"),
        ([b"\n"], "holds no entry"),
        ([LINE, b'{"entry_id": 2, "fi'], r"is no JSON .*cut off\? \(x, line 2\)"),
        ([b"[" * 100_000], "is no JSON"),
        ([b"\xff"], "is not UTF-8"),
        ([[1]], "is no object"),
        ([LINE, LINE], r"entry 1 is there twice \(x, line 2\)"),
        ([LINE | {"entry_id": 2**63}], "no entry has the number 9223372036854775808"),
        ([LINE | {"entry_id": 0}], "no entry has the number 0"),
        ([LINE | {"entry_id": True}], "entry_id is missing or not what was exported"),
        ([without("file")], "file is missing"),
        ([without("line")], "line is missing"),
        ([without("original")], "give either original or original_base64"),
        ([LINE | {"original": 1}], "give either original or original_base64"),
        ([LINE | {"original_base64": ""}], "give either original or original_base64"),
        ([without("original") | {"original_base64": "no!"}], "is no base64"),
        ([LINE | {"original": "\ud800"}], "half a character"),
    ],
)
def test_a_mistake_is_named_with_its_line(written, said):
    with pytest.raises(AnalyticsError, match=said):
        read_edits(lines(*written), "x")
