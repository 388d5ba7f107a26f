"""One platform, made from nothing by the real command line, and a browser; the tests of this folder read them."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from subprocess import CompletedProcess

import pytest
from platform_process import Platform
from unmeasured import processes_unmeasured

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(repr=False)
class EndToEnd(Platform):
    first: CompletedProcess[str] = field(init=False)
    second: CompletedProcess[str] = field(init=False)
    after_first: dict[str, list[str]] = field(init=False)
    after_second: dict[str, list[str]] = field(init=False)


@pytest.fixture(scope="session")
def end_to_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndToEnd]:
    """A sample of a few thousand events, and `run` twice. Who asks for it stands in SHARED of tests/conftest.py."""
    state = tmp_path_factory.mktemp("end to end")
    platform = EndToEnd(
        state,
        {
            "STATE_DIR": str(state),
            "EMBEDDED_PORT": "0",
            "SAMPLE_EVENTS": "9000",
            "SAMPLE_LAST_DAY": "2026-05-31",
        },
    )
    try:
        # three months of Dagster's log; smaller runs measure its lines, but for the few of a trained model
        with processes_unmeasured():
            platform.first = platform.cli("run")
        assert platform.first.returncode == 0, platform.first.stderr
        platform.after_first = platform.tables()
        platform.second = platform.cli("run")
        platform.after_second = platform.tables()
        yield platform
    finally:
        platform.server.release()
    assert platform.server.wait_until_stopped(20), "a process still uses the warehouse"


@pytest.fixture(scope="module")  # no longer: while it is open, no other test can run an event loop
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield chromium
        chromium.close()
