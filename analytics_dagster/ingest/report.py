"""What a load says about itself: the books by tenant, and each file that was not as it should be.

Plain values only; how they are shown belongs to whoever shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

UNKNOWN_TENANT = "(unknown)"


@dataclass(frozen=True)
class Tally:
    """Nothing is lost silently: received = accepted + duplicate + quarantined. Blank lines are not received."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.received + other.received,
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
        )

    @property
    def balances(self) -> bool:
        return self.received == self.accepted + self.duplicate + self.quarantined


@dataclass(frozen=True)
class FileProblem:
    """One clear message about one file: what is wrong, and what to do."""

    path: str  # below the landing folder
    rule: str
    message: str
    deferred: bool = False  # nothing of it is loaded; the next load tries it again

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


@dataclass(frozen=True)
class LoadReport:
    day: date
    files_read: int = 0
    files_seen: int = 0  # their content is in the warehouse already
    tenants: Mapping[str, Tally] = field(default_factory=dict)
    problems: tuple[FileProblem, ...] = ()

    @property
    def files_deferred(self) -> int:
        return len({problem.path for problem in self.problems if problem.deferred})

    @property
    def accepted(self) -> int:
        return self.total.accepted

    @property
    def total(self) -> Tally:
        return sum(self.tenants.values(), Tally())
