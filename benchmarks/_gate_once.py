"""One run of the gate in a process of its own, as the orchestrator's: prints what it judged and what memory it took."""

import json
import resource
import sys
from datetime import date
from pathlib import Path
from time import perf_counter

from analytics_dagster.warehouse import WarehouseUrl


def main() -> None:
    url, folder, day = WarehouseUrl.parse(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3])
    began = perf_counter()
    from analytics_dagster.quality.gate import run_gate  # noqa: PLC0415 - its imports are part of what is measured

    report = run_gate(url, folder, [day], run_id="benchmark", declared=sys.argv[4:])
    told = {
        "judged": report.judged,
        "expectations": len({(verdict.suite, verdict.expectation) for verdict in report.verdicts}),
        "verdicts": len(report.verdicts),
        "held": len(report.holds),
        "seconds": perf_counter() - began,
        "cpu_seconds": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
