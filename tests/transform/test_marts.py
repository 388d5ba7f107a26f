"""Incremental builds of random histories: at each step the marts are what plain Python computes, nothing else."""

import random
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import oracle_quality
import psycopg
import pytest
from histories import LOADS, TENANTS, Event, Rows, computed, declare, history, load, register, stored

from analytics_dagster.billing import months_with_data
from analytics_dagster.billing.metering import usage
from analytics_dagster.errors import AnalyticsError, TransientError, WarehouseUnreachableError
from analytics_dagster.quality.holding import WEIGHTS
from analytics_dagster.quality.profiling import Profile
from analytics_dagster.quality.recording import record
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.transform import (
    BuildFailedError,
    BuildResult,
    build,
    clear_scope,
    prepare,
    settle_fronts,
    write_scope,
)
from analytics_dagster.warehouse import WarehouseUrl, connect

MODELS = PROJECT_ROOT / "dbt_project" / "models"
MARTS = sorted(path.stem for path in (MODELS / "marts").rglob("*.sql"))
INCREMENTAL = {*MARTS, *(path.stem for path in (MODELS / "intermediate").glob("*.sql"))}
TELL_SCORE = (
    "insert into pipeline.build_changes (relation, tenant_id, key) values ('quality.scores', %s, '2024-05-01')"
    " on conflict (relation, tenant_id, key) do update set told_at = excluded.told_at"
)


class Platform:
    """The warehouse and what Python expects in it."""

    def __init__(self, url: WarehouseUrl, manifest: Path) -> None:
        self.url = url
        self.manifest = manifest
        self.builds = 0

    def build(self, load_days: Iterable[date], tenants: list[str] | None = None) -> BuildResult:
        self.builds += 1
        build_id = f"build:{self.builds}"
        with connect(self.url) as connection:
            write_scope(connection, build_id, list(load_days), tenants)
        result = build(self.url, self.manifest, build_id=build_id)
        with connect(self.url) as connection:
            settle_fronts(connection, build_id)
            clear_scope(connection, build_id)
        return result

    def hold(self, tenant: str, load_day: date) -> None:
        with connect(self.url) as connection:
            connection.execute("insert into quality.holds values (%s, %s, '[]')", [load_day, tenant])

    def release(self, tenant: str, load_day: date) -> None:
        with connect(self.url) as connection:
            connection.execute("delete from quality.holds where load_day = %s and tenant_id = %s", [load_day, tenant])

    def marts(self) -> dict[str, Rows]:
        with connect(self.url) as connection:
            return stored(connection)


@pytest.fixture(scope="module")
def platform(owned_warehouse: WarehouseUrl, manifest: Path) -> Platform:
    with connect(owned_warehouse) as connection:
        register(connection, TENANTS)
        declare(connection)
    prepare(owned_warehouse, manifest)
    return Platform(owned_warehouse, manifest)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for tenant in TENANTS for event in history(tenant, seed=1)]


def test_marts_follow_every_load_hold_and_repeat(platform: Platform, events: list[Event]) -> None:
    assert platform.marts() == computed([])
    loaded: list[Event] = []

    def arrives(*load_days: date) -> None:
        new = [event for event in events if event.load_day in load_days]
        loaded.extend(new)
        with connect(platform.url) as connection:
            load(connection, new)

    def without(tenant: str, first_held: date) -> list[Event]:
        return [event for event in loaded if event.tenant.tenant_id != tenant or event.load_day < first_held]

    # loads arrive in any order, and the scope reaches every day that they touch
    arrives(LOADS[3])
    result = platform.build([LOADS[3]])
    assert platform.marts() == computed(loaded)
    assert {node.name for node in result.of("model")} == INCREMENTAL
    assert {node.status for node in result.of("test")} == {"pass"}
    assert not result.of("unit_test")

    # a held load and those behind it stay out, also of the days that other loads touch, and one that was built leaves
    arrives(LOADS[0], LOADS[1])
    platform.hold("zurich", LOADS[1])
    platform.build([LOADS[0], LOADS[1]])
    assert platform.marts() == computed(without("zurich", LOADS[1]))

    # a hold that comes after the build takes rows out, a release puts them in
    platform.hold("st-johns", LOADS[0])
    platform.release("zurich", LOADS[1])
    platform.build([LOADS[0], LOADS[1]])
    assert platform.marts() == computed(without("st-johns", LOADS[0]))

    # narrowed to some tenants, the others stay as they are
    arrives(LOADS[2])
    before = platform.marts()
    some = ["zurich", "apia", "silent"]
    platform.build([LOADS[2]], some)
    expected = computed(without("st-johns", LOADS[0]))
    for mart, rows in platform.marts().items():
        assert {row for row in rows if row[0] in some} == {row for row in expected[mart] if row[0] in some}
        assert {row for row in rows if row[0] not in some} == {row for row in before[mart] if row[0] not in some}

    # the last load, the rest of the narrowed one, a release
    arrives(LOADS[4])
    platform.release("st-johns", LOADS[0])
    platform.build([LOADS[0], LOADS[2], LOADS[4]])
    incremental = platform.marts()
    assert incremental == computed(loaded)

    # repeats and a full refresh change nothing
    platform.build(LOADS)
    assert platform.marts() == incremental
    build(platform.url, platform.manifest, build_id="all", full_refresh=True)
    assert platform.marts() == incremental


