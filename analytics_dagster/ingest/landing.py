"""The landing folder: which files wait there, for which loading day, claimed by which tenant.

Names only: no file is opened here. `<landing>/<YYYY-MM-DD>/[<tenant_id>/]<file>`, named as `naming` reads it.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.naming import UnknownNameError, naming_of
from analytics_dagster.ingest.report import FileProblem

UNFINISHED = (".tmp", ".part")


class LandingError(AnalyticsError):
    """The landing folder as a whole cannot be used."""


@dataclass(frozen=True)
class LandingFile:
    path: Path
    name: str  # below the landing folder
    day: date
    claimed_tenant: str | None  # the folder below the day's: what the transport says; none: lines may mix


@dataclass(frozen=True)
class Landing:
    days: dict[date, list[LandingFile]]  # both in order
    problems: tuple[FileProblem, ...]

    @property
    def names(self) -> list[tuple[date, str]]:
        """Each file by its loading day and its name below the landing folder."""
        return [(day, file.name) for day, files in self.days.items() for file in files]


def pending_files(landing_dir: Path, day: date | None = None) -> Landing:
    """The files of every loading day, or of one; what was loaded before is known to the warehouse, not here."""
    remedy = "create it, or correct ANALYTICS_LANDING_DIR; the user of this process must be able to read it"
    try:
        root = landing_dir.resolve(strict=True)
        entries = _entries(root)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise LandingError(
            f"the landing folder cannot be read: {reason}", where=str(landing_dir), remedy=remedy
        ) from None
    days: dict[date, list[LandingFile]] = {}
    problems: list[FileProblem] = []
    for entry in entries:
        folder_day = _day(entry.name)
        if day is not None and folder_day != day:
            continue
        if folder_day is None or not _is_folder(entry):
            problems.append(
                FileProblem(
                    _text(entry.name),
                    "misplaced",
                    "is not below the folder of a loading day: move it to <YYYY-MM-DD>/<tenant_id>/",
                )
            )
            continue
        for found in _walk(Path(entry.path), root):
            if isinstance(found, FileProblem):
                problems.append(found)
            else:
                name = _text("/".join(found.relative_to(root).parts))
                days.setdefault(folder_day, []).append(
                    LandingFile(path=found, name=name, day=folder_day, claimed_tenant=claimed_tenant(name))
                )
    return Landing(
        days={day: sorted(days[day], key=lambda file: file.name) for day in sorted(days)},
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
    )


def claimed_tenant(name: str) -> str | None:
    """What the transport says about a file, by its name below the landing folder: `<day>/[<tenant_id>/]<file>`."""
    _, folder, *below = name.split("/", 2)
    return folder if below else None


def _walk(folder: Path, root: Path) -> Iterator[Path | FileProblem]:
    try:
        # a folder is refused when it is a link: it could lead out of the landing folder, or around in a circle
        if folder.is_symlink():
            yield _problem(folder, root, "linked_folder", "is a link to a folder: move the files here instead")
            return
        entries = _entries(folder)
    except OSError as error:
        yield _problem(folder, root, "unreadable", f"cannot be read ({error.strerror}): correct its rights")
        return
    for entry in entries:
        path = Path(entry.path)
        misnamed = _misnamed(entry.name)
        if _is_folder(entry):
            if misnamed is None:
                yield _problem(path, root, "not_a_file", "is a folder with the name of a file: rename it")
            else:
                yield from _walk(path, root)
        elif misnamed is not None:
            yield _problem(path, root, "unknown_format", f"is not loaded: {misnamed}")
        else:
            yield _regular_file(path, root)


def _misnamed(name: str) -> str | None:
    try:
        naming_of(name)
    except UnknownNameError as error:
        return error.problem
    return None


def _regular_file(path: Path, root: Path) -> Path | FileProblem:
    try:
        if not path.resolve(strict=True).is_relative_to(root):
            return _problem(path, root, "link_outside", "is a link that leaves the landing folder: copy the file here")
        if not stat.S_ISREG(path.stat().st_mode):
            return _problem(path, root, "not_a_file", "is a pipe, a socket or a device: remove it")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _problem(path, root, "unreadable", f"cannot be read ({reason}): correct or remove it")
    return path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a producer has finished: hidden and temporary names are still being written."""
    with os.scandir(folder) as entries:
        return [
            entry for entry in entries if not entry.name.startswith(".") and not entry.name.lower().endswith(UNFINISHED)
        ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself; whoever opens it says so
        return False


def _day(name: str) -> date | None:
    try:
        found = date.fromisoformat(name)
    except ValueError:
        return None
    return found if found.isoformat() == name else None  # not 20260131, nor 2026-W05


def _problem(path: Path, root: Path, rule: str, message: str) -> FileProblem:
    return FileProblem(_text(str(path.relative_to(root))), rule, message)


def _text(name: str) -> str:
    """A name as text: a file name may hold any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
