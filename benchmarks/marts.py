"""What the marts cost: a full build, a day's build at growing history, dashboards through row-level security; and what
the same questions cost without marts.

It makes 100 tenants with 27,400 events a day, which is 10 M in a year; `--quick` is a tenth of it with 10 tenants.
Equal days: each day has as many events and active users as any other.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import psycopg
from _asked import Asked
from _raw_questions import compare, parquet_of
from psycopg import sql

from analytics_dagster.settings import PROJECT_ROOT, load_settings
from analytics_dagster.transform import build, ensure_manifest, prepare, write_scope
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect, ensure_tenant_role, migrate

LAST_DAY = date(2026, 6, 30)
HISTORIES = (30, 90, 365)
KINDS = ("music", "shop", "saas", "content")
DASHBOARD = PROJECT_ROOT / "deploy" / "grafana" / "dashboards" / "overview.json"
DASHBOARD_DAYS = 90
ASKED_GROWTH, ASKED_P99_MS, ASKED_OF_RULES = 1.15, 50.0, 1.10

# An event is a pure function of its day and number: tenants alike, a user acts on one day in five, one in 40 pays
DAY = """
insert into raw.events
    (tenant_id, event_id, event_type, event_name, source, occurred_at, user_id, anonymous_id, is_test, properties,
     load_day, batch_id, line_number)
select
    'tenant-' || lpad((n % {tenants})::text, 3, '0'),
    md5({day}::text || n),
    case when roll < 4 then 'transaction' when roll < 8 then 'campaign' when roll < 30 then 'page_view'
        else 'user_action' end,
    case
        when roll < 3 then 'payment_succeeded' when roll < 4 then 'payment_refunded'
        when roll < 8 then 'campaign_touched'
        when roll < 30 then 'page_viewed' when roll < 40 then 'search_performed'
        else (array['track_play', 'order_placed', 'feature_used', 'article_read'])[1 + (n % {tenants}) % 4]
    end,
    'api',
    {day}::timestamp at time zone 'UTC' + (n * 7919 % 86400) * interval '1 second',
    'u-' || ((n / {tenants} * 31 + ({day} - date '2020-01-01') % 5) % {users} * 5 + ({day} - date '2020-01-01') % 5),
    null,
    false,
    jsonb_build_object(
        'amount', (2 + roll)::text || '.99', 'plan', 'duo', 'campaign', 'wave-' || n % 5, 'channel',
        (array['email', 'search', 'social'])[1 + n % 3], 'cost', '0.20', 'track_id', 't-' || n * 7 % 2000,
        'article_id', 'a-' || n * 7 % 2000, 'feature', 'f-' || n % 8, 'order_id', 'o-' || n, 'path', '/home'
    ),
    {day},
    1,
    n
