"""The champions' predictions in ml.churn_scores and ml.lifetime_value_scores, tenant by tenant.

Scoring again replaces a tenant's rows, in one transaction each: a reader sees the old scores or the new.
A tenant is judged at its own last day: one that the gate holds back has not lost its users.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql

from analytics_dagster.ml import churn, lifetime_value
from analytics_dagster.ml.features import FEATURES, features, last_days, rows
from analytics_dagster.ml.reports import ScoreReport, UnknownTenantError
from analytics_dagster.ml.tracking import Champion, load_champion
from analytics_dagster.warehouse import WarehouseUrl, connect

Rows = list[tuple[Any, ...]]


def score_churn(url: WarehouseUrl, tenants: Sequence[str] | None = None, as_of: date | None = None) -> ScoreReport:
    """The chance of leaving for everybody who was here in the last 14 days; `tenants` None means all."""

    def scores(champion: Champion, users: pd.DataFrame) -> Rows:
        users = churn.population(users)
        if users.empty:
            return []
        chances = churn.probabilities(champion.model, users[FEATURES]).tolist()
        return [
            (tenant, user, day, chance, champion.version)
            for (tenant, user, day), chance in zip(_keys(users), chances, strict=True)
        ]

    return _score(url, churn.NAME, churn.ACTIVE_WITHIN_DAYS, "churn_scores", scores, tenants, as_of)


def score_lifetime_value(
    url: WarehouseUrl, tenants: Sequence[str] | None = None, as_of: date | None = None
) -> ScoreReport:
    """The expected revenue of everybody seen in the last 56 days; `tenants` None means all."""

    def scores(champion: Champion, users: pd.DataFrame) -> Rows:
        money = lifetime_value.expected_revenue(champion.model, users)
        return [
            (tenant, user, day, amount, currency, champion.horizon_days, champion.version)
            for (tenant, user, day), currency, amount in zip(_keys(users), users["currency"], money, strict=True)
        ]

    seen_within = lifetime_value.SEEN_WITHIN_DAYS
    return _score(url, lifetime_value.NAME, seen_within, "lifetime_value_scores", scores, tenants, as_of)


def _score(
    url: WarehouseUrl,
    name: str,
    seen_within: int,
    table: str,
    scores: Callable[[Champion, pd.DataFrame], Rows],
    tenants: Sequence[str] | None,
    as_of: date | None,
) -> ScoreReport:
    champion = load_champion(url, name)
    with connect(url) as connection:
        asked = _known(connection, tenants)
        days = {
            tenant: min(last, as_of) if as_of else last
            for tenant, last in last_days(connection).items()
            if tenant in asked
        }
        users = features(connection, days.items(), seen_within=seen_within)
    counts, scored = {}, {}
    for tenant in asked:
        found = scores(champion, users[users["tenant_id"] == tenant])
        with connect(url) as connection:
            _replace(connection, table, tenant, found)
        counts[tenant] = len(found)
        if found:
            scored[tenant] = days[tenant]
    return ScoreReport(name, champion.version, counts, scored)


def _known(connection: psycopg.Connection, tenants: Sequence[str] | None) -> list[str]:
    known = rows(
        connection,
        sql.SQL("select tenant_id from marts.dim_tenants union select tenant_id from tenancy.tenants"),
    )["tenant_id"].tolist()
    unknown = sorted(set(tenants or ()) - set(known))
    if unknown:
        raise UnknownTenantError(
            f"unknown tenant{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}",
            remedy=f"known are: {', '.join(sorted(known)) or 'none'}",
        )
    return sorted(known if tenants is None else set(tenants))


def _replace(connection: psycopg.Connection, table: str, tenant: str, found: Rows) -> None:
    # two scorings of a tenant at once would both insert
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"ml.{table}.{tenant}"])
    target = sql.Identifier("ml", table)
    connection.execute(sql.SQL("delete from {} where tenant_id = %s").format(target), [tenant])
    with connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} from stdin").format(target)) as copy:
        for row in found:
            copy.write_row(row)


def _keys(users: pd.DataFrame) -> list[tuple[str, str, date]]:
    return list(zip(users["tenant_id"], users["user_id"], users["as_of"], strict=True))
