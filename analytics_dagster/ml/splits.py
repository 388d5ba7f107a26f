"""An honest temporal split: what is trained on is over before what is tested on begins.

A cut-off is the last day that features may see; its labels look at the `horizon` days after it. The test
labels end on the last known day, and every training label ends on or before the test's cut-off.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd
import psycopg
from psycopg import sql

from analytics_dagster.ml.features import KEYS, features, last_days, rows
from analytics_dagster.ml.reports import NotEnoughDataError

STEP = 7  # days between training cut-offs: each falls on the same day of the week
TRAIN_CUTOFFS = 4
MIN_HISTORY = 21  # days before a training cut-off: less says little about habits
SILENCE = 3  # days without any event after which a tenant is held or gone, not abandoned by its users

OUTCOMES = """
with cutoffs as (
    select * from unnest(%(tenants)s::text[], %(days)s::date[]) as cutoffs (tenant_id, as_of)
)
select
    cutoffs.tenant_id, days.user_id, cutoffs.as_of,
    sum(days.events)::double precision as events_after, sum(days.revenue)::double precision as revenue_after
from cutoffs
join marts.fct_user_days as days
    on days.tenant_id = cutoffs.tenant_id
    and days.day > cutoffs.as_of and days.day <= cutoffs.as_of + %(horizon)s::integer
group by cutoffs.tenant_id, days.user_id, cutoffs.as_of
"""


@dataclass(frozen=True)
class Plan:
    as_of: date
    horizon: int
    train: tuple[date, ...]
    test: date


@dataclass(frozen=True)
class Split:
    plan: Plan
    train: pd.DataFrame
    test: pd.DataFrame


def plan_split(first_day: date, as_of: date, horizon: int) -> Plan:
    """The cut-offs that a history allows, or an error that says how many days are missing."""
    test = as_of - timedelta(days=horizon)
    latest = test - timedelta(days=horizon)
    # the first day itself counts as one day of history
    earliest = first_day + timedelta(days=MIN_HISTORY - 1)
    candidates = [latest - timedelta(days=STEP * number) for number in range(TRAIN_CUTOFFS)]
    train = tuple(sorted(day for day in candidates if day >= earliest))
    if not train:
        needed = MIN_HISTORY + 2 * horizon
        raise NotEnoughDataError(
            f"{max((as_of - first_day).days + 1, 0)} days of history, {needed} are needed: {MIN_HISTORY} to learn "
            f"habits from, {horizon} that training looks ahead and {horizon} that the test looks ahead",
            where=f"{first_day} to {as_of}",
            remedy="load more history, or wait for it",
        )
    return Plan(as_of, horizon, train, test)


def load_split(connection: psycopg.Connection, as_of: date | None, horizon: int, *, seen_within: int) -> Split:
    """Features and outcomes of training and test; the outcomes are `events_after` and `revenue_after`."""
    known = last_days(connection)
    if not known:
        raise NotEnoughDataError(
            "no user has done anything yet: marts.fct_user_days is empty",
            remedy="load events and build the dbt models first",
        )
    # the newest day may still be arriving, and it begins earlier in the east than in the west
    as_of = as_of or max(known.values()) - timedelta(days=1)
    first_day = rows(connection, sql.SQL("select min(day) as day from marts.fct_user_days"))["day"][0]
    plan = plan_split(first_day, as_of, horizon)
    train = _examples(connection, known, plan.train, horizon, seen_within)
    test = _examples(connection, known, (plan.test,), horizon, seen_within)
    return Split(plan, train, test)


def _examples(
    connection: psycopg.Connection,
    known: dict[str, date],
    days: tuple[date, ...],
    horizon: int,
    seen_within: int,
) -> pd.DataFrame:
    # a tenant whose data stops early (held by the gate, say) would teach that all its users had left
    cutoffs = [
        (tenant, day)
        for day in days
        for tenant, last in known.items()
        if last >= day + timedelta(days=horizon - SILENCE)
    ]
    known_before = features(connection, cutoffs, seen_within=seen_within)
    outcomes = rows(
        connection,
        sql.SQL(OUTCOMES),
        {"tenants": [t for t, _ in cutoffs], "days": [d for _, d in cutoffs], "horizon": horizon},
    )
    examples = known_before.merge(outcomes, on=KEYS, how="left", validate="one_to_one")
    return examples.fillna({"events_after": 0.0, "revenue_after": 0.0})