def test_what_a_failed_build_changed_is_followed_by_the_next(platform: Platform, events: list[Event]) -> None:
    newcomer = replace(events[0], event_id="newcomer", user_id="newcomer", is_test=False, load_day=LOADS[0])
    with connect(platform.url) as connection:
        load(connection, [newcomer])
        connection.execute("alter table marts.dim_users add constraint never check (user_id <> 'newcomer')")
        write_scope(connection, "fails", [LOADS[0]])
    with pytest.raises(BuildFailedError, match="dim_users"):
        build(platform.url, platform.manifest, build_id="fails")
    with connect(platform.url) as connection:
        connection.execute("alter table marts.dim_users drop constraint never")
    platform.build([LOADS[0]])
    assert platform.marts() == computed([*events, newcomer])
    with connect(platform.url) as connection:
        assert connection.execute("select count(*) from pipeline.build_changes").fetchone() == (0,)
        connection.execute("delete from raw.events where event_id = 'newcomer'")
        # as an erasure does it, the scope is written before the row goes
        write_scope(connection, "repair", [newcomer.load_day])
        connection.execute(
            "insert into pipeline.build_scope (build_id, tenant_id, day) values ('repair', %s, %s)"
            " on conflict do nothing",
            [newcomer.tenant.tenant_id, newcomer.wall.date()],
        )
        connection.execute(TELL_SCORE, ["before"])

    def judge_meanwhile(_message: object) -> None:
        with connect(platform.url) as connection:
            connection.execute(TELL_SCORE, ["meanwhile"])

    build(platform.url, platform.manifest, build_id="repair", on_event=judge_meanwhile)
    assert platform.marts() == computed(events)
    with connect(platform.url) as connection:
        left = connection.execute("delete from pipeline.build_changes returning tenant_id").fetchall()
    assert left == [("meanwhile",)], "what the gate tells while a build goes on is for the next one"


def test_the_trend_of_scores_follows_what_the_gate_tells(platform: Platform) -> None:
    chance = random.Random(4)  # noqa: S311 - the same scores each time

    def judged(tenant: str, *numbers: int) -> None:
        """Of each load a content of its own, and verdicts by chance; many of them hold it."""
        profiles = [Profile(LOADS[0] + timedelta(days=n), tenant, str(chance.random()), {}, {}) for n in numbers]
        verdicts = [
            Verdict(each.load_day, tenant, "s", f"{severity} {n}", severity, 1.0, "x", chance.random() < 0.7)
            for each in profiles
            for severity in WEIGHTS
            for n in range(chance.randint(1, 3))
        ]
        with connect(platform.url) as connection:
            record(connection, "loads", "a run", verdicts, profiles=profiles)

    def follows(load_days: list[date], tenants: list[str] | None = None) -> None:
        with connect(platform.url) as connection:
            scores = connection.execute(f"select {oracle_quality.OF_SCORES} from quality.scores").fetchall()
        expected = oracle_quality.scored(scores)
        assert platform.marts()["quality_daily"] != expected
        platform.build(load_days, tenants)
        assert platform.marts()["quality_daily"] == expected

    days = chance.sample(range(100), 50)
    judged("apia", *days[:30])
    judged("edges", *days[:45])
    follows([])
    judged("apia", *days[20:])  # days between come late, others come again; a build of other tenants is right, too
    follows([], ["zurich"])
    judged("edges", min(days[:45]))
    follows([LOADS[0]])
    built = platform.marts()["quality_daily"]
    build(platform.url, platform.manifest, build_id="all", full_refresh=True)
    assert platform.marts()["quality_daily"] == built
    with connect(platform.url) as connection:  # nothing of any load is there, so all are forgotten but the first
        every = [LOADS[0] + timedelta(days=n) for n in days]
        record(connection, "loads", "a run", [], load_days=every[1:])
    follows([])
    with connect(platform.url) as connection:
        record(connection, "loads", "a run", [], load_days=every)
    follows([])
    assert platform.marts()["quality_daily"] == set()


