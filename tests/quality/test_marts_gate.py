"""The gate before a publication, over marts made by hand: each tenant has one thing wrong, and nobody else has it."""

from datetime import date, timedelta

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_dagster.quality.marts_frame import FACTS, marts_frame
from analytics_dagster.quality.marts_gate import judge_marts
from analytics_dagster.settings import PROJECT_ROOT

EXPECTATIONS = PROJECT_ROOT / "expectations"
LAST = date(2026, 3, 31)
FIRST = LAST - timedelta(days=39)
USERS = 30  # of each tenant, active and paying on every day
SHARE = 0.5

# what of the marts is asked, with columns as dbt's contracts have them
TABLES = {
    "kpi_daily_wide": "day date, events bigint, test_events bigint, sessions bigint, active_users bigint",
    "fct_user_days": "day date, user_id text",
    "dim_users": "user_id text",
    "fct_payments": "day date, event_id text",
    "fct_sessions": "day date, session_id text",
    "usage_daily": "day date",
    "mrr_movements": "month date, opening_mrr numeric, closing_mrr numeric, opening_subscribers bigint",
    "funnel_steps": "day date",
}


class Marts:
    def __init__(self, connection, url):
        self.connection = connection
        self.url = url
        for name, columns in TABLES.items():
            self.run(f"create table marts.{name} (tenant_id text not null, {columns})")
            self.run(f"grant select on marts.{name} to analytics_tenants")
        self.run(
            "insert into raw.batches (load_day, path, content_sha256, bytes)"
            " select day, 'x', gen_random_uuid(), 1 from generate_series(%s::date, %s, '1 day') as day",
            [FIRST, LAST],
        )
        self.run("insert into pipeline.built_loads (load_day, batch_id) select load_day, batch_id from raw.batches")

    def run(self, statement, parameters=()):
        self.connection.execute(statement, parameters)

    def tenant(self, tenant, *spoiling, quality=None):
        """A tenant as it should be, and what is done to its marts then."""
        self.run(
            "insert into tenancy.tenants"
            " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
            " values (%s, %s, 'music', 'free', 'UTC', 'EUR', 'free', 'eu', %s)",
            [tenant, f"'; drop table {tenant} --", Jsonb({"quality": quality or {}})],
        )
        self.run(
            "insert into raw.accounts (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)"
            " select batch_id, %s, load_day, 101, 100, 1, 0 from raw.batches",
            [tenant],
        )
        days = "generate_series(%(first)s::date, %(last)s, '1 day') as day"
        users = "generate_series(1, %(users)s) as number"
        for table, rows in {
            "kpi_daily_wide": f"select %(tenant)s, day, 90, 10, 40, 30 from {days}",
            "fct_user_days": f"select %(tenant)s, day, 'u' || number from {days} cross join {users}",
            "dim_users": f"select %(tenant)s, 'u' || number from {users}",
            "fct_payments": f"select %(tenant)s, day, number from {days} cross join {users}",
            "fct_sessions": f"select %(tenant)s, day, number from {days} cross join {users}",
            "usage_daily": f"select %(tenant)s, day from {days}",
            "mrr_movements": "values (%(tenant)s, '2026-02-01'::date, 0, 300, 0),"
            " (%(tenant)s, '2026-03-01', 300, 310, 30)",
            "funnel_steps": f"select %(tenant)s, day from {days}",
        }.items():
            named = {"tenant": tenant, "first": FIRST, "last": LAST, "users": USERS}
            self.run(f"insert into marts.{table} {rows}", named)
        counts = {name: self.count(name, tenant) for name in TABLES}
        self.run(
            "insert into tenancy.publications (tenant_id, as_of, row_counts, foreign_rows, published_at)"
            " values (%s, %s, %s, 0, now() - interval '1 day')",
            [tenant, LAST - timedelta(days=1), Jsonb(counts | {"a_mart_that_is_gone": 500})],
        )
        for statement in spoiling:
            self.run(f"{statement} and tenant_id = %s", [tenant])

    def count(self, name, tenant):
        query = sql.SQL("select count(*) from {} where tenant_id = %s").format(sql.Identifier("marts", name))
        return self.connection.execute(query, [tenant]).fetchone()[0]

    def load(self, day, *tenants, built=True):
        """A file that came later, and whether a build saw it."""
        self.run(
            "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, 'late', gen_random_uuid(), 1)",
            [day],
        )
        self.run(
            "insert into raw.accounts (batch_id, tenant_id, load_day, received, accepted, duplicate, quarantined)"
            " select (select max(batch_id) from raw.batches), tenant, %s, 50, 50, 0, 0"
            " from unnest(%s::text[]) as tenant",
            [day, list(tenants)],
        )
        if built:
            self.run(
                "insert into pipeline.built_loads (load_day, batch_id) select %s, max(batch_id) from raw.batches", [day]
            )


