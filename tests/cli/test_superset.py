"""A real Apache Superset over a tenant's login: what its charts answer, and what a person sees in the browser.

Superset wants libraries that ours exclude, so it lives in an environment of its own: TEST_SUPERSET names the
`superset` of one that was made from deploy/superset/requirements.txt.
"""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from platform_process import PATIENCE, answers, environment, server_port, until

from analytics_dagster.settings import PROJECT_ROOT

SUPERSET = os.environ.get("TEST_SUPERSET", "")
DEPLOY = PROJECT_ROOT / "deploy" / "superset"
TENANTS = ("kirana", "tonewave")
CHARTS = 4
ADMIN, PASSWORD = "admin", "only-for-this-test"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SUPERSET, reason="TEST_SUPERSET names no superset (deploy/superset/requirements.txt)"),
]


@dataclass
class Superset:
    address: str
    token: str = ""

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", data, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return json.load(answer)

    def rows(self, columns: list[str], **query: Any) -> list[dict[str, Any]]:
        """As a chart asks the data set kpi_daily."""
        datasets = {found["table_name"]: found["id"] for found in self.ask("dataset/")["result"]}
        asked = {
            "datasource": {"id": datasets["kpi_daily"], "type": "table"},
            "queries": [{"columns": columns, "metrics": ["value"], "row_limit": 50_000} | query],
        }
        (result,) = self.ask("chart/data", asked)["result"]
        return list(result["data"])


def variables(home: Path, url: str) -> dict[str, str]:
    inherited = environment()
    inherited.pop("PYTHONPATH", None)
    return inherited | {
        "SUPERSET_CONFIG_PATH": str(DEPLOY / "superset_config.py"),
        "SUPERSET_HOME": str(home),
        "SUPERSET_SECRET_KEY": "a key for this test, as long as a key has to be",
        "FLASK_APP": "superset",
        "BI_URL": url,
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docs/bi.md says to do once; no login is needed for it."""
    made = tmp_path_factory.mktemp("superset")
    bundle = shutil.make_archive(str(made / "analytics"), "zip", DEPLOY, "analytics")
    person = f"--username {ADMIN} --password {PASSWORD} --firstname A --lastname B --email a@b.example".split()
    nowhere = variables(made, "postgresql://nobody@127.0.0.1:1/nothing")
    for words in (
        ["db", "upgrade"],
        ["fab", "create-admin", *person],
        ["init"],
        ["import-dashboards", "--path", bundle, "--username", ADMIN],
    ):
        done = subprocess.run([SUPERSET, *words], env=nowhere, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module", params=TENANTS)
def tenant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def superset(end_to_end, home, tenant) -> Iterator[Superset]:
    """The same Superset for one tenant after the other: nothing of the first is left for the second."""
    login = end_to_end.json("bi", "grant", tenant, "--json")
    try:
        with served(home, login["url"]) as address:
            opened = Superset(address)
            credentials = {"username": ADMIN, "password": PASSWORD, "provider": "db"}
            opened.token = opened.ask("security/login", credentials)["access_token"]
            yield opened
    finally:
        end_to_end.cli("bi", "revoke", login["user"])


@contextmanager
def served(home: Path, url: str) -> Iterator[str]:
    place = f"127.0.0.1:{server_port()}"
    log = home / "server.log"
    program = [Path(SUPERSET).with_name("gunicorn"), "--bind", place, "--worker-class", "gthread", "--threads", "8"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*program, "--timeout", str(PATIENCE), "superset.app:create_app()"],
            env=variables(home, url),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        until(lambda: answers(f"http://{place}/health"), process, log)
        yield f"http://{place}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def test_a_charts_answer_is_the_tenants_rows_and_all_of_them(superset, end_to_end, tenant):
    told = {(row["tenant_id"], row["metric"], row["value"]) for row in superset.rows(["tenant_id", "metric"])}
    expected = end_to_end.rows(
        "select tenant_id, metric, sum(value)::float8 from marts.kpi_daily where tenant_id = %s group by 1, 2", [tenant]
    )
    assert len(told) == len(expected) > 10
    assert {row[:2] for row in told} == {row[:2] for row in expected}
    assert sorted(row[2] or 0 for row in told) == pytest.approx(sorted(row[2] or 0 for row in expected))


def test_who_asks_for_another_tenant_gets_nothing(superset, tenant):
    (other,) = set(TENANTS) - {tenant}
    by = {"col": "tenant_id", "op": "==", "val": other}
    assert superset.rows(["tenant_id", "metric"], filters=[by]) == []
    assert superset.rows(["tenant_id", "metric"], filters=[by | {"val": tenant}]) != []


def test_the_tables_and_no_other_schema_are_offered(superset):
    databases = {found["database_name"]: found["id"] for found in superset.ask("database/")["result"]}
    tables = superset.ask(f"database/{databases['analytics']}/tables/?q=(schema_name:marts)")["result"]
    assert {"kpi_daily", "mrr_movements"} <= {table["value"] for table in tables}


@pytest.mark.browser
def test_a_person_looks_at_the_dashboard(superset, browser, tenant, end_to_end, tmp_path):
    everybody = {name for (name,) in end_to_end.rows("select tenant_id from tenancy.tenants")}
    page = browser.new_page(viewport={"width": 1600, "height": 1300})
    page.set_default_timeout(PATIENCE * 1000)
    requests: list[Any] = []
    refused: list[Any] = []  # by the policy that the page came with
    asked: list[Any] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - playwright marks what it is given
    page.on("requestfailed", lambda request: refused.append(request) if request.failure == "csp" else None)
    page.on("response", lambda response: asked.append(response) if "/api/v1/chart/data" in response.url else None)

    page.goto(f"{superset.address}/login/")
    page.locator("#username").fill(ADMIN)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{superset.address}/superset/dashboard/analytics/?standalone=1")
    page.locator("td", has_text=tenant).first.wait_for()
    for place in (page.locator("canvas"), page.locator("table")):
        place.nth(1).wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=tmp_path / f"{tenant}.png")

    seen = set(page.locator("td").all_inner_texts())
    assert seen & everybody == {tenant}
    answered = [result for response in asked for result in response.json()["result"]]
    assert len(answered) >= CHARTS
    assert all(result["error"] is None and result["rowcount"] > 0 for result in answered)
    told = json.dumps([result["data"] for result in answered])
    assert tenant in told
    assert not [other for other in everybody - {tenant} if f'"{other}' in told]
    sent = {request.url for request in requests if request.url.startswith("http") and request not in refused}
    assert {urlsplit(url).hostname for url in sent} == {"127.0.0.1"}
    page.close()