def test_the_scope_lists_local_days_of_real_events(platform: Platform, events: list[Event]) -> None:
    with connect(platform.url) as connection:
        wanted = {(event.tenant.tenant_id, event.wall.date()) for event in events if event.load_day == LOADS[0]}
        assert write_scope(connection, "x", [LOADS[0]]) == len(wanted)
        found = connection.execute("select tenant_id, day from pipeline.build_scope where build_id = 'x'").fetchall()
        assert set(found) == wanted
        # writing again starts anew
        assert write_scope(connection, "x", LOADS, ["silent"]) == 0
        assert write_scope(connection, "x", []) == 0
        assert write_scope(connection, "x", [LOADS[1]], ["apia"]) > 0
        assert clear_scope(connection, "x") > 0
        assert clear_scope(connection, "x") == 0


def test_usage_is_what_billing_meters(platform: Platform) -> None:
    with connect(platform.url) as connection:
        for tenant, month in product([tenant.tenant_id for tenant in TENANTS], months_with_data(connection)):
            metered = usage(connection, tenant, month)
            rows = connection.execute(
                "select day, events, active_users from marts.usage_daily"
                " where tenant_id = %s and date_trunc('month', day) = %s::date",
                [tenant, month],
            ).fetchall()
            assert set(rows) == {(day.day, day.events, day.active_users) for day in metered.days if day.events}
            assert sum(events for _, events, _ in rows) == metered.quantities["events"]


def test_tenants_are_listed_with_their_strange_names(platform: Platform) -> None:
    with connect(platform.url) as connection:
        rows = connection.execute("select tenant_id, name, kind, time_zone, currency from marts.dim_tenants").fetchall()
    assert set(rows) == {(t.tenant_id, t.name, t.kind, t.time_zone, t.currency) for t in TENANTS}


def test_days_that_no_build_touches_are_not_written(platform: Platform) -> None:
    with connect(platform.url) as connection:
        versions = "select tenant_id, day, metric, xmin::text from marts.kpi_daily where tenant_id <> 'apia'"
        before = connection.execute(versions).fetchall()
    platform.build(LOADS, ["apia"])
    with connect(platform.url) as connection:
        assert set(connection.execute(versions).fetchall()) == set(before)


