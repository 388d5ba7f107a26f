"""The first day that the platform knows: where its daily partitions begin.

Partitions must not move once runs refer to them, so the day is written down at the first run.
"""

from datetime import UTC, date, datetime
from pathlib import Path

from analytics_dagster.errors import SettingsError
from analytics_dagster.settings import Settings


def first_day(settings: Settings) -> date:
    if settings.first_day:
        return settings.first_day
    file = _file(settings)
    if not file.exists():
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(file.read_text(encoding="utf-8").strip())
    except ValueError as error:
        raise SettingsError(
            f"the first day cannot be read: {error}", where=str(file), remedy="write a date such as 2026-01-31 into it"
        ) from None


def remember_first_day(settings: Settings, day: date) -> None:
    """Write the first day down, unless one is known already."""
    file = _file(settings)
    if settings.first_day is None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".tmp")
        fresh.write_text(f"{day.isoformat()}\n", encoding="utf-8")
        fresh.replace(file)


def _file(settings: Settings) -> Path:
    return settings.state_dir / "first_day"
