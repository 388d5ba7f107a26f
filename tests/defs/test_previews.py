"""Small tables and a plot; what stands in their cells is not ours."""

import base64
from dataclasses import dataclass

import pandas as pd
import pytest

from analytics_dagster.defs.previews import MOST_LINES, markdown_frame, markdown_table, plot


@dataclass(frozen=True)
class Line:
    name: object
    count: int


def test_a_line_for_each_record():
    shown = markdown_table(Line, [Line("acme", 1), Line("beta", 2)]).value
    assert shown == "| name | count |\n| --- | --- |\n| acme | 1 |\n| beta | 2 |"


def test_nothing_is_said_as_nothing():
    assert markdown_table(Line, []).value == "*nothing*"


@pytest.mark.parametrize(("records", "more"), [(MOST_LINES, None), (MOST_LINES + 3, "… and 3 more")])
def test_a_long_table_is_cut(records, more):
    shown = markdown_table(Line, [Line("x", n) for n in range(records)]).value
    assert shown.count("\n| x |") == MOST_LINES
    assert shown.endswith(more or f"| x | {records - 1} |")


@pytest.mark.parametrize(
    "hostile",
    [
        "a | b",
        "two\nlines",
        "two\r\nlines",
        "\\| escaped already",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "`code`",
        "[here](javascript:alert(1))",
        "![picture](http://example.com/seen.png)",
    ],
)
def test_no_cell_breaks_out_of_its_table(hostile):
    lines = markdown_frame(["name", "count"], [(hostile, 1)]).value.splitlines()
    assert len(lines) == 3
    unescaped = lines[2].replace("\\\\", "").replace("\\|", "").replace("\\[", "").replace("\\`", "")
    assert unescaped.count("|") == 3
    for sign in ("<", ">", "`", "["):
        assert sign not in unescaped


def test_a_plot_is_a_picture_inside_the_text():
    days = pd.date_range("2026-02-01", periods=3)
    for frame in (pd.DataFrame({"acme": [1, 2, 3], "_private": [1, 1, 1]}, index=days), pd.DataFrame(index=days)):
        shown = plot(frame, title="Daily active users").value
        head, _, picture = shown.partition("base64,")
        assert head == "![Daily active users](data:image/png;"
        assert base64.b64decode(picture.rstrip(")")).startswith(b"\x89PNG")