@pytest.fixture
def marts(connection, warehouse):
    return Marts(connection, warehouse)


def judged(marts, tenants, *, share=SHARE, run_id="run"):
    marts.connection.commit()
    return judge_marts(marts.url, EXPECTATIONS, tenants, run_id=run_id, fault_share=share)


SPOILT = {
    "no_accepted_event_is_counted_twice": ["update marts.kpi_daily_wide set events = 91 where day = '2026-03-01'"],
    "most_accepted_events_reach_the_marts": ["update marts.kpi_daily_wide set events = 30 where true"],
    "nearly_all_accepted_events_reach_the_marts": ["delete from marts.kpi_daily_wide where day = '2026-03-01'"],
    "published_facts_do_not_vanish": ["delete from marts.fct_payments where day >= '2026-03-10'"],
    "no_mart_shrinks": ["delete from marts.funnel_steps where true"],
    "every_active_user_is_known": ["delete from marts.dim_users where user_id = 'u7'"],
    "sessions_of_a_user_fit_into_a_day": [
        "update marts.kpi_daily_wide set sessions = 30 * 61 where day = '2026-03-20'"
    ],
    "key_figures_reach_the_last_load": ["update marts.kpi_daily_wide set day = day - 3 where true"],
    "no_day_has_key_figures_before_it_began": ["update marts.kpi_daily_wide set day = day + 2 where true"],
    "recurring_revenue_moves_slowly": ["update marts.mrr_movements set closing_mrr = 100 where month = '2026-03-01'"],
}
# what is worse is a little wrong, too
AND = {
    "most_accepted_events_reach_the_marts": {"nearly_all_accepted_events_reach_the_marts"},
    "published_facts_do_not_vanish": {"no_mart_shrinks"},
}


def test_each_defect_fails_its_expectation_and_no_other(marts):
    defect_of = {f"defect-{number}": name for number, name in enumerate(SPOILT)}
    for tenant, name in defect_of.items():
        marts.tenant(tenant, *SPOILT[name])
    marts.tenant("calm")
    report = judged(marts, [*defect_of, "calm"], share=1)
    failed = {name: set() for name in [*SPOILT, "none"]}
    for verdict in report.verdicts:
        assert verdict.load_day == LAST
        if not verdict.passed:
            failed[defect_of.get(verdict.tenant_id, "none")].add(verdict.expectation)
    assert failed == {"none": set()} | {name: {name} | AND.get(name, set()) for name in SPOILT}
    assert {verdict.expectation for verdict in report.verdicts} == SPOILT.keys(), "every expectation has its defect"

    critical = {verdict.expectation for verdict in report.verdicts if verdict.severity == "critical"}
    assert {defect_of[tenant] for tenant in report.refused} == critical
    assert all(why[0].startswith("published_marts.") for why in report.refused.values())
    held = marts.connection.execute("select tenant_id, load_day, stage from quality.holds").fetchall()
    assert sorted(held) == sorted((tenant, LAST, "marts") for tenant in report.refused)


def test_the_measures_are_those_of_the_day_on_which_the_marts_stand(marts):
    marts.tenant("calm")
    marts.tenant("first")  # never published, and a few rows more or less say nothing
    marts.run("delete from tenancy.publications where tenant_id = 'first'")
    marts.tenant("few", "update marts.mrr_movements set closing_mrr = 0, opening_subscribers = 19 where true")
    marts.run(
        "update tenancy.publications set row_counts = %s where tenant_id = 'few'",
        [Jsonb({"dim_users": 19, "fct_payments": 19})],
    )
    marts.run("delete from marts.dim_users where tenant_id = 'few'")
    marts.tenant("held", "delete from marts.fct_payments where day > '2026-03-01'")
    marts.run("insert into pipeline.fronts values ('held', '2026-03-02')")
    marts.tenant("silent")
    marts.run("delete from raw.accounts where tenant_id = 'silent'")
    marts.tenant("moving")
    marts.run("insert into pipeline.front_moves values ('moving', '2026-03-02', 'b')")
    # a file that landed since, and a build narrowed to one tenant that saw it
    marts.tenant("ahead", "update marts.kpi_daily_wide set events = events + 50 where day = '2026-03-31'")
    marts.tenant("waits")
    marts.load(LAST, "ahead", "waits", built=False)
    frame = marts_frame(
        marts.connection, ["calm", "first", "few", "held", "silent", "moving", "ahead", "waits"]
    ).set_index("tenant_id")
    assert list(frame.index) == ["ahead", "calm", "few", "first", "held", "waits"]
    assert set(frame.drop("held")["load_day"]) == {LAST}
    assert frame["load_day"]["held"] == date(2026, 3, 1)
    assert set(frame["served_share"]) == {1}
    assert dict(frame["served_again_share"])["ahead"] == 0
    assert frame["lost_facts_share"].isna().to_dict() == {
        "ahead": False,
        "calm": False,
        "few": True,
        "first": True,
        "held": True,
        "waits": False,
    }
    assert frame["mrr_ratio"].isna().to_dict()["few"]
    assert frame["mrr_ratio"]["calm"] == pytest.approx(310 / 300)
    assert frame.loc["calm"].drop("load_day").to_dict() == pytest.approx(
        {
            "served_share": 1,
            "served_again_share": 0,
            "days_behind": 0,
            "days_ahead": 0,
            "sessions_per_active_user": 40 / 30,
            "unknown_users_share": 0,
            "mrr_ratio": 310 / 300,
            "lost_facts_share": 0,
            "shrunk_rows_share": 0,
        }
    )


