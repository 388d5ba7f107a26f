import hashlib
import json

import pytest
from compliance_records import MAY, RUNS, a_tenant, everything

from analytics_dagster.compliance import report
from analytics_dagster.errors import AnalyticsError

HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)> & Söhne",
    "\u202egnp.exe \u0645\u062a\u062c\u0631",
    "🎧 Tøne\u200dwave",
    "W" * 200,
    "{{ 7 * 7 }}",
]


def kept(connection):
    connection.rollback()
    return connection.execute("select tenant_id, month, content, sha256 from compliance.reports").fetchall()


def test_a_report_from_record_to_file_and_row(connection, warehouse, tmp_path):
    a_tenant(connection)
    everything(connection)
    made = report(warehouse, "kirana", MAY, RUNS, tmp_path)
    assert made.path == tmp_path / "compliance" / "2025-05" / "kirana.html"
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert kept(connection) == [("kirana", MAY, json.loads(json.dumps(made.content)), made.sha256)]
    page = made.path.read_text(encoding="utf-8")
    for text in (
        "duplicates &lt;80 %&gt;",
        "PCI DSS",
        "int_session_events",
        "not built yet",
        "bbbbbbbb",
        "INR 8,900.00",
    ):
        assert text in page
    assert "ada" not in page.split("</style>")[1].replace("data", "")  # nobody's id is in the evidence
    assert "aaaaaaaa" not in page
    assert len(made.content["runs"]) == 3


def test_the_same_again_changes_nothing(connection, warehouse, tmp_path):
    a_tenant(connection)
    everything(connection)
    first, before = report(warehouse, "kirana", MAY, RUNS, tmp_path), kept(connection)
    again = report(warehouse, "kirana", MAY, list(reversed(RUNS)), tmp_path)
    assert (again.sha256, again.content, kept(connection)) == (first.sha256, first.content, before)
    assert [file.name for file in again.path.parent.iterdir()] == ["kirana.html"]


def test_new_data_replaces_the_report(connection, warehouse, tmp_path):
    a_tenant(connection, compliance_frameworks=())
    first = report(warehouse, "kirana", MAY, [], tmp_path)
    page = first.path.read_text(encoding="utf-8")
    for text in (
        "No run was given",
        "Nothing was loaded",
        "not published yet",
        "No user of the tenant",
        "No month up to",
    ):
        assert text in page
    everything(connection)
    second = report(warehouse, "kirana", MAY, [], tmp_path)
    assert second.sha256 != first.sha256
    assert [row[3] for row in kept(connection)] == [second.sha256]


def test_an_undeclared_column_is_in_the_report(connection, warehouse, tmp_path):
    a_tenant(connection)
    connection.execute('create table marts.extra (tenant_id text, "<b>email" text)')
    connection.commit()
    page = report(warehouse, "kirana", MAY, [], tmp_path).path.read_text(encoding="utf-8")
    assert "<code>marts.extra.&lt;b&gt;email</code>" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(connection, warehouse, tmp_path, name):
    a_tenant(connection, name="Plain")
    plain = report(warehouse, "kirana", MAY, [], tmp_path).path.read_text(encoding="utf-8")
    connection.execute("delete from tenancy.tenant_history")  # the evidence counts it, and renaming adds to it
    a_tenant(connection, name=name)
    page = report(warehouse, "kirana", MAY, [], tmp_path).path.read_text(encoding="utf-8")
    escaped = name
    for character, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}.items():
        escaped = escaped.replace(character, entity)
    assert page == plain.replace("<bdi>Plain</bdi>", f"<bdi>{escaped}</bdi>")


@pytest.mark.parametrize("tenant_id", ["../kirana", "", "a/b", "kirana\n", "Kirana"])
def test_a_strange_id_is_refused_before_there_is_a_path(warehouse, tmp_path, tenant_id):
    with pytest.raises(AnalyticsError, match="cannot be the id of a tenant"):
        report(warehouse, tenant_id, MAY, [], tmp_path / "reports")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_no_row(connection, warehouse, tmp_path):
    a_tenant(connection)
    (tmp_path / "compliance").write_text("a file where a folder should be")
    with pytest.raises(AnalyticsError, match="cannot be written"):
        report(warehouse, "kirana", MAY, [], tmp_path)
    assert kept(connection) == []
