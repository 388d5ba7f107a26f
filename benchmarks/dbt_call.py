"""One day's dbt call, in the process with a ready manifest, against the dbt command line on the same database.

    .venv/bin/python benchmarks/dbt_call.py [repetitions]

Both restate the same (tenant, day)s and run the same data tests; they take turns.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from analytics_dagster.environment import TELEMETRY_OFF
from analytics_dagster.ingest.loading import load_day
from analytics_dagster.sample import SamplePlan, simulate
from analytics_dagster.settings import load_settings
from analytics_dagster.tenancy import load_tenant_files, register
from analytics_dagster.transform import build, ensure_manifest, prepare, write_scope
from analytics_dagster.transform.arguments import INCREMENTAL, dbt_arguments
from analytics_dagster.transform.build import dbt_environment
from analytics_dagster.warehouse import EmbeddedServer, connect, migrate

PLAN = SamplePlan(events=20_000, seed=42, last_day=date(2026, 3, 31))


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    os.environ.update(TELEMETRY_OFF)
    with tempfile.TemporaryDirectory(prefix="analytics-dbt-call-") as folder:
        settings = load_settings(state_dir=Path(folder) / "state")
        server = EmbeddedServer(settings.embedded_data_dir, port=0)
        with server as url:
            tenants = load_tenant_files(settings.tenants_dir)
            simulate(PLAN, tenants, settings.landing_dir, Path(folder) / "ledger")
            with connect(url) as connection:
                migrate(connection)
                register(connection, tenants)
            days = [PLAN.first_day + timedelta(days=n) for n in range(PLAN.days)]
            for day in days:
                load_day(url, settings.landing_dir, day)
            manifest = ensure_manifest(settings)
            prepare(url, manifest)
            with connect(url) as connection:
                pairs = write_scope(connection, "benchmark", days[-1:])

            def in_process() -> None:
                build(url, manifest, build_id="benchmark")

            target = Path(folder) / "cli"
            arguments = dbt_arguments(
                "build", project_dir=settings.dbt_project_dir, target_dir=target, select=INCREMENTAL
            )
            environment = {**os.environ, **dbt_environment(url, "benchmark")}

            def command_line() -> None:
                dbt = Path(sys.executable).with_name("dbt")
                subprocess.run([dbt, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

            for warm in (in_process, command_line):
                warm()
            ours, theirs = _in_turns(in_process, command_line, repetitions)
        server.wait_until_stopped()
    print(f"one day, {pairs} (tenant, day)s restated, median of {repetitions}")
    print(f"in the process           {ours:6.2f} s")
    print(f"dbt's command line       {theirs:6.2f} s   {theirs / ours:.1f} x as long")


def _in_turns(first: Callable[[], None], second: Callable[[], None], repetitions: int) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions):
        for call, into in zip((first, second), times, strict=True):
            started = time.perf_counter()
            call()
            into.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