def test_any_number_of_tenants_takes_the_same_statements(marts):
    for number in range(3):
        marts.tenant(f"t{number}")

    def statements(tenants):
        sent = []
        execute = marts.connection.execute

        class Counting:
            def execute(self, query, parameters=None):
                sent.append(query)
                return execute(query, parameters)

        marts_frame(Counting(), tenants)
        return len(sent)

    assert statements(["t0"]) == statements(["t0", "t1", "t2"]) <= 5


def test_who_is_refused_is_held_once_and_no_further(marts):
    """Marts that fail without the load, too, are not its fault; they stay unpublished until a person has looked."""
    marts.tenant("broken", *SPOILT["every_active_user_is_known"])
    marts.tenant("calm")
    tenants = ["broken", "calm"]
    assert judged(marts, tenants).refused.keys() == {"broken"}
    marts.run("insert into pipeline.fronts values ('broken', %s)", [LAST])
    report = judged(marts, tenants, run_id="again")
    assert {v.load_day for v in report.verdicts if v.tenant_id == "broken"} == {LAST - timedelta(days=1)}
    assert report.refused.keys() == {"broken"}
    holds = "select tenant_id, load_day from quality.holds"
    assert marts.connection.execute(holds).fetchall() == [("broken", LAST)]

    # released by a person: what stands on this load is published, and so is what is next
    marts.run(
        "with gone as (delete from quality.holds returning *)"
        " insert into quality.releases (tenant_id, load_day, content, reasons, held_at, how, actor, reason)"
        " select tenant_id, load_day, null, reasons, held_at, 'person', 'ann', 'known' from gone"
    )
    marts.run("delete from pipeline.fronts")
    assert judged(marts, tenants, run_id="released").refused == {}
    assert marts.connection.execute(holds).fetchall() == []
    marts.run("update tenancy.publications set published_at = clock_timestamp()")
    assert judged(marts, tenants, run_id="same load").refused == {}
    marts.load(LAST + timedelta(days=1), "broken")
    assert judged(marts, tenants, run_id="next load").refused.keys() == {"broken"}
    assert marts.connection.execute(holds).fetchall() == [("broken", LAST + timedelta(days=1))]


@pytest.mark.parametrize(("calm", "fault"), [(2, True), (3, False)])
def test_what_most_tenants_fail_is_no_tenants_fault(marts, calm, fault):
    broken = [f"b{number}" for number in range(3)]
    for tenant in broken:
        marts.tenant(tenant, *SPOILT["every_active_user_is_known"])
    for number in range(calm):
        marts.tenant(f"c{number}")
    report = judged(marts, [*broken, *(f"c{number}" for number in range(calm))])
    assert report.platform_fault is fault
    assert sorted(report.refused) == broken
    assert report.judged == 3 + calm
    held = marts.connection.execute("select count(*) from quality.holds").fetchone()
    assert held == (0 if fault else 3,)


def test_a_tenants_own_threshold_is_what_it_is_judged_by(marts):
    key = "published_marts.every_active_user_is_known"
    marts.tenant("lenient", *SPOILT["every_active_user_is_known"], quality={key: {"off": True}})
    marts.tenant(
        "strict",
        "update marts.kpi_daily_wide set day = day - 1 where true",
        quality={"published_marts.key_figures_reach_the_last_load": {"severity": "critical", "max_value": 0}},
    )
    assert judged(marts, ["lenient", "strict"]).refused.keys() == {"strict"}


def test_facts_are_marts():
    assert set(FACTS) < TABLES.keys()
    models = {file.stem for file in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")}
    assert TABLES.keys() <= models
