from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pytest
from billing_books import LOADED, MAY, Happened, utc

from analytics_dagster.billing import HeldMonthError, bill, rate, statement, store
from analytics_dagster.billing.plans import load_plans
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.warehouse import connect

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'><img src=x onerror=alert(1)> & Söhne",
    "right to left": "\u202egnp.exe \u0645\u062a\u062c\u0631 \u05d7\u05e0\u05d5\u05ea",
    "emoji": "🎧 Tøne\u200dwave 👩‍👩‍👧‍👦",
    "very long": "W" * 5000,
    "template": "{{ 7 * 7 }}{% raw %}",
    "empty": "",
}


def rows(connection):
    connection.rollback()
    return [
        connection.execute(f"select * from billing.{table} order by 1, 2, 3").fetchall()
        for table in ("statements", "statement_lines")
    ]


def some_usage(books, events=6_000):
    books.events(*[Happened(utc(2025, 5, 1 + n % 28, n % 24), f"u{n % 400}") for n in range(events)])


def test_a_bill_from_events_to_file_and_rows(books, connection, warehouse, tmp_path):
    books.tenant()
    some_usage(books)
    report = bill(warehouse, "lofi-lounge", MAY, tmp_path)
    # 109 + 1,000 events at 0.98 per 1,000 + 150 active users at 0.049
    assert [str(line.amount) for line in report.lines] == ["109.00", "0.00", "0.98", "0.00", "7.35"]
    assert (report.total, report.currency) == (Decimal("117.33"), "USD")
    assert report.path == tmp_path / "billing" / "2025-05" / "lofi-lounge.html"
    page = report.path.read_text(encoding="utf-8")
    assert "117.33" in page
    assert "6,000" in page
    statements, lines = rows(connection)
    assert statements == [("lofi-lounge", MAY, "growth", "USD", Decimal("117.33"), LOADED)]
    assert sum(line[7] for line in lines) == Decimal("117.33")
    for _, _, _, _, _, quantity, unit_price, amount, residue in lines:
        assert amount + residue == quantity * unit_price


def test_the_same_again_changes_nothing(books, connection, warehouse, tmp_path):
    books.tenant()
    some_usage(books, 50)
    first, before = bill(warehouse, "lofi-lounge", MAY, tmp_path), rows(connection)
    again = bill(warehouse, "lofi-lounge", MAY, tmp_path)
    assert (again.sha256, rows(connection)) == (first.sha256, before)
    assert [file.name for file in again.path.parent.iterdir()] == ["lofi-lounge.html"]


def test_new_usage_replaces_the_statement_and_leaves_no_old_line(books, connection, warehouse, tmp_path):
    books.tenant()
    some_usage(books)
    first = bill(warehouse, "lofi-lounge", MAY, tmp_path)
    books.connection.execute("create temporary table taken as select * from raw.events")
    books.connection.execute("delete from raw.events")
    books.connection.commit()
    second = bill(warehouse, "lofi-lounge", MAY, tmp_path)
    assert (len(first.lines), len(second.lines)) == (5, 3)
    assert [len(table) for table in rows(connection)] == [1, 3]
    books.connection.execute("insert into raw.events select * from taken")
    books.connection.commit()
    assert bill(warehouse, "lofi-lounge", MAY, tmp_path).sha256 == first.sha256
    assert [len(table) for table in rows(connection)] == [1, 5]


def test_another_tenant_is_not_touched(books, connection, warehouse, tmp_path):
    books.tenant()
    books.tenant("other", currency="EUR", plan="free")
    some_usage(books, 50)
    other = bill(warehouse, "other", MAY, tmp_path)
    before = connection.execute("select * from billing.statement_lines where tenant_id = 'other'").fetchall()
    connection.rollback()
    bill(warehouse, "lofi-lounge", MAY, tmp_path)
    after = connection.execute("select * from billing.statement_lines where tenant_id = 'other'").fetchall()
    assert before == after
    assert other.path.read_text(encoding="utf-8").count("lofi-lounge") == 0


def test_a_month_without_usage_costs_the_fee(books, warehouse, tmp_path):
    books.tenant(plan="scale", currency="BRL")
    report = bill(warehouse, "lofi-lounge", MAY, tmp_path)
    assert report.total == Decimal("3790.00")
    page = report.path.read_text(encoding="utf-8")
    assert "No event happened in this month" in page
    assert "nothing was loaded yet" in page


def test_a_month_over_which_a_hold_stands_is_not_stated(books, connection, warehouse, tmp_path):
    books.tenant()
    books.tenant("other")
    some_usage(books, 40)
    books.events(
        Happened(utc(2025, 6, 3), "ada", load_day=date(2025, 6, 4)),
        Happened(utc(2025, 5, 3), "ada", load_day=date(2025, 6, 5)),
        Happened(utc(2025, 3, 3), "ada", load_day=date(2025, 3, 5)),
    )
    books.hold(date(2025, 6, 4), "no one <b>", "odd")
    books.build()
    with pytest.raises(HeldMonthError) as refused:
        bill(warehouse, "lofi-lounge", MAY, tmp_path)
    assert refused.value.problem == (
        "May 2025 cannot be stated: the load of 2025-06-05 is kept back (waits for the held load of 2025-06-04)"
    )
    assert refused.value.where == "tenant lofi-lounge"
    assert "analytics-dagster quality release" in refused.value.remedy
    with pytest.raises(HeldMonthError, match=r"2025-06-04 is kept back \(no one <b>; odd\), and so is 1 more"):
        bill(warehouse, "lofi-lounge", date(2025, 6, 1), tmp_path)
    assert rows(connection) == [[], []]
    assert list(tmp_path.iterdir()) == []
    assert bill(warehouse, "lofi-lounge", date(2025, 3, 1), tmp_path).total > 0
    assert bill(warehouse, "other", MAY, tmp_path).total > 0
    connection.execute("delete from quality.holds")
    books.build()
    assert bill(warehouse, "lofi-lounge", MAY, tmp_path).total > 0


