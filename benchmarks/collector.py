"""The HTTP collector on one core: events/s and latency, each event on the disk before its answer.

`python benchmarks/collector.py [--seconds 10]`: the server is pinned to one core, the clients to another one, over
loopback. Asked for: 3,000 single events/s at p99 < 50 ms, and 50,000 events/s in batches of 100. What the same
server does without waiting for the disk, and what a plain file takes, say where the rest goes.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from analytics_dagster.collector import LandingFiles, create_key
from analytics_dagster.collector.server import serve
from analytics_dagster.settings import load_settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect, migrate

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
SINGLE_RATE, SINGLE_CONNECTIONS = 3_000, 64
BATCH_SIZE, BATCH_RATE, BATCH_CONNECTIONS = 100, 500, 16
ASKED_P99_MS, ASKED_IN_BATCHES = 50, 50_000
SLOW_DISK_SECONDS = 0.005

SYNCS: dict[str, Callable[[int], None]] = {
    "durable": os.fdatasync,
    "slow disk": lambda descriptor: (time.sleep(SLOW_DISK_SECONDS), os.fdatasync(descriptor))[1],
    "no fsync": lambda _descriptor: None,
}


@dataclass
class Measured:
    seconds: float
    events: int
    latencies: list[float]
    refused: int
    server_cpu: float

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))] * 1e3

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def line(self, name: str) -> str:
        return (
            f"{name:<34} {self.rate:>9,.0f} events/s   p50 {self.percentile(0.5):6.1f} ms   p99"
            f" {self.percentile(0.99):6.1f} ms   max {self.percentile(1):6.1f} ms   server"
            f" {self.server_cpu / self.seconds:4.0%} of a core   refused {self.refused}"
        )


def event(number: int) -> bytes:
    return json.dumps(
        {
            "metadata": {
                "event_id": f"00000000-0000-4000-8000-{number:012}",
                "tenant_id": "acme",
                "source": "web_app",
                "timestamp": "2026-01-31T09:30:00.125+01:00",
                "user_id": f"user-{number % 5000}",
                "anonymous_id": None,
                "is_test": False,
            },
            "event_type": "user_action",
            "event_name": "track_play",
            "properties": {"track_id": f"{number % 9999}", "duration": 180, "device": "phone", "quality": "high"},
        }
    ).encode()


def request(body: bytes, key: str) -> bytes:
    lines = [
        "POST /v1/events HTTP/1.1",
        "Host: collector",
        f"Authorization: Bearer {key}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def drive(
    port: int, requests: list[bytes], events_each: int, connections: int, rate: float | None, server: int
) -> Measured:
    """At a fixed rate latency counts from the moment a request was due: a server that stalls cannot hide it."""
    latencies: list[float] = []
    refused = 0
    numbers = iter(range(len(requests)))
    cpu = cpu_seconds(server)
    start = time.perf_counter() + 0.05

    async def work() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = start + number / rate if rate else time.perf_counter()
            if (delay := due - time.perf_counter()) > 0:
                await asyncio.sleep(delay)
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - due)
            refused += not head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - start
    accepted = (len(requests) - refused) * events_each
    return Measured(seconds, accepted, latencies, refused, cpu_seconds(server) - cpu)


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    mode: str, folder: Path, warehouse: WarehouseUrl, key: str, seconds: float
) -> tuple[Measured, Measured, Measured]:
    state = folder / mode.replace(" ", "-")
    words = [sys.executable, __file__, "--serve", mode, "--state", str(state)]
    environment = os.environ | {"ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            singles = [request(event(n), key) for n in range(int(SINGLE_RATE * seconds))]
            batches = [
                request(b"[" + b",".join(event(n * BATCH_SIZE + k) for k in range(BATCH_SIZE)) + b"]", key)
                for n in range(int(BATCH_RATE * seconds))
            ]
            asyncio.run(drive(port, singles[:500], 1, 16, None, server.pid))  # warm
            paced = asyncio.run(drive(port, singles, 1, SINGLE_CONNECTIONS, SINGLE_RATE, server.pid))
            most = asyncio.run(drive(port, singles, 1, SINGLE_CONNECTIONS, None, server.pid))
            batched = asyncio.run(drive(port, batches, BATCH_SIZE, BATCH_CONNECTIONS, None, server.pid))
        finally:
            server.send_signal(signal.SIGTERM)
    written = sum(file.read_bytes().count(b"\n") for file in state.rglob("*.ndjson"))
    answered = 500 + paced.events + most.events + batched.events
    assert written == answered, f"{answered} events were answered with 200, {written} are on the disk"
    return paced, most, batched


def plain_append(folder: Path, events: int, *, sync: bool) -> float:
    lines = [event(n) + b"\n" for n in range(events)]
    descriptor = os.open(folder / f"plain-{sync}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    start = time.perf_counter()
    for line in lines:
        os.write(descriptor, line)
        if sync:
            os.fdatasync(descriptor)
    seconds = time.perf_counter() - start
    os.close(descriptor)
    return events / seconds


def main(seconds: float) -> None:
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        embedded = EmbeddedServer(folder / "warehouse", port=0, linger=0)
        with embedded as warehouse:
            with connect(warehouse) as connection:
                migrate(connection)
                add_tenant(connection)
                key = create_key(connection, "acme")
            results = {mode: measure(mode, folder, warehouse, key, seconds) for mode in SYNCS}
            appends = {sync: plain_append(folder, 20_000, sync=sync) for sync in (True, False)}
        embedded.wait_until_stopped()
    names = (
        f"single, {SINGLE_RATE:,}/s asked",
        f"single, {SINGLE_CONNECTIONS} connections, all out",
        f"batches of {BATCH_SIZE}, all out",
    )
    print(f"events of about {len(event(0))} bytes; server on core {SERVER_CORE}, clients on core {CLIENT_CORE}")
    for mode, measured in results.items():
        print(f"\n{mode}{f' ({SLOW_DISK_SECONDS * 1e3:.0f} ms more for each sync)' if mode == 'slow disk' else ''}")
        for what, one in zip(names, measured, strict=True):
            print(one.line(what))
    ours, unsynced = results["durable"], results["no fsync"]
    print("\nfor comparison")
    for what, one, other in zip(names[1:], ours[1:], unsynced[1:], strict=True):
        print(f"{what:<34} durable reaches {one.rate / other.rate:5.0%} of the same server without fsync")
    print(
        f"{'one process, write + fdatasync each':<34} {appends[True]:>9,.0f} events/s; without HTTP, checks or clients"
    )
    print(f"{'one process, write each':<34} {appends[False]:>9,.0f} events/s")
    paced, _, batched = ours
    met = paced.percentile(0.99) < ASKED_P99_MS and paced.rate > 0.97 * SINGLE_RATE and batched.rate >= ASKED_IN_BATCHES
    print(
        f"\nasked for: {SINGLE_RATE:,} single events/s at p99 < {ASKED_P99_MS} ms; {ASKED_IN_BATCHES:,} events/s in"
        f" batches: {'met' if met else 'NOT met'}"
    )
    sys.exit(not met)


def add_tenant(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
        " values ('acme', 'Acme', 'music', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')"
    )


def run_server(mode: str, state: Path) -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    chosen = load_settings(state_dir=state, collector_port=0, collector_events_per_second=1e9)
    assert chosen.warehouse_url
    url = WarehouseUrl.parse(chosen.warehouse_url.get_secret_value())
    files = LandingFiles(
        chosen.landing_dir,
        rotate_bytes=chosen.collector_rotate_bytes,
        rotate_seconds=chosen.collector_rotate_seconds,
        sync=SYNCS[mode],
    )
    serve(chosen, url, files, on_start=lambda address: print(address, flush=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", choices=SYNCS)
    parser.add_argument("--state", type=Path)
    given = parser.parse_args()
    if given.serve:
        run_server(given.serve, given.state)
    else:
        main(given.seconds)
