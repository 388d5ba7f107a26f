"""Runs in an environment of dlt's own: `_dlt_child.py FILE POSTGRES_URL` prints the seconds that its pipeline took."""

import sys
import time
from pathlib import Path

import dlt
from dlt.sources.filesystem import filesystem, read_jsonl


def main(file: Path, url: str) -> None:
    started = time.perf_counter()
    pipeline = dlt.pipeline("benchmark", destination=dlt.destinations.postgres(url), dataset_name="by_dlt")
    events = filesystem(bucket_url=file.parent.as_uri(), file_glob=file.name) | read_jsonl()
    pipeline.run(events.with_name("events"))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
