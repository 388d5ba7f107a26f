"""Embedded servers of a test's own. Making a data folder takes a second, so tests begin with a copy of one."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics_dagster.warehouse import EmbeddedServer

USER = """
import sys
from pathlib import Path
from analytics_dagster.warehouse import EmbeddedServer, connect

server = EmbeddedServer(Path(sys.argv[1]), port=0, durable=False, linger=0)
for _ in range(int(sys.argv[2])):
    with server as url, connect(url) as connection:
        connection.execute("select 1")
with connect(server.acquire()) as connection:
    print(server.place.postmaster().pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def stopped_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the data folder of a server that ran and was stopped in order."""
    home = tmp_path_factory.mktemp("embedded") / "warehouse"
    server = EmbeddedServer(home, port=0, durable=False, linger=0)
    with server:
        pass
    assert server.wait_until_stopped()
    return home


@pytest.fixture
def home(stopped_server: Path, tmp_path: Path) -> Path:
    """A copy of it in a folder with spaces in its name."""
    home = tmp_path / "a ware house"
    shutil.copytree(stopped_server, home)
    return home


@pytest.fixture
def embedded(home: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """Makes servers over the home, and proves at the end that none of them is left running."""
    made: list[EmbeddedServer] = []

    def make(folder: Path = home, **options: Any) -> EmbeddedServer:
        defaults = {"port": 0, "durable": False, "linger": 0}
        made.append(EmbeddedServer(folder, **(defaults | options)))
        return made[-1]

    yield make
    for server in made:
        server.release()
    for server in made:
        assert server.wait_until_stopped(20), server.place.log.read_text()


@pytest.fixture
def user_process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts other processes that use a server until they are killed or their stdin is closed."""
    started: list[subprocess.Popen[str]] = []

    def start(home: Path, *prefix: str, rounds: int = 0, python: str = sys.executable, **options: Any) -> Any:
        words = [*prefix, python, "-c", USER, str(home), str(rounds)]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
