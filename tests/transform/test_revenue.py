"""Money over a few hundred subscribers: whatever the amounts, nothing is lost between the events and the marts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import oracle_revenue
import psycopg
import pytest
from histories import LOADS, TENANTS, Event, load, register

from analytics_dagster.transform import build, prepare, write_scope
from analytics_dagster.warehouse import WarehouseUrl, connect

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 100
AMOUNTS = ("0.000001", "0.01", "0.10", "9.99", "1234567.89", "999999999999.999999")


def lives(seed: int) -> list[Event]:
    """Subscribers of two tenants who pay about every 30 days, change plans, get money back, leave and return."""
    chance = Random(seed)  # noqa: S311 - the same lives each time
    events: list[Event] = []
    for number in range(300):
        at = BEGIN + timedelta(days=chance.uniform(0, DAYS))
        amount = chance.choice(AMOUNTS)
        while at < BEGIN + timedelta(days=DAYS):
            if chance.random() < 0.2:
                amount = chance.choice(AMOUNTS)
            name = chance.choices(
                ["payment_succeeded", "payment_refunded", "payment_failed", "subscription_cancelled"], [12, 2, 1, 2]
            )[0]
            told = {"amount": amount, "plan": "solo"} | ({"plan": ""} if chance.random() < 0.1 else {})
            events.append(
                Event(
                    tenant=TENANTS[number % 2],
                    event_id=f"{number}-{len(events)}",
                    event_type="transaction",
                    event_name=name,
                    at=at,
                    user_id=f"u{number}",
                    anonymous_id=None,
                    is_test=False,
                    properties=told,
                    load_day=chance.choice(LOADS[:2]),
                )
            )
            at += timedelta(days=chance.choice([30, 30, 30, 31, 28, 35, 36, 2, 0]))
    # everybody was still there at the end, so that both tenants' last day is known
    last = BEGIN + timedelta(days=DAYS, hours=12)
    heartbeats = [
        replace(event, event_id=f"last {tenant}", event_name="app_error", at=last, load_day=LOADS[0])
        for tenant, event in enumerate(events[:1] + [e for e in events if e.tenant is TENANTS[1]][:1])
    ]
    return events + heartbeats


def test_not_a_cent_is_lost(owned_warehouse: WarehouseUrl, manifest: Path) -> None:
    events = lives(seed=4)
    with connect(owned_warehouse) as connection:
        register(connection, TENANTS[:2])
    prepare(owned_warehouse, manifest)
    for load_day in LOADS[:2]:
        with connect(owned_warehouse) as connection:
            load(connection, [event for event in events if event.load_day == load_day])
            write_scope(connection, str(load_day), [load_day])
        build(owned_warehouse, manifest, build_id=str(load_day))

    with connect(owned_warehouse) as connection:
        for tenant in TENANTS[:2]:
            own = [event for event in events if event.tenant is tenant]
            revenue = sum((event.revenue for event in own), Decimal(0))
            paying = [_mrr_at_last(own, user) for user in {event.user_id for event in own}]
            assert _sums(connection, tenant.tenant_id) == {
                "payments": revenue,
                "kpis": revenue,
                "customers": _of_customers(own),
                "movements": sum(paying, Decimal(0)),
                "closing": sum(paying, Decimal(0)),
                "subscribers": sum(price > 0 for price in paying),
            }
            assert revenue % 1
            assert sum(paying) % 1


def _sums(connection: psycopg.Connection, tenant: str) -> dict[str, Decimal]:
    """What the marts say that there is."""
    asked = {
        "payments": "select sum(revenue) from marts.fct_payments where tenant_id = %s",
        "kpis": "select sum(value) from marts.kpi_daily where metric = 'revenue' and tenant_id = %s",
        "customers": "select sum(monetary) from marts.customer_rfm where tenant_id = %s",
        "movements": "select sum(new_mrr + expansion_mrr + contraction_mrr + churn_mrr + reactivation_mrr)"
        " from marts.mrr_movements where tenant_id = %s",
        "closing": "select closing_mrr from marts.mrr_movements where tenant_id = %s order by month desc limit 1",
        "subscribers": "select closing_subscribers from marts.mrr_movements where tenant_id = %s"
        " order by month desc limit 1",
    }
    found = {}
    for name, query in asked.items():
        row = connection.execute(query, [tenant]).fetchone()
        assert row, name
        found[name] = row[0]
    return found


def _mrr_at_last(events: list[Event], user: str | None) -> Decimal:
    last_day: date = max(event.wall.date() for event in events)
    return oracle_revenue.mrr([event for event in events if event.user_id == user], last_day)


def _of_customers(events: list[Event]) -> Decimal:
    paid = {event.user_id for event in events if event.event_name == "payment_succeeded"}
    return sum((event.revenue for event in events if event.user_id in paid), Decimal(0))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2023, 12, 31), "0"),
        (date(2024, 1, 1), "9.99"),
        (date(2024, 2, 4), "9.99"),
        (date(2024, 2, 5), "0"),
        (date(2024, 2, 10), "15"),
        (date(2024, 2, 12), "0"),
    ],
)
def test_the_oracle_knows_when_a_payment_lapses(day: date, expected: str) -> None:
    def event(day: date, name: str, amount: str) -> Event:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        told = {"amount": amount, "plan": "solo"}
        return Event(TENANTS[0], name, "transaction", name, at, "u", None, False, told, LOADS[0])

    own = [
        event(date(2024, 1, 1), "payment_succeeded", "9.99"),
        event(date(2024, 1, 3), "payment_refunded", "9.99"),
        event(date(2024, 2, 10), "payment_succeeded", "15"),
        event(date(2024, 2, 12), "subscription_cancelled", "15"),
    ]
    assert oracle_revenue.mrr(own, day) == Decimal(expected)
