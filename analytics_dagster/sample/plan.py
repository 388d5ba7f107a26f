"""What is asked for and what was made: the plan of a simulation, its summary, its errors.

Also the relative sizes of our sample tenants. How a kind of tenant behaves is in `personas`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import TenantConfiguration

# Raise it when the same plan would give other bytes than before.
VERSION = 3
SHORTEST = 30

# One tenant is about ten times the median: what is slow for a big tenant shows in the sample already.
SIZES = {
    "bergsoft": 1.0,
    "corner-shop": 0.9,
    "folha-livre": 0.5,
    "harbour-post": 1.2,
    "kirana": 1.1,
    "ledgerly": 1.4,
    "lofi-lounge": 0.7,
    "tonewave": 10.0,
}


class SampleError(AnalyticsError):
    """The sample cannot be simulated as asked, or would write over files that are not its own."""


@dataclass(frozen=True)
class SamplePlan:
    """So many events in the loading days that end with `last_day`.

    Within a tenth from 5,000 events on, and then with every kind of fault. Below, a few whole lives for
    each tenant may be more than was asked for.
    """

    events: int
    seed: int
    last_day: date
    days: int = 90

    def __post_init__(self) -> None:
        if self.events < 1:
            raise SampleError(f"cannot simulate {self.events} events", remedy="ask for 1000 or more")
        if self.days < SHORTEST:
            raise SampleError(
                f"cannot simulate {self.days} days: people need time to join, renew and leave",
                remedy=f"ask for {SHORTEST} days or more",
            )

    @property
    def first_day(self) -> date:
        return self.last_day - timedelta(days=self.days - 1)

    def fingerprint(self, tenants: Sequence[TenantConfiguration]) -> str:
        """Equal for two simulations that give the same bytes."""
        told = [VERSION, asdict(self), [(t.tenant_id, t.kind, t.time_zone, t.currency) for t in tenants]]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class SampleSummary:
    """The books of all tenants together: received = accepted + duplicate + quarantined."""

    first_day: date
    last_day: date
    tenants: int
    users: int
    files: int
    received: int
    accepted: int
    duplicate: int
    quarantined: int


def held_load(plan: SamplePlan, tenants: Sequence[TenantConfiguration]) -> tuple[str, date]:
    """The tenant and the loading day of the broken release: a late one, because the tenant stands still since."""
    ids = [tenant.tenant_id for tenant in tenants]
    tenant_id = "ledgerly" if "ledgerly" in ids else ids[min(4, len(ids) - 1)]
    day = plan.last_day - timedelta(days=1)
    while day.weekday() not in {1, 2, 3}:  # UTC and local working days overlap in every time zone
        day -= timedelta(days=1)
    return tenant_id, day
