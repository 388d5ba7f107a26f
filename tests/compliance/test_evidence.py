from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from compliance_records import MAY, RUNS, a_tenant, account, build, events, everything

from analytics_dagster.compliance import evidence, findings, render
from analytics_dagster.compliance.counting import count_query
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.warehouse.migrations import available


@pytest.fixture
def full(connection):
    a_tenant(connection)
    a_tenant(connection, "neighbour")
    everything(connection)
    everything(connection, "neighbour")
    return evidence(connection, "kirana", MAY, RUNS)


def test_rows_are_counted_by_table_and_month(full):
    counted = {table.table: (table.rows, table.rows_of_month, table.month_by) for table in full.tables if table.exists}
    assert counted["raw.events"] == (3, 2, "occurred_at")
    assert counted["raw.accounts"] == (3, 2, "load_day")
    assert counted["marts.kpi_daily"] == (2, 1, "day")
    assert counted["ml.churn_scores"] == (1, 1, "as_of")
    assert counted["billing.statements"] == (2, 1, "month")
    assert counted["tenancy.tenants"] == (1, None, None)
    assert counted["raw.batches"] == (None, None, None)
    assert "compliance.reports" not in counted


def test_tables_before_the_first_build_are_said_to_be_missing(connection):
    a_tenant(connection)
    absent = [table.table for table in evidence(connection, "kirana", MAY).tables if not table.exists]
    assert {"intermediate.int_session_events", "marts.dim_users", "marts.kpi_daily"} <= {*absent}
    assert {table.partition(".")[0] for table in absent} == {"intermediate", "marts"}


def test_loads_come_with_their_books(full):
    assert [(load.load_day.day, load.files, load.received, load.accepted, load.duplicate, load.quarantined, load.kept)
            for load in full.loads] == [(1, 1, 3, 3, 0, 0, 3), (2, 1, 5, 0, 4, 1, 0)]  # fmt: skip
    assert [(load.load_day, load.reasons) for load in full.held_loads] == [(date(2025, 5, 2), ("duplicates <80 %>",))]


@pytest.mark.usefixtures("full")
def test_loads_that_wait_behind_a_held_one_are_told(connection):
    account(connection, date(2025, 5, 9), accepted=0, duplicate=1)
    build(connection, date(2025, 5, 1), front=date(2025, 5, 2))
    held = evidence(connection, "kirana", MAY)
    assert held.stands_on == date(2025, 5, 1)
    assert [(load.load_day.day, load.reasons, load.held_at is None) for load in held.held_loads] == [
        (2, ("duplicates <80 %>",), False),
        (9, ("waits for the held load of 2025-05-02",), True),
    ]
    (finding,) = [finding for finding in findings(held) if "held back" in finding.claim]
    assert finding.detail == (
        "1 held and 1 waiting, with the reasons in section 5; the marts stand on the load of 2025-05-01"
    )
    june = evidence(connection, "kirana", date(2025, 6, 1), today=date(2025, 7, 1))
    assert [(load.load_day.day, load.held_at) for load in june.held_loads] == [(2, None)]
    assert any(finding.detail.startswith("1 waiting, with") for finding in findings(june))
    page = render(held)
    assert "waits for the held load of 2025-05-02" in page
    assert "The marts stand on the load of 2025-05-01." in page


def test_reasons_of_any_shape_are_text(connection):
    a_tenant(connection)
    connection.execute("""insert into quality.holds values ('2025-05-02', 'kirana', '{"why": 1}')""")
    assert evidence(connection, "kirana", MAY).held_loads[0].reasons == ('{"why": 1}',)


