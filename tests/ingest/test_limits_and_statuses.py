"""What a tenant's status and limits mean for its events: taken in, marked, or quarantined as what they are."""

import json
from collections import Counter
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from ingest_samples import DAY

from analytics_dagster.ingest.books import books
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.ingest.sizes import oversized
from analytics_dagster.tenancy import moving
from analytics_dagster.tenancy.limits import breaches, mark_breaches, tenant_limits


def line(event_id: str, tenant: str = "acme", pad: int = 0) -> bytes:
    event = {
        "metadata": {
            "event_id": event_id,
            "tenant_id": tenant,
            "source": "web_app",
            "timestamp": f"{DAY}T12:00:00Z",
        },
        "event_type": "user_action",
        "event_name": "track_play",
        "properties": {"pad": "x" * pad},
    }
    return json.dumps(event).encode() + b"\n"


def limit(connection, tenant_id, **limits):
    connection.execute(
        "update tenancy.tenants set configuration = configuration || %s::jsonb where tenant_id = %s",
        [json.dumps(limits), tenant_id],
    )


# --- statuses --------------------------------------------------------------------------------------------------


def test_a_suspended_tenants_events_are_taken_in_and_accounted(tenants, land, landing):
    moving.suspend(tenants, "acme", actor="ada", reason=None)
    land(line("one") + line("two") + b"{\n")
    load_day(tenants, landing, DAY)
    (book,) = books(tenants, [DAY])
    assert (book.tenant_id, book.received, book.accepted, book.quarantined) == ("acme", 3, 2, 1)
    assert book.balances


def test_an_offboarded_tenants_events_are_quarantined_under_its_name(tenants, land, landing):
    land(line("before"))
    load_day(tenants, landing, DAY)
    moving.offboard(tenants, "acme", actor="ada", reason="left")
    land(line("after") + b"{\n" + line("zeta-in-acme", "zeta"))
    land(line("nobody", "nobody") + line("acme-anywhere") + line("kept", "zeta"), tenant=None)
    load_day(tenants, landing, DAY)
    rules = Counter(
        tenants.execute("select tenant_id, reasons -> 0 ->> 'rule' from raw.quarantine order by entry_id").fetchall()
    )
    assert rules == {
        ("acme", "offboarded_tenant"): 2,
        ("acme", "json_invalid"): 1,
        ("acme", "tenant_mismatch"): 1,
        (None, "unknown_tenant"): 1,
    }
    accounted = {book.tenant_id: (book.accepted, book.quarantined, book.balances) for book in books(tenants, [DAY])}
    assert accounted == {"acme": (1, 4, True), "zeta": (1, 0, True), "(unknown)": (0, 1, True)}


# --- limits ----------------------------------------------------------------------------------------------------


def test_a_limit_is_the_tenants_own_or_its_tiers(tenants):
    limit(tenants, "zeta", events_per_day=5)
    found = tenant_limits(tenants)
    assert (found["acme"].events_per_day, found["acme"].event_bytes) == (100_000, 16 << 10)
    assert (found["zeta"].events_per_day, found["zeta"].event_bytes) == (5, 16 << 10)


def test_more_events_than_allowed_are_accepted_and_marked(tenants, land, landing):
    limit(tenants, "acme", events_per_day=2)
    land(line("one") + line("two"))
    load_day(tenants, landing, DAY)
    assert mark_breaches(tenants, [DAY]) == []
    land(line("three") + line("three"))
    load_day(tenants, landing, DAY)
    (breach,) = mark_breaches(tenants, [DAY])
    assert (breach.tenant_id, breach.limit_name, breach.limit_value, breach.observed) == (
        "acme",
        "events_per_day",
        2,
        4,
    ), "received counts, repeats too"
    assert str(breach) == (
        f"acme, load of {DAY}: received 4 events, its limit is 2 a day; they are accepted all the same"
    )
    (book,) = books(tenants, [DAY])
    assert (book.accepted, book.duplicate) == (3, 1)
    land(line("four"))
    load_day(tenants, landing, DAY)
    (again,) = mark_breaches(tenants, [DAY])
    assert (again.observed, again.first_seen_at) == (5, breach.first_seen_at)
    assert mark_breaches(tenants, [DAY + timedelta(days=1)]) == []


def test_what_was_beyond_a_limit_stays_marked_when_the_limit_is_raised(tenants, land, landing):
    limit(tenants, "acme", events_per_day=1)
    land(line("one") + line("two"))
    load_day(tenants, landing, DAY)
    mark_breaches(tenants, [DAY])
    limit(tenants, "acme", events_per_day=10)
    (kept,) = mark_breaches(tenants, [DAY])
    assert kept.limit_value == 1
    assert breaches(tenants, tenant_id="acme") == [kept]
    assert breaches(tenants, tenant_id="zeta") == []


def test_larger_events_than_allowed_are_accepted_and_counted(tenants, land, landing):
    limit(tenants, "acme", event_bytes=512)
    land(line("small") + line("large", pad=600) + line("huge", pad=2_000))
    land(line("allowed", "zeta", pad=2_000), tenant="zeta")
    load_day(tenants, landing, DAY)
    counted = tenants.execute("select tenant_id, oversized from raw.accounts order by 1").fetchall()
    assert counted == [("acme", 2), ("zeta", 0)]
    (breach,) = mark_breaches(tenants, [DAY])
    assert (breach.tenant_id, breach.limit_name, breach.observed) == ("acme", "event_bytes", 2)
    assert "sent 2 events larger than its limit of 512 bytes" in str(breach)
    assert all(book.balances for book in books(tenants, [DAY]))


@pytest.mark.parametrize(
    ("lengths", "limits", "counted"),
    [
        ([10, 20, 30], {}, {}),
        ([10, 20, 30], {"a": 30, "b": 30}, {}),
        ([10, 20, 31], {"a": 30, "b": 15}, {(1, "b"): 1, (2, "a"): 1}),
        ([99, 99, 99], {"b": 98}, {(1, "b"): 1}),
        ([99, 99, 99], {"a": 9}, {(1, "a"): 1, (2, "a"): 1}),
    ],
)
def test_lines_are_counted_by_file_and_tenant(lengths, limits, counted):
    rows = pa.table({"batch_id": [1, 1, 2], "tenant_id": ["a", "b", "a"]})
    assert oversized(rows, np.array(lengths), limits) == counted