@pytest.mark.parametrize("name", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_name_stays_text(books, warehouse, tmp_path, name):
    books.tenant(name="Plain")
    plain = bill(warehouse, "lofi-lounge", MAY, tmp_path).path.read_text(encoding="utf-8")
    books.connection.execute("update tenancy.tenants set name = %s", [name])
    books.connection.commit()
    page = bill(warehouse, "lofi-lounge", MAY, tmp_path).path.read_text(encoding="utf-8")
    escaped = name
    for character, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}.items():
        escaped = escaped.replace(character, entity)
    assert page == plain.replace("<bdi>Plain</bdi>", f"<bdi>{escaped}</bdi>")


def test_nothing_is_fetched_from_outside(books, warehouse, tmp_path):
    books.tenant()
    page = bill(warehouse, "lofi-lounge", MAY, tmp_path).path.read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    for word in ("http:", "https:", "src=", "<script", "<link", "@import", "url("):
        assert word not in page


@pytest.mark.parametrize(
    "tenant_id", ["../lofi-lounge", "..", "", "a/b", "/etc/passwd", "Lofi", "lofi-lounge\n", "a" * 41, "a\0"]
)
def test_a_strange_id_is_refused_before_there_is_a_path(warehouse, tmp_path, tenant_id):
    reports = tmp_path / "reports"
    with pytest.raises(AnalyticsError, match="cannot be the id of a tenant"):
        bill(warehouse, tenant_id, MAY, reports)
    with pytest.raises(AnalyticsError, match="cannot be the id of a tenant"), connect(warehouse) as connection:
        statement(connection, tenant_id, MAY)
    assert not reports.exists()


def test_what_cannot_be_billed_says_what_to_do(books, connection, warehouse, tmp_path):
    books.tenant()
    with pytest.raises(AnalyticsError, match=r"no tenant 'nobody'[\s\S]*lofi-lounge"):
        bill(warehouse, "nobody", MAY, tmp_path)
    with pytest.raises(AnalyticsError, match=r"2025-05-02 is no month[\s\S]*2025-05-01"):
        statement(connection, "lofi-lounge", date(2025, 5, 2))
    with pytest.raises(AnalyticsError, match=r"May 2025 lies in the future[\s\S]*April 2025"):
        statement(connection, "lofi-lounge", MAY, today=date(2025, 4, 30))
    with pytest.raises(AnalyticsError, match="lies in the future"):
        bill(warehouse, "lofi-lounge", date(9999, 12, 1), tmp_path)
    assert statement(connection, "lofi-lounge", MAY, today=MAY).total > 0
    books.tenant("gold", plan="gold")
    with pytest.raises(AnalyticsError, match=r"no plan 'gold'[\s\S]*free, growth, scale"):
        statement(connection, "gold", MAY)
    books.tenant("tokyo", currency="JPY")
    with pytest.raises(AnalyticsError, match=r"no price in JPY[\s\S]*plans\.yaml"):
        statement(connection, "tokyo", MAY)
    assert rows(connection) == [[], []]
    assert list(tmp_path.iterdir()) == []


def test_today_is_the_tenants_own_date(books, connection):
    books.tenant("kiritimati", time_zone="Pacific/Kiritimati")
    (today,) = connection.execute("select (now() at time zone 'Pacific/Kiritimati')::date").fetchone()
    assert statement(connection, "kiritimati", today.replace(day=1)).total > 0


def test_a_file_that_cannot_be_written_leaves_no_rows(books, connection, warehouse, tmp_path):
    books.tenant()
    (tmp_path / "billing").write_text("a file where a folder should be")
    with pytest.raises(AnalyticsError, match="cannot be written"):
        bill(warehouse, "lofi-lounge", MAY, tmp_path)
    assert rows(connection) == [[], []]


def test_storing_is_one_transaction(books, connection):
    books.tenant()
    stated = statement(connection, "lofi-lounge", MAY)
    assert store(connection, stated) == 3
    connection.commit()
    before = rows(connection)
    broken = replace(stated, plan="scale", lines=(*stated.lines[:1], replace(stated.lines[1], description=None)))
    with pytest.raises(psycopg.errors.NotNullViolation):
        store(connection, broken)
    assert rows(connection) == before


def test_a_stored_line_says_which_events_it_charges(books, connection):
    books.tenant()
    some_usage(books, 70)
    stated = statement(connection, "lofi-lounge", MAY)
    assert sum(line.quantity for line in stated.lines if line.metric == "events") == 70
    assert stated.lines == tuple(rate(load_plans().plan("growth"), "USD", {"events": 70, "active_users": 70}))
