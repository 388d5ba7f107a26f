"""The provisioned dashboard: each question, asked of a real run's marts by the logins that Grafana would have."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
import yaml

from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import WarehouseUrl, connect

pytestmark = pytest.mark.slow

GRAFANA = PROJECT_ROOT / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "overview.json").read_text())
PANELS = {panel["title"]: panel["targets"][0] for panel in DASHBOARD["panels"]}
DAYS = r"\1 between date '2026-03-01' and date '2026-06-30'"


@pytest.fixture(scope="module")
def readers(end_to_end) -> Iterator[dict[str, psycopg.Connection]]:
    """A connection of each login, by whose rows it sees."""
    with ExitStack() as stack:
        found = {}
        for reader in ("kirana", "tonewave", "--analyst"):
            login = end_to_end.json("bi", "grant", reader, "--json")
            stack.callback(end_to_end.cli, "bi", "revoke", login["user"])
            found[reader] = stack.enter_context(connect(WarehouseUrl.parse(login["url"])))
        yield found


def asked(connection: psycopg.Connection, panel: str) -> list[dict[str, Any]]:
    query = re.sub(r"\$__timeFilter\((\w+)\)", DAYS, PANELS[panel]["rawSql"])
    assert "$__" not in query
    cursor = connection.execute(query.encode())
    names = [column.name for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_has_an_answer_for_a_tenant_and_for_the_analyst(readers, panel):
    of_all = asked(readers["--analyst"], panel)
    own = {tenant: asked(readers[tenant], panel) for tenant in ("kirana", "tonewave")}
    assert own["tonewave"], "the largest tenant of the sample has something of everything"
    for tenant, rows in own.items():
        told = {str(row.get("tenant_id") or row["metric"]).split()[0] for row in rows}
        assert told <= {tenant}
    assert len(of_all) >= len(own["tonewave"])
    if PANELS[panel]["format"] == "time_series":
        assert list(of_all[0]) == ["time", "metric", "value"]


def test_there_are_ten_questions_of_one_source():
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "analytics.yaml").read_text())["datasources"][0]
    assert len(PANELS) == 10
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "analytics.yaml").read_text())["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