def test_the_rest_of_the_record(full):
    assert (full.publication.row_counts, full.publication.foreign_rows) == ({"kpi_daily": 7}, 0)
    assert [(s.model, s.model_version, s.users) for s in full.scored_by] == [("churn", 3, 1), ("lifetime value", 4, 1)]
    assert [(s.month, s.total) for s in full.statements] == [(MAY, Decimal("8900.00"))]
    assert [m.name for m in full.migrations] == [m.name for m in available()]
    assert [run.run_id[0] for run in full.runs] == ["a", "b", "c"]
    assert ("raw.events", "user_id", "identifier") in {(c.table, c.column, c.category) for c in full.personal_columns}
    assert all(c.category != "none" for c in full.personal_columns)
    assert full.undeclared_columns == ()


def test_retention_is_measured_at_the_end_of_the_month_in_the_tenants_time_zone(connection):
    a_tenant(connection, retention_days=30)  # keeps from 1 May, 00:00 in Kolkata
    first = datetime(2025, 4, 30, 18, 30, tzinfo=UTC)
    events(connection, first - timedelta(seconds=1), first, first + timedelta(days=3))
    retention = evidence(connection, "kirana", MAY).retention
    assert (retention.keeps_from, retention.events_past) == (MAY, 1)
    assert retention.oldest_event == first - timedelta(seconds=1)


def test_a_retention_longer_than_the_calendar_keeps_everything(connection):
    a_tenant(connection, retention_days=10**9)
    retention = evidence(connection, "kirana", MAY).retention
    assert (retention.keeps_from, retention.oldest_event, retention.events_past) == (date.min, None, 0)


def test_it_is_plain_data(full):
    content = full.as_json()
    assert content["tenant"]["tenant_id"] == "kirana"
    assert content["statements"][0]["total"] == "8900.00"
    assert content["runs"][2]["started"] is None
    assert content["retention"]["oldest_event"] == "2025-03-01T00:00:00Z"


def test_names_are_quoted_whatever_they_are(connection):
    query = count_query('marts.od"d; drop', {"tenant_id": "text", "day": "date"}, "day")
    assert 'from "marts"."od""d; drop"' in query.as_string(connection)


def test_findings_say_what_a_person_must_look_at(full):
    found = {finding.claim.split()[2]: (finding.holds, finding.detail) for finding in findings(full)}
    assert found == {
        "that": (True, found["that"][1]),
        "was": (True, "8 lines in 2 loads"),
        "of": (False, "1 held, with the reasons in section 5; the marts stand on no load"),
        "is": (False, "events older than 2025-05-01: 1"),
        "readers": (True, "0 foreign rows among 7"),
        "ended": (False, "1 of 3 did, see section 9"),
    }


def test_findings_see_what_is_missing(full):
    wrong = replace(
        full,
        undeclared_columns=("raw.events.shoe_size",),
        loads=(replace(full.loads[0], kept=2), full.loads[1]),
        held_loads=(),
        publication=None,
        retention=replace(full.retention, events_past=0),
        runs=(),
    )
    found = [(finding.holds, finding.detail) for finding in findings(wrong)]
    assert found == [
        (False, "not declared: raw.events.shoe_size"),
        (False, "the books and the events differ for 2025-05-01"),
        (True, "all loads are served"),
        (True, "30 days"),
        (False, "not published yet, so nobody reads them"),
        (True, "0 runs"),
    ]


def test_what_cannot_be_reported_says_what_to_do(connection):
    with pytest.raises(AnalyticsError, match=r"no tenant 'nobody'[\s\S]*\(none\)"):
        evidence(connection, "nobody", MAY)
    a_tenant(connection)
    with pytest.raises(AnalyticsError, match=r"no tenant 'nobody'[\s\S]*kirana"):
        evidence(connection, "nobody", MAY)
    with pytest.raises(AnalyticsError, match="is no month"):
        evidence(connection, "kirana", date(2025, 5, 9))
    with pytest.raises(AnalyticsError, match="future"):
        evidence(connection, "kirana", MAY, today=date(2025, 4, 30))
    with pytest.raises(AnalyticsError, match="cannot be the id"):
        evidence(connection, "../kirana", MAY)
