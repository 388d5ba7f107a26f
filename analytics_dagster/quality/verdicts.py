"""What judging says: one verdict for each load of a tenant and each expectation."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Severity = Literal["critical", "warning", "info"]
State = Literal["passed", "flagged", "held", "released"]


@dataclass(frozen=True, slots=True)
class Verdict:
    load_day: date
    tenant_id: str
    suite: str
    expectation: str
    severity: Severity
    observed: float | None  # None: there was nothing to observe
    expected: str  # in words a person reads
    passed: bool
    note: str = ""  # what a reader must know, such as that there is no history to compare with
    sample: tuple[str, ...] = ()  # ids of a few events that fail; never values, which may be personal
