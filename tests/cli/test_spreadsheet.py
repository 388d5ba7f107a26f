"""`bi export`: a mart as a spreadsheet gets it. A tenant's rows, all and alone, and no text that runs as a formula."""

import csv
import io
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy.spreadsheet import Days, export
from analytics_dagster.warehouse import WarehouseUrl, connect

pytestmark = pytest.mark.slow

# as somebody types them: a text, and what the file says
TEXTS = {
    "=1+1": "'=1+1",
    "+49 30 1": "'+49 30 1",
    "-2": "'-2",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1+1": "\t'=1+1",
    "\r=1+1": "\r'=1+1",
    "  =1+1": "  '=1+1",
    '"=1+1': "\"'=1+1",
    "\uff1d1+1": "'\uff1d1+1",
    "a;=1+1": "a;'=1+1",  # where a list's separator is the semicolon
    'a;"=1+1': "a;\"'=1+1",
    "a\n=1+1;\n-1": "a\n'=1+1;\n'-1",
    "a-b = c, d+e@f": "a-b = c, d+e@f",
    'said "so", then\nleft': 'said "so", then\nleft',
    "é" * 200: "é" * 200,
    "": "",
}


@pytest.fixture
def owner(warehouse: WarehouseUrl) -> Iterator[psycopg.Connection]:
    with connect(warehouse) as connection:
        connection.execute(
            "create table marts.notes (tenant_id text, n int, day date, amount numeric, said text, told jsonb, at"
            ' timestamptz, "odd; name" text, primary key (tenant_id, n));'
            "alter table marts.notes enable row level security; alter table marts.notes force row level security;"
            "create policy own on marts.notes for select to analytics_tenants"
            " using (tenant_id = (select tenancy.current_tenant()));"
            "grant select on marts.notes to analytics_tenants;"
            "create table marts.secrets (tenant_id text);"
            "create table marts.dayless (tenant_id text, n int); grant select on marts.dayless to analytics_tenants"
        )
        connection.execute("create policy all_of_it on marts.notes to current_user using (true)")
        for tenant_id in ("acme", "beta"):
            connection.execute(
                "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
                " configuration) values (%s, 'T', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu',"
                " jsonb_build_object('tenant_id', %s::text, 'name', 'T', 'kind', 'shop', 'tier', 'free', 'time_zone',"
                " 'UTC', 'currency', 'EUR', 'plan', 'free', 'region', 'eu'))",
                [tenant_id, tenant_id],
            )
            for n, text in enumerate(TEXTS):
                connection.execute(
                    "insert into marts.notes values (%s, %s, date '2026-05-01' + %s, -1.50, %s, to_jsonb(%s::text))",
                    [tenant_id, n, n, text, text],
                )
        connection.commit()
        yield connection


def exported(owner: psycopg.Connection, tenant: str, mart: str = "notes", days: Days | None = None) -> list[list[str]]:
    file = io.BytesIO()
    told = export(owner, tenant, mart, days or Days(), file)
    assert file.getvalue().startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))
    assert told == len(rows)
    return [header, *rows]


def test_columns_and_rows_are_in_their_order_and_the_tenants_alone(owner):
    header, *rows = exported(owner, "acme")
    assert header == ["tenant_id", "n", "day", "amount", "said", "told", "at", "odd; name"]
    assert [row[0:2] for row in rows] == [["acme", str(n)] for n in range(len(TEXTS))]


def test_texts_that_look_like_a_formula_are_disarmed_and_others_stay(owner):
    _, *rows = exported(owner, "acme")
    assert [row[4] for row in rows] == list(TEXTS.values())


def test_numbers_and_days_stay_what_they_are(owner):
    _, first, *_ = exported(owner, "acme")
    assert first[2:4] == ["2026-05-01", "-1.50"]
    assert first[6] == ""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quoted", [True, False])
def test_no_cell_begins_like_a_formula_however_the_file_is_cut(owner, separator, quoted):
    """A spreadsheet of a country with another separator cuts the same file at other places."""
    file = io.BytesIO()
    export(owner, "acme", "notes", Days(), file)
    text = file.getvalue().decode("utf-8-sig")
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )
    cells = [cell.lstrip(' \t\r\n"') for line in lines for cell in line]
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "-", "\uff1d")) and cell != "-1.50"] == []


def test_days_are_limited_at_both_ends_and_at_one(owner):
    def days(first: date | None, last: date | None) -> list[str]:
        return [row[2][-2:] for row in exported(owner, "acme", days=Days(first, last))[1:]]

    assert days(date(2026, 5, 3), date(2026, 5, 4)) == ["03", "04"]
    assert days(date(2026, 5, len(TEXTS)), None) == [str(len(TEXTS))]
    assert days(None, date(2026, 5, 1)) == ["01"]
    assert days(date(2027, 1, 1), None) == []


@pytest.mark.parametrize("mart", ["secrets", "nothing", "notes; drop table marts.notes", '"notes"', "pg_class"])
def test_what_a_reader_cannot_read_is_no_mart(owner, mart):
    with pytest.raises(AnalyticsError, match="the marts are: dayless, notes"):
        exported(owner, "acme", mart)


def test_a_mart_without_a_day_is_exported_whole(owner):
    with pytest.raises(AnalyticsError, match="has no day"):
        exported(owner, "acme", "dayless", Days(date(2026, 1, 1)))
    assert exported(owner, "acme", "dayless") == [["tenant_id", "n"]]


def test_unknown_and_suspended_tenants_are_refused(owner):
    with pytest.raises(AnalyticsError, match="nobody"):
        exported(owner, "nobody")
    owner.execute("update tenancy.tenants set status = 'suspended' where tenant_id = 'beta'")
    with pytest.raises(AnalyticsError, match="suspended"):
        exported(owner, "beta")


def test_the_command_writes_a_file_that_says_what_the_mart_says(end_to_end, tmp_path):
    file = tmp_path / "may.csv"
    words = ("bi", "export", "tonewave", "kpi_daily", "--from", "2026-05-01", "--to", "2026-05-31")
    done = end_to_end.cli(*words, "--out", str(file))
    assert done.returncode == 0, done.stderr
    header, *rows = csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))
    assert header == ["tenant_id", "day", "metric", "value", "unit"]
    expected = end_to_end.rows(
        "select tenant_id, day::text, metric, coalesce(value::text, ''), unit from marts.kpi_daily"
        " where tenant_id = 'tonewave' and day between '2026-05-01' and '2026-05-31' order by 1, day, metric"
    )
    assert [tuple(row) for row in rows] == expected
    assert f"{len(expected):,} rows of kpi_daily" in done.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["may.csv"]
    assert end_to_end.cli(*words).stdout == file.read_text(encoding="utf-8")


def test_the_command_leaves_no_file_behind_that_it_could_not_write(end_to_end, tmp_path):
    unknown = end_to_end.cli("bi", "export", "tonewave", "kpi_dayly", "--out", str(tmp_path / "x.csv"))
    assert unknown.returncode == 1
    assert "kpi_daily" in unknown.stderr
    nowhere = end_to_end.cli("bi", "export", "tonewave", "kpi_daily", "--out", str(tmp_path / "no" / "x.csv"))
    assert nowhere.returncode == 1
    assert "cannot be written" in nowhere.stderr
    assert list(tmp_path.iterdir()) == []
