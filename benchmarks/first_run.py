"""What `make run` costs after the installation: seconds and memory of the first run, and of a second one.

    .venv/bin/python benchmarks/first_run.py [events]

Memory is the sum over all processes of the run, PostgreSQL's included; pages that they share count once.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CLI = Path(sys.executable).with_name("analytics-dagster")
SAMPLING_SECONDS = 0.5
SERVER_LINGERS_SECONDS = 5


def main() -> None:
    events = sys.argv[1] if len(sys.argv) > 1 else "200000"
    # the server stops some seconds after its last user, perhaps while the folder is being removed
    with tempfile.TemporaryDirectory(prefix="analytics-first-run-", ignore_cleanup_errors=True) as state:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")} | {
            "ANALYTICS_STATE_DIR": state,
            "ANALYTICS_EMBEDDED_PORT": "0",
            "ANALYTICS_SAMPLE_EVENTS": events,
        }
        first, memory = _run(environment, state)
        second, _ = _run(environment, state)
        time.sleep(SERVER_LINGERS_SECONDS)
    print(f"events                   {int(events):>10,}")
    print(f"first run                {first:>10.1f} s")
    print(f"second run               {second:>10.1f} s   {second / first:.2f} x the first")
    print(f"peak memory, in all      {memory / 1e6:>10,.0f} MB")


def _run(environment: dict[str, str], state: str) -> tuple[float, int]:
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLING_SECONDS):
            peak = max(peak, _memory(state))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    try:
        subprocess.run([CLI, "run", "--json"], env=environment, check=True, stdout=subprocess.DEVNULL)
    finally:
        seconds = time.monotonic() - started
        done.set()
        watcher.join()
    return seconds, peak


def _memory(state: str) -> int:
    """Proportional set size of every process that knows this state folder, and of PostgreSQL's children."""
    ours: set[int] = set()
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            pid = int(folder.name)
            try:
                parents[pid] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                named = f"ANALYTICS_STATE_DIR={state}\0".encode() in (folder / "environ").read_bytes()
                if named or state.encode() in (folder / "cmdline").read_bytes():
                    ours.add(pid)
            except OSError:
                continue
    while grown := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= grown
    return sum(_pss(pid) for pid in ours)


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
