"""Speed and peak memory of the simulator at two sizes: `python benchmarks/simulate.py [events events]`.

Each size runs in a process of its own, because the peak of a process never falls.
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import yaml

from analytics_dagster.sample import SamplePlan, simulate
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import PROJECT_ROOT

SIZES = (200_000, 1_000_000)


def measure(events: int) -> None:
    files = (PROJECT_ROOT / "tenants").glob("*.yaml")
    tenants = [TenantConfiguration.model_validate_json(json.dumps(yaml.safe_load(f.read_text()))) for f in files]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        summary = simulate(
            SamplePlan(events, 42, date(2025, 11, 20)), tenants, Path(folder, "landing"), Path(folder, "ledger")
        )
        seconds = time.perf_counter() - begin
    # kilobytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(
        f"{summary.received:>12,} lines  {seconds:7.1f} s  {summary.received / seconds:>9,.0f} events/s"
        f"  {peak:6.0f} MB peak  {summary.files:,} files"
    )


if __name__ == "__main__":
    for size in map(int, sys.argv[1:] or SIZES):
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(size,))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(process.exitcode)
