"""A loading process and nothing else: `_load_once.py LANDING DAY POSTGRES_URL` prints its peak memory in bytes."""

import resource
import sys
from datetime import date
from pathlib import Path

from analytics_dagster.ingest.loading import load_day
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import WarehouseUrl

CONTRACTS = load_event_contracts(PROJECT_ROOT / "events")  # what a new deployment checks by


def peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # not ru_maxrss: Linux hands the peak of the parent down to a child
        return int(status.read_text().split("VmHWM:")[1].split()[0]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    load_day(WarehouseUrl.parse(sys.argv[3]), Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), CONTRACTS)
    print(peak_bytes())
