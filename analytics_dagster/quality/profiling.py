"""The profile of each load: its absolute measures, the mix of its event names, and what it is made of.

One statement for any number of tenants and days. Comparing a profile with earlier ones is `history`'s.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

from analytics_dagster.quality.load_sql import LOADS
from analytics_dagster.quality.measures import ABSOLUTE

# sorting the actors of a million events takes 70 MB; with the embedded server's 16 it would go through the disk
WORK_MEM = "96MB"


@dataclass(frozen=True, slots=True)
class Profile:
    load_day: date
    tenant_id: str
    content: str  # received/accepted/duplicate/quarantined: another file or a replay changes it
    measures: dict[str, float | None]  # None: there was nothing to observe
    mix: dict[str, int]  # events by name; rare names of a load with very many are counted together


def profiles(
    connection: psycopg.Connection,
    load_days: Sequence[date],
    tenants: Sequence[str] | None = None,
    *,
    declared: Collection[str] = (),
) -> list[Profile]:
    """A profile for each tenant that sent anything on a day, by day and tenant. `declared`: names with a contract."""
    connection.execute("select set_config('work_mem', %s, true)", [WORK_MEM])
    rows = connection.execute(
        LOADS,
        {
            "load_days": list(load_days),
            "tenants": None if tenants is None else list(tenants),
            "declared": sorted(declared),
        },
    )
    return [
        Profile(load_day, tenant_id, content, dict(zip(ABSOLUTE, measures, strict=True)), mix)
        for load_day, tenant_id, content, mix, *measures in rows
    ]
