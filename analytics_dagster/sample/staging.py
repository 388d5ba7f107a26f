"""How a simulation becomes visible: made aside, then moved into place whole, whatever is killed when.

Everything is made in `<landing>/.sample-staging`, which is ours if it carries our claim. A file of the
landing or ledger folder is never deleted and never replaced: the same bytes are taken as already moved,
other bytes are somebody else's and stop the publication before its first move.
"""

import fcntl
import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics_dagster.sample.landing import PREFIX
from analytics_dagster.sample.ledger import MARKER
from analytics_dagster.sample.plan import SampleError

NAME = ".sample-staging"
_CLAIM = "made-by-the-simulator"
_COMPLETE = "complete"


@contextmanager
def exclusive(landing_dir: Path) -> Iterator[None]:
    """One simulation at a time for a landing folder; the lock goes with the process that holds it."""
    handle = os.open(landing_dir, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def published(landing_dir: Path) -> int:
    """How many of the simulator's files are in the landing folder."""
    days = [day for day in landing_dir.iterdir() if day.is_dir() and day.name != NAME]
    return sum(1 for day in days for _ in day.rglob(f"{PREFIX}*.ndjson*"))


class Staging:
    def __init__(self, landing_dir: Path, ledger_dir: Path) -> None:
        self._landing_dir = landing_dir
        self._ledger_dir = ledger_dir
        self._folder = landing_dir / NAME
        self.landing = self._folder / "landing"
        self.ledger = self._folder / "ledger"

    def complete(self, fingerprint: str) -> bool:
        """Whether an interrupted run of the same plan had made everything."""
        if not (self._folder / _COMPLETE).exists():
            return False
        if (self._folder / _CLAIM).read_text(encoding="utf-8") != fingerprint:
            raise SampleError(
                "a simulation of another plan was interrupted while it was being published",
                where=str(self._folder),
                remedy="repeat it with its own plan, or remove the landing and the ledger folder",
            )
        return True

    def begin(self, fingerprint: str) -> None:
        self.clear()
        self._folder.mkdir()
        (self._folder / _CLAIM).write_text(fingerprint, encoding="utf-8")
        self.landing.mkdir()
        self.ledger.mkdir()

    def finish(self) -> None:
        (self._folder / _COMPLETE).touch()

    def publish(self) -> None:
        # the marker comes last: with it the simulation is there, without it it is not
        ledger = sorted(self.ledger.iterdir(), key=lambda path: path.name == MARKER)
        copies = [(path, self._ledger_dir / path.name) for path in ledger]
        missing = [pair for pair in copies if not _is_there(*pair)]
        moves = list(_moves(self.landing, self._landing_dir))
        for path, target in moves:
            path.rename(target)
        for path, target in missing:
            # copied, because the ledger may lie on another disk
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(path, part)
            part.replace(target)
        self.clear()

    def clear(self) -> None:
        """Remove what we made, the claim last, so that a kill in between leaves it recognisable."""
        if not self._folder.exists():
            return
        if not (self._folder / _CLAIM).exists() and any(self._folder.iterdir()):
            raise SampleError(
                "a folder with the simulator's name was not made by the simulator",
                where=str(self._folder),
                remedy="move it away",
            )
        (self._folder / _COMPLETE).unlink(missing_ok=True)
        for folder in (self.landing, self.ledger):
            if folder.exists():
                shutil.rmtree(folder)
        (self._folder / _CLAIM).unlink(missing_ok=True)
        self._folder.rmdir()


def _moves(folder: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """The fewest renames that bring a folder's content into another: whole folders where there is none."""
    for path in sorted(folder.iterdir()):
        goal = target / path.name
        if path.is_dir() and goal.is_dir():
            yield from _moves(path, goal)
        elif not _is_there(path, goal):
            yield path, goal


def _is_there(path: Path, target: Path) -> bool:
    if not target.exists():
        return False
    if path.is_dir() or target.is_dir() or not filecmp.cmp(path, target, shallow=False):
        raise SampleError(
            "something else is where the sample wants to write",
            where=str(target),
            remedy="move it away, or use another folder; nothing was overwritten",
        )
    return True
