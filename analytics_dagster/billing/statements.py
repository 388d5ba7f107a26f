"""The statement of a tenant's month: computed from usage and plan, and kept in `billing`.

Computing reads and storing writes, apart: a statement can be looked at without being kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg

from analytics_dagster.billing import metering, rating
from analytics_dagster.billing.metering import HeldLoad, MonthOfUsage
from analytics_dagster.billing.plans import Plans, load_plans
from analytics_dagster.billing.rating import Line
from analytics_dagster.documents import check_month, check_tenant_id
from analytics_dagster.errors import AnalyticsError


class HeldMonthError(AnalyticsError):
    """A load that is kept back has to do with the month: what the tenant owes for it is not known yet."""


@dataclass(frozen=True)
class Statement:
    tenant_id: str
    tenant_name: str  # whatever the tenant calls itself: never trusted
    month: date
    time_zone: str
    plan: str
    plan_title: str
    currency: str
    lines: tuple[Line, ...]
    usage: MonthOfUsage

    @property
    def total(self) -> Decimal:
        return rating.add(line.amount for line in self.lines)

    @property
    def residue(self) -> Decimal:
        return rating.add(line.residue for line in self.lines)

    @property
    def as_of(self) -> date | None:
        return self.usage.as_of


def statement(
    connection: psycopg.Connection,
    tenant_id: str,
    month: date,
    *,
    plans: Plans | None = None,
    today: date | None = None,
) -> Statement:
    """What the tenant owes for `month`; `today` is the tenant's own date unless it is given."""
    check_tenant_id(tenant_id)
    row = connection.execute(
        "select name, time_zone, plan, currency from tenancy.tenants where tenant_id = %s", [tenant_id]
    ).fetchone()
    if row is None:
        known = [name for (name,) in connection.execute("select tenant_id from tenancy.tenants order by 1 limit 20")]
        raise AnalyticsError(
            f"there is no tenant {tenant_id!r}", remedy=f"register it, or use one of: {', '.join(known) or '(none)'}"
        )
    name, time_zone, plan_name, currency = row
    check_month(month, today=today or datetime.now(ZoneInfo(time_zone)).date())
    plan = (plans or load_plans()).plan(plan_name)
    usage = metering.usage(connection, tenant_id, month)
    if usage.held_loads:
        raise _held_month(tenant_id, month, usage.held_loads)
    return Statement(
        tenant_id=tenant_id,
        tenant_name=name,
        month=month,
        time_zone=time_zone,
        plan=plan_name,
        plan_title=plan.title,
        currency=currency,
        lines=tuple(rating.rate(plan, currency, usage.quantities)),
        usage=usage,
    )


def _held_month(tenant_id: str, month: date, loads: Sequence[HeldLoad]) -> HeldMonthError:
    first, others = loads[0], len(loads) - 1
    return HeldMonthError(
        f"{month:%B %Y} cannot be stated: the load of {first.load_day} is kept back ({'; '.join(first.reasons)})"
        + (f", and so {'is' if others == 1 else 'are'} {others} more" if others else ""),
        where=f"tenant {tenant_id}",
        remedy="have the load repaired, or take it as it is with `analytics-dagster quality release`, and run again",
    )


def store(connection: psycopg.Connection, statement: Statement) -> int:
    """Keep the statement in place of an earlier one of the same month; return its number of lines."""
    key = (statement.tenant_id, statement.month)
    with connection.transaction():
        # the row that is written first is the lock that a second writer of this month waits for
        connection.execute(
            """
            insert into billing.statements (tenant_id, month, plan, currency, total, as_of)
            values (%s, %s, %s, %s, %s, %s)
            on conflict (tenant_id, month) do update set plan = excluded.plan, currency = excluded.currency,
                total = excluded.total, as_of = excluded.as_of
            """,
            [*key, statement.plan, statement.currency, statement.total, statement.as_of],
        )
        connection.execute("delete from billing.statement_lines where tenant_id = %s and month = %s", key)
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into billing.statement_lines
                    (tenant_id, month, line_number, description, metric, quantity, unit_price, amount, residue)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    (*key, number, line.description, line.metric, line.quantity, line.unit_price, line.amount,
                     line.residue)
                    for number, line in enumerate(statement.lines, start=1)
                ],
            )  # fmt: skip
    return len(statement.lines)