def test_two_processes_at_once_parse_once_build_in_turn_and_leave_nothing(platform: Platform, tmp_path: Path) -> None:
    before = platform.marts()
    with connect(platform.url) as connection:
        write_scope(connection, "twin", LOADS)
    program = (
        "import sys; from pathlib import Path\n"
        "from analytics_dagster.settings import load_settings\n"
        "from analytics_dagster.transform import build, ensure_manifest\n"
        "from analytics_dagster.warehouse import WarehouseUrl\n"
        "manifest = ensure_manifest(load_settings(state_dir=Path(sys.argv[2])))\n"
        "build(WarehouseUrl.parse(sys.argv[1]), manifest, build_id='twin')\n"
        "print(manifest)\n"
    )
    address = f"postgresql://{platform.url.user}@/{platform.url.database}?host={platform.url.host}"
    state, here = tmp_path / "state", tmp_path / "here"
    here.mkdir()
    twins = [
        subprocess.Popen(
            [sys.executable, "-c", program, f"{address}&port={platform.url.port}", state],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [twin.communicate() for twin in twins] == [(f"{state}/dbt/manifest.json\n", "")] * 2
    assert platform.marts() == before
    assert list(here.iterdir()) == []
    assert {file.name for file in (state / "dbt").iterdir()} == {
        "manifest.fingerprint",
        "manifest.json",
        "manifest.lock",
        "run",
    }
    assert not {".user.yml", "target", "logs"} & {file.name for file in (PROJECT_ROOT / "dbt_project").iterdir()}


def test_a_build_waits_for_the_other_one_only_so_long(platform: Platform) -> None:
    with connect(platform.url) as connection:
        connection.execute("select pg_advisory_lock(hashtext('analytics-dagster dbt build'))")
        with pytest.raises(TransientError, match="another build"):
            build(platform.url, platform.manifest, build_id="late", patience=timedelta(milliseconds=100))


def test_a_failing_model_is_named_and_its_table_stays(platform: Platform, events: list[Event]) -> None:
    before = platform.marts()
    paid = {row[:2] for row in before["fct_payments"]}
    first = min((event for event in events if (event.tenant.tenant_id, event.event_id) in paid), key=lambda e: e.at)
    with connect(platform.url) as connection:  # the same event id again, as no ingestion would let it through
        load(connection, [Event(**{**vars(first), "at": first.at - timedelta(days=1)})])
    with pytest.raises(BuildFailedError, match=r"fct_payments: .*duplicate key") as error:
        platform.build([first.load_day])
    assert [node.name for node in error.value.result.failed] == ["fct_payments"]
    assert "customer_rfm" in {node.name for node in error.value.result.nodes if node.status == "skipped"}
    left_alone = {node.name for node in error.value.result.nodes if not node.passed}
    after = platform.marts()
    assert {mart: after[mart] for mart in after if mart in left_alone} == {
        mart: before[mart] for mart in before if mart in left_alone
    }
    with connect(platform.url) as connection:
        write_scope(connection, "repair", [first.load_day])  # with the day that only the repeated event is on
        connection.execute(
            "delete from raw.events where event_id = %s and occurred_at < %s", [first.event_id, first.at]
        )
    build(platform.url, platform.manifest, build_id="repair")
    assert platform.marts() == before


def test_a_lost_server_is_a_failure_that_may_pass(platform: Platform, server: WarehouseUrl) -> None:
    def cut(_message: object) -> None:
        with connect(server) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [platform.url.database]
            )

    with pytest.raises(WarehouseUnreachableError, match="went away during the build"):
        build(platform.url, platform.manifest, build_id="cut", on_event=cut)


@pytest.mark.parametrize("build_id", ["", "a b", "a'; --", "x" * 101, "a\n", "-c role=postgres"])
def test_an_id_that_could_say_more_is_refused(platform: Platform, build_id: str) -> None:
    with pytest.raises(AnalyticsError, match="no id of a build"):
        build(platform.url, platform.manifest, build_id=build_id)


def test_tenants_see_their_own_rows_before_during_and_after_builds(platform: Platform, server: WarehouseUrl) -> None:
    with connect(server) as connection:
        for role, group in (("tr_zurich", "tenants"), ("tr_nobody", "tenants"), ("tr_analyst", "analyst")):
            connection.execute(f"drop role if exists {role}")
            connection.execute(f"create role {role} login in role analytics_{group}")
    with connect(platform.url) as connection:
        connection.execute("insert into tenancy.bi_roles values ('tr_zurich', 'zurich')")
        connection.execute("insert into raw.events select 'silent', 'one', 'page_view', 'page', 'api', now(), 'u',"
                           " null, false, '{}', current_date, 1, 1")  # fmt: skip
    seen: set[tuple[str, str]] = set()
    polls = 0
    stop = Flag()

    def watch() -> None:
        nonlocal polls
        with connect(_as(platform.url, "tr_zurich"), autocommit=True) as connection:
            while not stop.is_set():
                for mart in MARTS:
                    rows = connection.execute(f"select distinct tenant_id from marts.{mart}").fetchall()
                    seen.update((mart, tenant) for (tenant,) in rows)
                polls += 1

    watcher = Thread(target=watch)
    watcher.start()
    try:
        platform.build([date.today()])  # noqa: DTZ011 - only a load day that exists
        build(platform.url, platform.manifest, build_id="all", full_refresh=True)
    finally:
        stop.set()
        watcher.join()
    assert polls > 10
    assert {tenant for _, tenant in seen} == {"zurich"}
    assert {"dim_tenants", "dim_users", "fct_sessions", "fct_user_days", "kpi_daily"} <= {mart for mart, _ in seen}

    with connect(_as(platform.url, "tr_nobody")) as connection:
        assert [connection.execute(f"select count(*) from marts.{mart}").fetchone() for mart in MARTS] == [(0,)] * len(
            MARTS
        )
    with connect(_as(platform.url, "tr_zurich"), autocommit=True) as connection:
        for statement in (
            "insert into marts.kpi_daily values ('zurich', current_date, 'x', 1, 'x')",
            "delete from marts.kpi_daily",
            "select * from staging.stg_events",
            "select * from intermediate.int_session_events",
            "select * from raw.events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with connect(_as(platform.url, "tr_analyst"), autocommit=True) as connection:
        tenants = connection.execute("select count(distinct tenant_id) from marts.fct_sessions").fetchone()
        assert tenants == (len(TENANTS),)
        personal = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'marts'"
            " and column_name in ('user_id', 'person_id')"
        ).fetchall()
        assert not personal, "what an analyst may not read is not even listed"
        for mart in ("fct_sessions", "fct_user_days", "dim_users"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select user_id from marts.{mart}")


def test_security_is_complete_and_left_alone_by_daily_builds(platform: Platform) -> None:
    rules = "select polrelid::regclass::text, polname, xmin::text from pg_policy order by 1, 2"
    with connect(platform.url) as connection:
        forced = connection.execute(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'r'"
            " and relrowsecurity and relforcerowsecurity order by 1"
        ).fetchall()
        assert [name for (name,) in forced] == MARTS
        views = connection.execute(
            "select relname, reloptions from pg_class where relnamespace = 'staging'::regnamespace order by 1"
        ).fetchall()
        assert views == [(name, ["security_invoker=true"]) for name in ("stg_days", "stg_events", "stg_tenants")]
        before = connection.execute(rules).fetchall()
    platform.build([LOADS[0]])
    with connect(platform.url) as connection:
        assert connection.execute(rules).fetchall() == before
        connection.execute("alter table marts.kpi_daily no force row level security")
    platform.build([LOADS[0]])  # somebody's change is put right
    with connect(platform.url) as connection:
        assert connection.execute(
            "select relforcerowsecurity from pg_class where oid = 'marts.kpi_daily'::regclass"
        ).fetchone() == (True,)


def test_descriptions_are_in_the_database(platform: Platform) -> None:
    with connect(platform.url) as connection:
        undescribed = connection.execute(
            "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r' and a.attnum > 0"
            " and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null)"
        ).fetchall()
    assert undescribed == []


def test_a_daily_build_reads_its_days_and_not_the_history(platform: Platform) -> None:
    scans = (
        "select relname, seq_scan from pg_stat_user_tables"
        " where relname in ('events', 'fct_sessions', 'int_session_events') order by 1"
    )
    with connect(platform.url) as connection:
        connection.execute(
            "insert into raw.events select 'silent', 'bulk' || n, 'page_view', 'page', 'api',"
            " timestamptz '2022-01-01 00:00Z' + n * interval '20 minutes', 'u' || n % 7, null, false, '{}',"
            " date '2022-01-01' + n / 72, 1, n from generate_series(1, 30000) as n"
        )
    build(platform.url, platform.manifest, build_id="all", full_refresh=True)
    with connect(platform.url, autocommit=True) as connection:
        connection.execute("analyze raw.events")
        before = connection.execute(scans).fetchall()
    platform.build([date(2022, 6, 1)])
    with connect(platform.url) as connection:
        assert connection.execute(scans).fetchall() == before


def test_a_repeated_build_writes_no_row_again(platform: Platform) -> None:
    """Of tables with a primary key; what a scope holds is mostly as it was."""
    keyed = (
        "select conrelid::regclass::text from pg_constraint where contype = 'p'"
        " and connamespace in ('marts'::regnamespace, 'intermediate'::regnamespace) order by 1"
    )

    def places() -> dict[str, list[str]]:
        with connect(platform.url) as connection:
            names = [name for (name,) in connection.execute(keyed)]
            return {
                name: [place for (place,) in connection.execute(f"select ctid::text from {name} order by 1".encode())]
                for name in names
            }

    platform.build([LOADS[3]])
    before = places()
    assert sum(map(len, before.values())) > 1000
    platform.build([LOADS[3]])
    assert places() == before


def _as(url: WarehouseUrl, role: str) -> WarehouseUrl:
    return WarehouseUrl(user=role, database=url.database, host=url.host, port=url.port)
