"""`make clean-data`: say what the platform has written, and delete it only when that was confirmed.

A running embedded warehouse keeps its folder. What lies outside the state folder (a landing folder of your own, the
database of ANALYTICS_WAREHOUSE_URL) is never touched.
"""

import os
import shutil
import sys
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import Settings, load_settings


def main(arguments: list[str]) -> int:
    try:
        settings = load_settings()
        check(settings)
    except AnalyticsError as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    found = sorted(settings.state_dir.iterdir()) if settings.state_dir.is_dir() else []
    if not found:
        sys.stdout.write(f"There is no data in {settings.state_dir}\n")
        return 0
    confirmed = "--confirmed" in arguments
    sys.stdout.write(f"{'Deleting' if confirmed else 'This would be deleted'} in {settings.state_dir}:\n")
    for path in found:
        sys.stdout.write(f"  {path.name:<12} {size_of(path) / 1e6:>10,.1f} MB\n")
        if confirmed and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif confirmed:
            path.unlink()
    if not confirmed:
        sys.stdout.write("Nothing was deleted. To do it: make clean-data CONFIRM=yes\n")
    return 0


def check(settings: Settings) -> None:
    """Refuse a state folder that holds more than state, and one that is in use."""
    for precious in (settings.home, Path.home()):
        if precious.is_relative_to(settings.state_dir):
            raise AnalyticsError(
                f"ANALYTICS_STATE_DIR holds {precious}",
                where=str(settings.state_dir),
                remedy="delete by hand what you do not need",
            )
    pid_file = settings.embedded_data_dir / "postmaster.pid"
    if pid_file.is_file() and is_running(int(pid_file.read_text().split()[0])):
        raise AnalyticsError(
            "the embedded warehouse is running",
            where=str(settings.embedded_data_dir),
            remedy="stop make ui and whatever else uses it, then repeat",
        )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return True


def size_of(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
