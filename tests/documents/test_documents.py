import hashlib
import stat
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from analytics_dagster import documents
from analytics_dagster.documents import months, rendering
from analytics_dagster.errors import AnalyticsError

MAY = date(2025, 5, 1)


@given(st.dates(date(1970, 1, 1), date(9999, 11, 30)).map(lambda day: day.replace(day=1)))
def test_the_arithmetic_of_months(month):
    after = documents.next_month(month)
    assert after.day == 1
    assert (after.year * 12 + after.month) - (month.year * 12 + month.month) == 1
    days = months.days_of(month)
    assert days[0] == month
    assert days[-1] == documents.last_day(month)
    assert all((day.year, day.month) == (month.year, month.month) for day in days)


def test_months_and_days_have_names():
    assert documents.month_title(MAY) == "May 2025"
    assert months.day_title(date(2024, 2, 29)) == "29 February 2024"
    assert [documents.last_day(date(year, 2, 1)).day for year in (1900, 2000, 2023, 2024)] == [28, 29, 28, 29]


def test_what_is_no_month_is_refused():
    documents.check_month(MAY, today=MAY)
    with pytest.raises(AnalyticsError, match="is no month"):
        documents.check_month(date(2025, 5, 31), today=date(2025, 6, 1))
    with pytest.raises(AnalyticsError, match="future"):
        documents.check_month(MAY, today=date(2025, 4, 30))
    with pytest.raises(AnalyticsError, match="before 1970"):
        documents.check_month(date(1, 1, 1), today=MAY)


def test_where_a_document_lives(tmp_path):
    path = documents.document_path(tmp_path, "billing", MAY, "a-tenant_1")
    assert path == tmp_path / "billing" / "2025-05" / "a-tenant_1.html"


@pytest.mark.parametrize("tenant_id", ["../a", "..", "", "a/b", "-a", "A", "a\n", "a b", "ä", "a" * 41])
def test_an_id_that_could_leave_the_folder_is_refused(tmp_path, tenant_id):
    with pytest.raises(AnalyticsError, match="cannot be the id of a tenant"):
        documents.document_path(tmp_path, "billing", MAY, tenant_id)


def test_writing_is_whole_and_repeatable(tmp_path):
    path = tmp_path / "a" / "b" / "page.html"
    first = documents.write(path, "schön\r\n")
    assert path.read_bytes() == "schön\r\n".encode()
    assert first.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == documents.sha256_of("schön\r\n")
    assert documents.write(path, "schön\r\n") == first
    documents.write(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_failed_write_leaves_the_old_document_and_no_draft(tmp_path):
    path = tmp_path / "page.html"
    documents.write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        documents.write(path, "half of a pair: \ud800")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_in_the_way_is_said(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(AnalyticsError, match="cannot be written") as raised:
        documents.write(tmp_path / "page.html", "text")
    assert "ANALYTICS_STATE_DIR" in raised.value.remedy
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_missing_value_is_an_error_and_everything_is_escaped():
    environment = rendering.environment("analytics_dagster.billing")
    with pytest.raises(UndefinedError):
        environment.from_string("{{ nothing }}").render()
    assert environment.from_string("{{ it }}").render(it="<&\"'") == "&lt;&amp;&#34;&#39;"


def test_numbers_and_dates_have_one_spelling():
    assert rendering.number(1234567) == "1,234,567"
    assert rendering.number(Decimal("1234.50")) == "1,234.50"
    assert rendering.number(Decimal("1E-7")) == "0.0000001"
    assert rendering.number(Decimal("0E+3")) == "0"
    assert rendering.number(Decimal(85), 2) == "85.00"
    assert rendering.number(Decimal("0.039"), 2) == "0.039"
    assert rendering.number(Decimal("-1234.5"), 2) == "-1,234.50"
    assert rendering.number(None) == rendering.quiet(0) == rendering.day(None) == rendering.moment(None) == "–"
    assert rendering.quiet(1200) == "1,200"
    assert rendering.day(MAY) == "2025-05-01"
    assert rendering.moment(datetime(2025, 5, 1, 9, 5, tzinfo=UTC)) == "2025-05-01 09:05 UTC"
