"""A simulated population whose leaving can be learnt: users fade before they leave, and only then.

Filled straight into the marts, in the columns that dbt gives them; nothing here runs dbt.
"""

from datetime import date, timedelta

import numpy as np
import psycopg

LAST_DAY = date(2026, 3, 31)
DAYS = 90
TENANTS = {  # kind, currency, the price of the subscription or the mean basket
    "melody": ("Melody & <b>Söhne</b>'; drop schema marts; --", "music", "EUR", 9.99),
    "kiosk": ("Kiosk", "shop", "INR", 2400.0),
    "desk": ("Desk %s {} 桌", "saas", "USD", 49.0),
    "gazette": ("", "content", "BRL", 24.9),
}
MARTS = """
create table marts.dim_tenants (
    tenant_id text primary key, name text, kind text, tier text, region text, time_zone text, currency text,
    plan text
);
create table marts.fct_user_days (
    tenant_id text not null, user_id text not null, day date not null, events bigint not null,
    sessions bigint not null, engagement_seconds bigint not null, actions bigint not null,
    payments bigint not null, revenue numeric not null, subscriptions_started bigint not null,
    subscriptions_cancelled bigint not null, primary key (tenant_id, user_id, day)
);
"""
UserDay = tuple[str, str, date, int, int, int, int, int, str, int, int]


def create_marts(connection: psycopg.Connection) -> None:
    connection.execute(MARTS)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into marts.dim_tenants values (%s, %s, %s, 'standard', 'eu', 'UTC', %s, 'growth')",
            [(tenant, name, kind, currency) for tenant, (name, kind, currency, _) in TENANTS.items()],
        )


def insert(connection: psycopg.Connection, user_days: list[UserDay]) -> None:
    with connection.cursor() as cursor, cursor.copy("copy marts.fct_user_days from stdin") as copy:
        for row in user_days:
            copy.write_row(row)


def simulate(users: int, *, seed: int = 7, days: int = DAYS, last_day: date = LAST_DAY) -> list[UserDay]:
    """`users` spread unevenly over the tenants; about half of them leave within the time."""
    dice = np.random.default_rng(seed)
    first_day = last_day - timedelta(days=days - 1)
    shares = dict(zip(TENANTS, (0.6, 0.2, 0.12, 0.08), strict=True))
    rows: list[UserDay] = []
    for tenant, share in shares.items():
        _, kind, _, price = TENANTS[tenant]
        for number in range(round(users * share)):
            rows += _life(dice, tenant, f"{tenant}-person-{number}", kind, price, first_day, days)
    return rows


def _life(
    dice: np.random.Generator, tenant: str, user: str, kind: str, price: float, first_day: date, days: int
) -> list[UserDay]:
    born = int(dice.integers(-60, days - 10))
    leaves = born + int(dice.exponential(90)) + 14
    habit = float(dice.beta(2, 3)) * 0.8 + 0.08  # chance of a visit on a day
    subscribed = kind != "shop" and dice.random() < 0.4
    rows: list[UserDay] = []
    for day in range(max(born, 0), min(leaves, days)):
        fading = min(1.0, (leaves - day) / 21)  # the last three weeks show it
        visits = day == born or dice.random() < habit * fading
        depth = max(1, int(dice.poisson(8 * (0.3 + 0.7 * fading)))) if visits else 0
        due = subscribed and (day - born) % 30 == 0
        buys = kind == "shop" and visits and dice.random() < 0.12
        amount = price if due else price * float(dice.lognormal(0, 0.5)) if buys else 0.0
        started, cancelled = int(subscribed and day == born), int(subscribed and day == leaves - 5)
        if visits or due or cancelled:
            rows.append(
                (tenant, user, first_day + timedelta(days=day), depth, int(visits), depth * 95, depth // 2,
                 int(due or buys), f"{amount:.2f}", started, cancelled)
            )  # fmt: skip
    return rows
