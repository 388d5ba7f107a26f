"""Up to which load a tenant's marts stand, and which loads are kept back: those that are held, and those behind them.

Reads only. The gate decides what is held; a build moves the front (pipeline.fronts), which may come a moment later.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

AS_OF = """
select max(accounts.load_day)
from raw.accounts as accounts
join pipeline.built_loads as built on built.load_day = accounts.load_day
left join pipeline.fronts as fronts on fronts.tenant_id = accounts.tenant_id
left join pipeline.front_moves as moves on moves.tenant_id = accounts.tenant_id
where accounts.tenant_id = %s
    and accounts.load_day < coalesce(least(fronts.front, moves.from_day), 'infinity')
"""

KEPT_BACK = """
with stops as (
    select tenant_id, min(stop) as stop, min(stop) filter (where is_hold) as first_held
    from (
        select tenant_id, front as stop, false as is_hold from pipeline.fronts
        union all
        select tenant_id, load_day, true from quality.holds
    ) as both_kinds
    where %(tenant_id)s::text is null or tenant_id = %(tenant_id)s
    group by tenant_id
)
select loads.tenant_id, loads.load_day, holds.reasons, holds.held_at, stops.first_held
from stops
cross join lateral (
    select accounts.tenant_id, accounts.load_day from raw.accounts as accounts
    where accounts.tenant_id = stops.tenant_id and accounts.load_day >= stops.stop
    union
    select held.tenant_id, held.load_day from quality.holds as held where held.tenant_id = stops.tenant_id
) as loads
left join quality.holds as holds on holds.tenant_id = loads.tenant_id and holds.load_day = loads.load_day
order by loads.load_day, loads.tenant_id
"""


@dataclass(frozen=True)
class KeptBack:
    """A load that is kept, and neither served nor charged."""

    tenant_id: str
    load_day: date
    reasons: tuple[str, ...]
    held_at: datetime | None  # empty: not held itself, it waits for the one before it

    @property
    def waits(self) -> bool:
        return self.held_at is None


def as_of(connection: psycopg.Connection, tenant_id: str) -> date | None:
    """The last load that the marts contain for certain: built, and before the front and before one that moves."""
    row = connection.execute(AS_OF, [tenant_id]).fetchone()
    return row[0] if row else None


def kept_back(connection: psycopg.Connection, tenant_id: str | None = None) -> list[KeptBack]:
    """A tenant's loads from the first held one on, or everybody's, by load day."""
    return [
        KeptBack(tenant, load_day, _texts(reasons) if held_at else (_waits_for(first_held),), held_at)
        for tenant, load_day, reasons, held_at, first_held in connection.execute(KEPT_BACK, {"tenant_id": tenant_id})
    ]


def _waits_for(first_held: date | None) -> str:
    return f"waits for the held load of {first_held}" if first_held else "released, and waits for the next build"


def _texts(reasons: Any) -> tuple[str, ...]:
    """Reasons are a list of sentences; whatever else stands there is shown as it is."""
    listed = reasons if isinstance(reasons, list) else [reasons]
    return tuple(reason if isinstance(reason, str) else json.dumps(reason) for reason in listed)
