"""The real UI on the platform that `run` made: in a browser, and what is left of it afterwards."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from platform_process import PATIENCE, PROGRAM, TRACEBACK, answers, environment, server_port, taken_port, until

from analytics_dagster.cli.ui import PORTS_TRIED, _data_docs, free_port
from analytics_dagster.defs.labels import GROUPS
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import load_settings

pytestmark = pytest.mark.slow


@dataclass
class Ui:
    process: subprocess.Popen[str]
    log: Path
    address: str

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def ui(end_to_end, folder: Path, *arguments: str, **variables: str) -> Iterator[Ui]:
    log = folder / "ui.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [PROGRAM, "ui", *arguments],
            env=environment(**end_to_end.variables | variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
        )
    try:
        address = until(lambda: re.search(r"http://[\w.]+:\d+", log.read_text()), process, log)[0]
        until(lambda: answers(f"{address}/server_info"), process, log)
        yield Ui(process, log, address)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def processes_of(state: Path) -> list[str]:
    """Every process that was started for this state folder, but those of the warehouse, which is in use here."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            if os.fsencode(state) in told and b"/postgres" not in told and b"embedded.keeper" not in told:
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def test_a_port_that_is_taken_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) < port + PORTS_TRIED
    assert free_port("::1", port) >= port


def test_without_a_free_port_the_setting_is_named(monkeypatch):
    monkeypatch.setattr("analytics_dagster.cli.ui.PORTS_TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AnalyticsError, match="ANALYTICS_UI_PORT"):
        free_port("127.0.0.1", taken.getsockname()[1])


def test_the_children_learn_where_the_data_docs_are(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYTICS_DATA_DOCS_URL", "")
    with _data_docs(load_settings(state_dir=tmp_path, data_docs_port=0), 3000) as pages:
        assert load_settings().data_docs_url == pages.address
    monkeypatch.setenv("ANALYTICS_DATA_DOCS_URL", "https://quality.example")
    with _data_docs(load_settings(state_dir=tmp_path), 3000) as pages:
        assert pages is None
    assert load_settings().data_docs_url == "https://quality.example"


@pytest.mark.browser
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_a_person_looks_at_the_platform(end_to_end, browser, tmp_path):
    port = server_port()
    with ui(end_to_end, tmp_path, "--port", str(port)) as opened:
        assert opened.address.endswith(f":{port}")
        complaints = []
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

        page.goto(f"{opened.address}/asset-groups")
        for group in GROUPS:
            page.get_by_text(group, exact=True).first.wait_for()

        page.goto(f"{opened.address}/assets/marts/kpi_daily?view=overview")
        page.get_by_text("active users", exact=True).first.wait_for()
        page.get_by_text("about this group").first.wait_for()
        page.locator("tr", has_text="active users").get_by_text("Show Markdown").click()
        plot = page.locator('img[alt="Daily active users"]')
        plot.wait_for()
        assert plot.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500

        page.goto(f"{opened.address}/runs")
        for job in ("daily", "publish", "train", "monthly"):
            page.get_by_text(job, exact=True).first.wait_for()
        assert page.get_by_text("Success", exact=True).count() >= 8
        for sign in ("Failure", "Canceled", "Started"):
            assert page.get_by_text(sign, exact=True).count() == 0, sign
        assert complaints == []

        opened.process.send_signal(signal.SIGINT)
        assert opened.process.wait(PATIENCE) == 0
        assert processes_of(end_to_end.state) == []
        assert TRACEBACK not in opened.said()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_a_killed_ui_leaves_nobody_behind(end_to_end, tmp_path):
    """And the port that is taken is not the end of it."""
    with taken_port() as taken:
        port = taken.getsockname()[1]
        with ui(end_to_end, tmp_path, UI_PORT=str(port)) as opened:
            assert not opened.address.endswith(f":{port}")
            assert len(processes_of(end_to_end.state)) > 2
            docs = re.search(r"The Data Docs are at http://127\.0\.0\.1:(\d+)", opened.said())
            assert docs
            socket.create_connection(("127.0.0.1", int(docs[1])), timeout=PATIENCE).close()
            opened.process.kill()
            opened.process.wait()
            until(lambda: not processes_of(end_to_end.state))
