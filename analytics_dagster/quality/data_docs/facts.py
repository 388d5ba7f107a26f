"""What the pages tell, as it comes from the tables: one class for the lines of each query."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    tenant_id: str
    name: str
    kind: str
    status: str
    as_of: date | None  # of what readers are served
    newest: date | None  # empty: never judged
    state: str | None
    judgement_id: int | None
    score: float | None
    judged: int | None
    failed_critical: int | None
    failed_warning: int | None
    held_since: date | None  # the first load that is held
    held_loads: int
    waiting: int  # loads from the front on

    @property
    def stands(self) -> str:
        """One word for all of it."""
        return "held" if self.held_since else self.state or "not judged"


@dataclass(frozen=True, slots=True)
class Day:
    tenant_id: str
    load_day: date
    score: float
    state: str
    judged: int
    failed_critical: int
    failed_warning: int
    judgement_id: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that was recorded."""

    tenant_id: str
    load_day: date
    suite: str
    expectation: str
    severity: str
    observed: float | None
    expected: str
    passed: bool
    note: str
    sample: list[str]
    judgement_id: int
    stage: str = "loads"


@dataclass(frozen=True, slots=True)
class Held:
    tenant_id: str
    load_day: date
    reasons: list[str]
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Released:
    tenant_id: str
    load_day: date
    reasons: list[str]
    held_at: datetime
    released_at: datetime
    how: str
    actor: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """A judgement, counted."""

    judgement_id: int
    run_id: str
    stage: str
    judged_at: datetime
    previous: int | None
    tenants: int
    loads: int
    verdicts: int
    critical: int
    warning: int
    info: int
    failing_tenants: int
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class DailyFailures:
    suite: str
    expectation: str
    load_day: date
    tenants: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one writing of the site knows. Lines of tenants, runs and expectations are under their key."""

    tenants: tuple[Tenant, ...]
    last_day: date | None  # the newest load of anyone
    newest_judgement: Run | None
    runs: dict[int, Run]
    recent: dict[str, list[Day]]  # 28 days, of every tenant
    failing: dict[str, list[Judged]]  # of what counts now: the newest load, held loads, the marts
    failed_lately: dict[tuple[str, str], list[Judged]]
    failed_daily: dict[tuple[str, str], dict[date, int]]
    days: dict[str, list[Day]] = field(default_factory=dict)  # half a year, of the tenants to write
    verdicts: dict[str, list[Judged]] = field(default_factory=dict)
    holds: dict[str, list[Held]] = field(default_factory=dict)
    releases: dict[str, list[Released]] = field(default_factory=dict)
    failures: dict[int, list[Judged]] = field(default_factory=dict)  # of the runs to write
