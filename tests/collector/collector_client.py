"""Posts to a collector as a producer does, and runs one in this process for as long as a test's client needs it."""

import base64
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics_dagster.collector.server import serve
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.warehouse import WarehouseUrl


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Client:
    """One connection that is kept alive."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.key = key

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.key}"
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("POST", path, body, **headers)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def while_serving(chosen, warehouse, work: Callable[[int], Any], files=None) -> Any:
    """The real server in this thread, `work(port)` in another one; then SIGTERM."""
    outcome: dict[str, Any] = {}

    def run(port: int) -> None:
        try:
            outcome["result"] = work(port)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            outcome["error"] = error
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threads: list[threading.Thread] = []

    def started(address: str) -> None:
        threads.append(threading.Thread(target=run, args=[int(address.rsplit(":", 1)[1])]))
        threads[0].start()

    serve(chosen, warehouse, files, on_start=started)
    threads[0].join(20)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def event(event_id: str | None = "e1", **metadata: Any) -> dict[str, Any]:
    given = {"event_id": event_id, "source": "web_app", "timestamp": "2026-01-31T09:30:00.125+01:00", **metadata}
    return {
        "metadata": {name: value for name, value in given.items() if value is not None},
        "event_type": "user_action",
        "event_name": "track_play",
        "properties": {"track_id": "7"},
    }


def written(landing: Path) -> list[dict[str, Any]]:
    """What the loader would read, in order."""
    found = pending_files(landing)
    assert not found.problems
    paths = [file.path for files in found.days.values() for file in files]
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def load_all(warehouse: WarehouseUrl, landing: Path) -> None:
    for day in pending_files(landing).days:
        load_day(warehouse, landing, day)
