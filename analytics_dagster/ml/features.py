"""What is known about a user at the end of a day, from marts.fct_user_days and nothing after that day.

One statement reads any number of (tenant, cut-off) pairs. A cut-off is the last day that features may see.
What a model makes of the features, and what comes after the cut-off, does not belong here.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql

from analytics_dagster.ml.reports import NotEnoughDataError

Cutoff = tuple[str, date]  # tenant_id, as_of

KEYS = ["tenant_id", "user_id", "as_of"]
KINDS = ["content", "music", "saas", "shop"]
NEVER = 90  # days; who never did it, or longer ago, counts as this long ago
WINDOWS = (7, 14, 28)  # 7 and 28 hold whole weeks, so weekends weigh the same in each
AMOUNTS = {"sessions": "sessions", "minutes": "engagement_seconds / 60.0", "actions": "actions"}

NUMERIC = [
    "recency",
    "tenure",
    *(f"active_{days}" for days in WINDOWS),
    *(f"{amount}_{days}" for amount in AMOUNTS for days in WINDOWS),
    "active_trend",
    *(f"{amount}_trend" for amount in AMOUNTS),
    "subscribed",
    "payment_recency",
    "payments_28",
    "payments_56",
    "revenue_28",  # revenue is told in payments of the tenant's usual size, never in a currency
    "revenue_56",
]
FEATURES = [*NUMERIC, "kind"]

# The usual size of a payment is the tenant's own and known at the cut-off: currencies never meet in a model.
QUERY = """
with cutoffs as (
    select * from unnest(%(tenants)s::text[], %(days)s::date[]) as cutoffs (tenant_id, as_of)
),
history as (
    select cutoffs.as_of, cutoffs.as_of - days.day as age, days.*
    from cutoffs
    join marts.fct_user_days as days on days.tenant_id = cutoffs.tenant_id and days.day <= cutoffs.as_of
),
scales as (
    select tenant_id, as_of, coalesce(sum(revenue) / nullif(sum(payments), 0), 0) as scale
    from history where payments > 0 group by tenant_id, as_of
),
users as (
    select
        tenant_id, user_id, as_of,
        least(min(age), {never}) as last_seen,
        coalesce(least(min(age) filter (where events > 0), {never}), {never}) as recency,
        least(max(age), {never}) as tenure,
        {windows},
        (sum(subscriptions_started) > sum(subscriptions_cancelled))::integer as subscribed,
        coalesce(least(min(age) filter (where payments > 0), {never}), {never}) as payment_recency,
        coalesce(sum(payments) filter (where age < 28), 0) as payments_28,
        coalesce(sum(payments) filter (where age < 56), 0) as payments_56,
        coalesce(sum(revenue) filter (where age < 28), 0) as money_28,
        coalesce(sum(revenue) filter (where age < 56), 0) as money_56
    from history group by tenant_id, user_id, as_of
)
select
    users.*, tenants.kind, tenants.currency, greatest(coalesce(scales.scale, 0), 0) as scale
from users
join marts.dim_tenants as tenants on tenants.tenant_id = users.tenant_id
left join scales on scales.tenant_id = users.tenant_id and scales.as_of = users.as_of
where users.last_seen < %(seen_within)s
order by users.as_of, users.tenant_id collate "C", users.user_id collate "C"
"""


def features(
    connection: psycopg.Connection, cutoffs: Iterable[Cutoff], *, seen_within: int = NEVER + 1
) -> pd.DataFrame:
    """KEYS, FEATURES, `currency`, `scale` and `revenue_last_28` for whoever was seen in so many days."""
    pairs = list(cutoffs)
    frame = rows(
        connection,
        sql.SQL(QUERY).format(never=sql.Literal(NEVER), windows=sql.SQL(",\n        ").join(_windows())),
        {"tenants": [t for t, _ in pairs], "days": [d for _, d in pairs], "seen_within": seen_within},
    )
    counted = [name for name in frame.columns if name not in {*KEYS, "kind", "currency"}]
    frame[counted] = frame[counted].astype("float64")
    for amount in ("active", *AMOUNTS):
        # a ratio on the logarithmic scale: halved is as far from unchanged as doubled
        now, before = frame[f"{amount}_14"], frame.pop(f"{amount}_before")
        frame[f"{amount}_trend"] = np.log1p(now) - np.log1p(before)
    usual = frame["scale"].where(frame["scale"] > 0, 1.0)
    for days in (28, 56):
        # a month of refunds is no negative habit
        frame[f"revenue_{days}"] = (frame[f"money_{days}"].clip(lower=0) / usual).where(frame["scale"] > 0, 0.0)
    frame["revenue_last_28"] = frame["money_28"]
    return frame[[*KEYS, *FEATURES, "currency", "scale", "revenue_last_28"]]


def last_days(connection: psycopg.Connection) -> dict[str, date]:
    """The last day that each tenant has data of; a tenant without any, or one that was offboarded, is absent."""
    frame = rows(
        connection,
        sql.SQL(
            "select tenant_id, max(day) as day from marts.fct_user_days as d where not exists ("
            "select from tenancy.tenants as t where t.tenant_id = d.tenant_id and t.status = 'offboarded')"
            " group by tenant_id order by tenant_id"
        ),
    )
    return dict(zip(frame["tenant_id"], frame["day"], strict=True))


def rows(connection: psycopg.Connection, query: sql.SQL | sql.Composed, values: Any = None) -> pd.DataFrame:
    """What a query finds, or an error that says which mart is missing."""
    try:
        cursor = connection.execute(query, values)
    except psycopg.errors.UndefinedTable as error:
        raise NotEnoughDataError(
            f"the marts are not built yet: {error.diag.message_primary}",
            remedy="load events and build the dbt models first",
        ) from None
    names = [column.name for column in cursor.description or []]
    return pd.DataFrame(cursor.fetchall(), columns=names)


def _windows() -> Iterable[sql.Composed]:
    parts = {"active": "(events > 0)::integer", **AMOUNTS}
    for name, expression in parts.items():
        spans = [(f"{name}_{days}", 0, days) for days in WINDOWS] + [(f"{name}_before", 14, 28)]
        for column, start, end in spans:
            yield sql.SQL("coalesce(sum({}) filter (where age >= {} and age < {}), 0) as {}").format(
                sql.SQL(expression), start, end, sql.Identifier(column)
            )
