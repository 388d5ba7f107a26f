"""What the suites ask, out of their files: the Data Docs tell it and judge nothing."""

import json
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.data_docs.facts import Asked
from analytics_dagster.quality.suites import expected_text


def asked_in(folder: Path) -> tuple[Asked, ...]:
    """Every expectation of every suite file of the folder, in their order."""
    found: list[Asked] = []
    for file in sorted(folder.glob("*.json")):
        try:
            suite = json.loads(file.read_text(encoding="utf-8"))
            found += [
                Asked(
                    suite=file.stem,
                    name=expectation["meta"]["name"],
                    severity=expectation.get("severity", "critical"),
                    notes=expectation["meta"].get("notes", ""),
                    expected=expected_text(expectation["kwargs"]),
                    measure=expectation["kwargs"].get("column", ""),
                )
                for expectation in suite["expectations"]
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AnalyticsError(
                f"the suite cannot be read: {error!r}", where=str(file), remedy="compare it with the others"
            ) from None
    return tuple(found)
