"""What the quality gate costs: one load of 1 M events, of 100 tenants and of 1,000, judged in a process of its own.

    .venv/bin/python benchmarks/quality.py [--quick] [--repeat N] [--json FILE]

Seconds are those of the whole process, its imports included; memory is the process's peak, without PostgreSQL. In the
same run Great Expectations judges some of the 100 tenants in the usual way, one after the other.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from _asked import Asked
from _gated_load import DAY, NAMES, make_load
from _gx_by_tenant import by_tenant

from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect

ASKED_SECONDS, ASKED_RATIO, ASKED_MB, ASKED_EXPECTATIONS = 15.0, 1.5, 500.0, 20


@dataclass(frozen=True)
class Size:
    events: int
    few: int
    many: int
    one_by_one: int  # tenants that are judged in the usual way; the others are extrapolated


def judged(url: WarehouseUrl, repeat: int) -> dict[str, Any]:
    """The median of some runs. The first load of a day is judged once: later runs find their own verdicts there."""
    runs = []
    child = [sys.executable, str(Path(__file__).with_name("_gate_once.py")), url.text(with_password=True)]
    for _ in range(repeat):
        began = perf_counter()
        done = subprocess.run(
            [*child, str(PROJECT_ROOT / "expectations"), str(DAY), *NAMES],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout) | {"seconds": perf_counter() - began})
    seconds = [run["seconds"] for run in runs]
    return runs[0] | {
        "seconds": statistics.median(seconds),
        "all_seconds": seconds,
        "peak_mb": max(run["peak_mb"] for run in runs),
    }


def measure(size: Size, server: WarehouseUrl, repeat: int) -> tuple[dict[str, Any], list[Asked]]:
    figures: dict[str, Any] = {}
    for tenants in (size.few, size.many):
        url = replace(server, database=f"quality_{tenants}")
        with connect(server, autocommit=True) as connection:
            connection.execute(f"create database quality_{tenants}")
        make_load(url, tenants, size.events)
        told = figures[str(tenants)] = judged(url, repeat)
        spread = f"{min(told['all_seconds']):.1f} – {max(told['all_seconds']):.1f}"
        print(
            f"{size.events:>9,} events, {tenants:>5,} tenants: {told['seconds']:6.1f} s ({spread}; "
            f"{told['cpu_seconds']:.1f} s of a core, PostgreSQL apart), "
            f"{told['expectations']} expectations, {told['verdicts']:,} verdicts, {told['held']} held, "
            f"peak {told['peak_mb']:.0f} MB"
        )
        assert told["judged"] == tenants
    few = figures[str(size.few)]
    print(f"\nGreat Expectations tenant by tenant, {size.one_by_one} of {size.few} measured, the rest extrapolated:")
    names = [f"tenant-{number:04}" for number in range(size.one_by_one)]
    elsewhere = by_tenant(replace(server, database=f"quality_{size.few}"), DAY, names, NAMES)
    for way, told in elsewhere.items():
        whole = told.seconds_a_tenant * size.few
        print(
            f"  by {way:<7} {told.seconds_a_tenant:6.2f} s a tenant, {told.expectations} expectations: "
            f"{whole:8.0f} s, {whole / few['seconds']:.0f} x as long, without its imports"
        )
        figures[f"tenant by tenant, {way}"] = vars(told) | {"extrapolated_seconds": whole}
    ratio = figures[str(size.many)]["seconds"] / few["seconds"]
    peak = max(figures[str(tenants)]["peak_mb"] for tenants in (size.few, size.many))
    return figures, [
        Asked("expectations", few["expectations"], at_least=ASKED_EXPECTATIONS),
        Asked(f"seconds for {size.few:,} tenants", few["seconds"], at_most=ASKED_SECONDS, unit=" s"),
        Asked(f"{size.many:,} tenants / {size.few:,}", ratio, at_most=ASKED_RATIO, unit=" x"),
        Asked("peak memory", peak, at_most=ASKED_MB, unit=" MB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10,000 events, of 10 tenants and of 50")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    size = Size(10_000, 10, 50, 1) if given.quick else Size(1_000_000, 100, 1_000, 3)
    with tempfile.TemporaryDirectory(prefix="analytics-quality-") as folder:
        server = EmbeddedServer(Path(folder) / "warehouse", port=0, linger=0)
        with server as url:
            figures, asked = measure(size, url, given.repeat)
        server.wait_until_stopped()
    print("\n" + "\n".join(map(str, asked)))
    if given.json:
        given.json.write_text(json.dumps({"size": vars(size), **figures}, indent=2) + "\n")
    sys.exit(not all(one.reached for one in asked))


if __name__ == "__main__":
    main()
