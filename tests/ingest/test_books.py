"""Books compared with the rows that are there: each kind of loss shows."""

from datetime import date

import pytest

from analytics_dagster.ingest.books import Book, books

DAY, OTHER = date(2026, 2, 28), date(2026, 3, 1)


@pytest.fixture
def raw(connection):
    """acme: 2 accepted, 1 duplicate, 1 quarantined; a line of nobody; a file that was refused as a whole."""
    (batch,) = connection.execute(
        "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'a', 'a', 1) returning batch_id",
        [DAY],
    ).fetchone()
    connection.execute("insert into raw.accounts values (%s, 'acme', %s, 4, 2, 1, 1)", [batch, DAY])
    connection.execute("insert into raw.accounts values (%s, '(unknown)', %s, 1, 0, 0, 1)", [batch, DAY])
    for number in (1, 2):
        connection.execute(
            "insert into raw.events (tenant_id, event_id, event_type, event_name, source, occurred_at, is_test,"
            " properties, load_day, batch_id, line_number)"
            " values ('acme', %s, 'system', 'x', 'api', now(), false, '{}', %s, %s, %s)",
            [str(number), DAY, batch, number],
        )
    for tenant, line in (("acme", 4), (None, 1), ("acme", None)):
        connection.execute(
            "insert into raw.quarantine (batch_id, load_day, tenant_id, line_number, original, reasons)"
            " values (%s, %s, %s, %s, '', '[{}]')",
            [batch, DAY, tenant, line],
        )
    return connection


def test_the_books_of_a_day_balance(raw):
    found = books(raw, [DAY])
    assert found == [Book("(unknown)", 1, 0, 0, 1, 0, 1), Book("acme", 4, 2, 1, 1, 2, 1)]
    assert all(book.balances for book in found)
    assert books(raw, [OTHER]) == []
    assert books(raw, []) == []


@pytest.mark.parametrize(
    ("damage", "unbalanced"),
    [
        ("delete from raw.events where line_number = 1", ["acme"]),
        ("delete from raw.quarantine where tenant_id = 'acme'", ["acme"]),
        ("delete from raw.quarantine where tenant_id is null", ["(unknown)"]),
        ("update raw.quarantine set status = 'replayed' where tenant_id is null", ["(unknown)"]),
        ("delete from raw.accounts", ["(unknown)", "acme"]),
        ("update raw.events set tenant_id = 'beta' where line_number = 1", ["acme", "beta"]),
        ("insert into raw.events select * from raw.events", ["acme"]),
    ],
)
def test_what_is_lost_or_doubled_shows(raw, damage, unbalanced):
    raw.execute(damage)
    assert [book.tenant_id for book in books(raw, [DAY]) if not book.balances] == unbalanced


def test_what_was_discarded_stays_in_the_books(raw):
    raw.execute("update raw.quarantine set status = 'discarded'")
    assert all(book.balances for book in books(raw, [DAY]))


def test_a_book_adds_up():
    assert not Book("acme", 4, 2, 1, 0, 2, 0).balances
