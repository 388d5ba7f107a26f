"""What is in the warehouse, in the numbers that people ask for first: `run` and `status` print it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from analytics_dagster.tenancy.limits import Breach, breaches
from analytics_dagster.tenancy.standing import kept_back

MOST_BREACHES = 100

RECEIVED = """
select t.tenant_id, t.name, t.kind,
    coalesce(sum(a.received), 0)::bigint as received,
    coalesce(sum(a.accepted), 0)::bigint as accepted,
    coalesce(sum(a.duplicate), 0)::bigint as duplicate,
    coalesce(sum(a.quarantined), 0)::bigint as quarantined,
    (select count(*) from quality.holds as h where h.tenant_id = t.tenant_id) as held_loads,
    (select p.as_of from tenancy.publications as p where p.tenant_id = t.tenant_id) as as_of,
    t.status
from tenancy.tenants as t
left join raw.accounts as a on a.tenant_id = t.tenant_id
group by t.tenant_id, t.name, t.kind, t.status
union all
select tenant_id, '(no registered tenant)', '', sum(received)::bigint, sum(accepted)::bigint,
    sum(duplicate)::bigint, sum(quarantined)::bigint, 0, null, null
from raw.accounts
where tenant_id not in (select tenant_id from tenancy.tenants)
group by tenant_id
order by 1
"""

# the last 28 days that a tenant is served
HEADLINES = """
select p.tenant_id, t.currency,
    round(avg(k.value) filter (where k.metric = 'active_users'), 1) as daily_active_users,
    sum(k.value) filter (where k.metric = 'sessions')::bigint as sessions,
    max(k.metric) filter (where k.metric in ('plays', 'orders', 'feature_uses', 'reads')) as action,
    sum(k.value) filter (where k.metric in ('plays', 'orders', 'feature_uses', 'reads'))::bigint as actions,
    sum(k.value) filter (where k.metric = 'revenue') as revenue,
    (
        select count(*) from ml.churn_scores as c where c.tenant_id = p.tenant_id and c.probability >= 0.5
    ) as likely_to_leave
from tenancy.publications as p
join tenancy.tenants as t on t.tenant_id = p.tenant_id
join marts.kpi_daily as k
    on k.tenant_id = p.tenant_id and k.day > p.as_of - 28 and k.day <= p.as_of
group by p.tenant_id, t.currency
order by p.tenant_id
"""


@dataclass(frozen=True)
class Received:
    tenant_id: str
    name: str
    kind: str
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    held_loads: int
    as_of: date | None
    status: str | None = None  # empty: no registered tenant


@dataclass(frozen=True)
class Held:
    """A load that is held; the tenant's marts stand still from its first one on."""

    tenant_id: str
    load_day: date
    reasons: list[str]
    held_at: datetime


@dataclass(frozen=True)
class Waiting:
    """A held tenant's loads that are not held themselves."""

    tenant_id: str
    loads: int
    reason: str


@dataclass(frozen=True)
class Headline:
    tenant_id: str
    currency: str
    daily_active_users: Decimal | None
    sessions: int | None
    action: str | None
    actions: int | None
    revenue: Decimal | None
    likely_to_leave: int


@dataclass(frozen=True)
class Overview:
    received: Sequence[Received]
    held: Sequence[Held]
    headlines: Sequence[Headline]
    beyond_limits: Sequence[Breach] = ()
    waiting: Sequence[Waiting] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def is_prepared(connection: psycopg.Connection) -> bool:
    """Whether the platform was ever deployed to this database."""
    row = connection.execute("select to_regclass('dagster.runs') is not null").fetchone()
    return bool(row and row[0])


def overview(connection: psycopg.Connection) -> Overview:
    marts = connection.execute("select to_regclass('marts.kpi_daily') is not null").fetchone()
    kept = kept_back(connection)
    behind = Counter((load.tenant_id, load.reasons[0]) for load in kept if load.waits)
    return Overview(
        received=connection.cursor(row_factory=class_row(Received)).execute(RECEIVED).fetchall(),
        held=[
            Held(load.tenant_id, load.load_day, list(load.reasons), load.held_at)
            for load in kept
            if load.held_at is not None
        ],
        headlines=connection.cursor(row_factory=class_row(Headline)).execute(HEADLINES).fetchall()
        if marts and marts[0]
        else [],
        beyond_limits=tuple(breaches(connection)[:MOST_BREACHES]),
        waiting=tuple(Waiting(tenant, loads, reason) for (tenant, reason), loads in sorted(behind.items())),
    )