from (
    select n, abs(hashtext({day}::text || 'x' || n)) % 100 as roll from generate_series(1, {events}) as n
) as numbered
"""


@dataclass(frozen=True)
class Size:
    tenants: int
    events_a_day: int

    @property
    def users(self) -> int:
        """Of a tenant on a day."""
        return max(self.events_a_day // self.tenants // 8, 1)


@dataclass
class Platform:
    url: WarehouseUrl
    manifest: Path
    size: Size

    def prepare(self) -> None:
        with connect(self.url) as connection:
            migrate(connection)
            for number in range(self.size.tenants):
                connection.execute(
                    "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
                    " configuration) values (%s, %s, %s, 'enterprise', 'UTC', 'EUR', 'scale', 'eu', '{}')",
                    [f"tenant-{number:03}", f"Tenant {number}", KINDS[number % len(KINDS)]],
                )
        prepare(self.url, self.manifest)

    def load(self, days: Iterator[date]) -> None:
        with connect(self.url) as connection:
            for day in days:
                parts = {"tenants": self.size.tenants, "users": self.size.users, "events": self.size.events_a_day}
                words = {name: sql.Literal(value) for name, value in parts.items()} | {
                    "day": sql.SQL("date {}").format(sql.Literal(day.isoformat()))
                }
                connection.execute(sql.SQL(DAY).format(**words))
        with connect(self.url, autocommit=True) as connection:
            connection.execute("vacuum (analyze, freeze) raw.events")

    def full_build(self) -> float:
        seconds = build(self.url, self.manifest, build_id="full", full_refresh=True).seconds
        with connect(self.url, autocommit=True) as connection:
            connection.execute("vacuum (analyze)")  # as autovacuum leaves the tables before the next day comes
        return seconds

    def day_build(self, day: date) -> tuple[float, dict[str, float]]:
        with connect(self.url) as connection:
            write_scope(connection, f"day-{day}", [day])
        result = build(self.url, self.manifest, build_id=f"day-{day}")
        return result.seconds, {node.name: node.seconds for node in result.of("model")}


def days_before(end: date, count: int) -> Iterator[date]:
    return (end - timedelta(days=number) for number in range(count, 0, -1))


def grow(platform: Platform, repeat: int) -> tuple[dict[int, float], list[Asked]]:
    """The same days on top of ever more history; the first one of each is thrown away, for it warms caches."""
    end = LAST_DAY - timedelta(days=repeat)
    loaded, medians, models = 0, {}, {}
    for history in HISTORIES:
        # older days come below what is there, so that the days measured are the same
        platform.load(days_before(end - timedelta(days=loaded), history - loaded))
        loaded = history
        with connect(platform.url) as connection:
            connection.execute("delete from raw.events where load_day > %s", [end])
        print(f"{history:>4} days, {history * platform.size.events_a_day:>12,} events: full build", end=" ", flush=True)
        print(f"{platform.full_build():8.1f} s; a day", end=" ", flush=True)
        times = []
        for number in range(1, repeat + 1):
            day = end + timedelta(days=number)
            platform.load(iter([day]))
            seconds, each = platform.day_build(day)
            times.append(seconds)
            models[history] = each
        medians[history] = statistics.median(times[1:] or times)
        print(f"{medians[history]:6.2f} s   ({', '.join(f'{one:.2f}' for one in times)})")
    first, last = HISTORIES[0], HISTORIES[-1]
    grown = sorted(models[last], key=lambda name: models[first].get(name, 0) - models[last][name])[:5]
    for name in grown:
        print(f"     {name:<26} {models[first][name]:6.2f} s -> {models[last][name]:6.2f} s")
    growth = medians[last] / medians[first]
    return medians, [Asked(f"a day's build at {last} days / at {first}", growth, at_most=ASKED_GROWTH, unit=" x")]


def dashboards(platform: Platform, repeat: int) -> tuple[dict[str, object], list[Asked]]:
    """Each question of the dashboard as a tenant's reader, and as the owner with a condition on the tenant."""
    tenant = "tenant-000"
    with connect(platform.url) as connection:
        role = ensure_tenant_role(connection, tenant)
    panels = {panel["title"]: panel["targets"][0]["rawSql"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    figures: dict[str, object] = {}
    worst, ratios = 0.0, []
    print(f"{'':<28} {'p50 ms':>8} {'p99 ms':>8} {'owner p50':>10} {'rules cost':>11}")
    with connect(platform.url) as reader, connect(platform.url) as owner:
        reader.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for title, query in panels.items():
            asked = re.sub(
                r"\$__timeFilter\((\w+)\)",
                rf"\1 > date '{LAST_DAY - timedelta(days=DASHBOARD_DAYS)}' and \1 <= date '{LAST_DAY}'",
                query,
            )
            of_tenant = asked.replace(" where ", f" where tenant_id = '{tenant}' and ", 1)
            own, all_ = [], []
            for _ in range(repeat):
                own.append(_milliseconds(reader, asked))
                all_.append(_milliseconds(owner, of_tenant))
            p50, p99 = statistics.median(own), sorted(own)[min(len(own) - 1, int(len(own) * 0.99))]
            ratio = p50 / statistics.median(all_)
            print(f"{title:<28} {p50:>8.2f} {p99:>8.2f} {statistics.median(all_):>10.2f} {ratio:>10.2f}x")
            figures[title] = {"p50_ms": p50, "p99_ms": p99, "ratio": ratio}
            worst = max(worst, p99)
            ratios.append(ratio)
    return figures, [
        Asked("slowest p99 of the ten questions", worst, at_most=ASKED_P99_MS, unit=" ms"),
        Asked("rules / condition, median of the ten", statistics.median(ratios), at_most=ASKED_OF_RULES, unit=" x"),
    ]


def alternatives(platform: Platform, folder: Path, repeat: int) -> dict[str, dict[str, float]]:
    tenant = "tenant-000"
    with connect(platform.url) as reader, connect(platform.url) as owner:
        role = ensure_tenant_role(owner, tenant)
        owner.commit()
        reader.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        file = folder / "events.parquet"
        with parquet_of(owner, file) as lake:
            return compare(reader, owner, lake, file, tenant, LAST_DAY, DASHBOARD_DAYS, repeat)


def _milliseconds(connection: psycopg.Connection, query: str) -> float:
    started = perf_counter()
    connection.execute(query.encode()).fetchall()
    return (perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 tenants, a tenth of the events")
    parser.add_argument("--repeat", type=int, default=4, help="days at each history")
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    size = Size(10, 2_740) if given.quick else Size(100, 27_400)
    with tempfile.TemporaryDirectory(prefix="analytics-marts-") as folder:
        server = EmbeddedServer(Path(folder) / "warehouse", port=0, linger=0)
        with server as url:
            manifest = ensure_manifest(load_settings(state_dir=Path(folder) / "state"))
            with connect(url, autocommit=True) as connection:
                connection.execute("create database marts_benchmark")
            platform = Platform(replace(url, database="marts_benchmark"), manifest, size)
            platform.prepare()
            builds, asked = grow(platform, given.repeat)
            questions, more = dashboards(platform, 200)
            elsewhere = alternatives(platform, Path(folder), 50)
        server.wait_until_stopped()
    asked += more
    print("\n" + "\n".join(map(str, asked)))
    if given.json:
        figures = {"size": vars(size), "day_seconds": builds, "questions": questions, "elsewhere": elsewhere}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(not all(one.reached for one in asked))


if __name__ == "__main__":
    main()
