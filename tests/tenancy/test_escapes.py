"""The known ways around row-level security, tried by a real login that has switched off what it can switch off.

Three kinds: what is refused, what is answered without telling anything of another tenant, and what PostgreSQL does
tell everybody: that is stated in docs/bi.md, and here it is seen that the page is still right.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import psycopg
import pytest
from psycopg import sql
from reader_marts import ROWS, WALLED, make_marts

from analytics_dagster.tenancy import bi, moving
from analytics_dagster.warehouse import WarehouseUrl, connect
from analytics_dagster.warehouse.logins import Limits
from analytics_dagster.warehouse.roles import tenant_role

FOREIGN = "of beta"  # in every text of the other tenant's rows, and in no query


@dataclass
class Reader:
    """A login of acme. `told` is all that it was ever told: rows, names of columns, errors and notices."""

    connection: psycopg.Connection
    owner: psycopg.Connection
    told: list[str] = field(default_factory=list)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        try:
            cursor = self.connection.execute(query.encode())
        except psycopg.Error as error:
            self.told.append(" ".join(filter(None, (str(error), error.diag.message_detail, error.diag.context))))
            raise
        rows = cursor.fetchall() if cursor.description else []
        self.told += [str(row) for row in rows]
        return rows

    def plan(self, query: str) -> str:
        return "\n".join(str(line) for (line,) in self.ask(query))


@dataclass(frozen=True)
class House:
    owner: psycopg.Connection
    acme: WarehouseUrl


@pytest.fixture(scope="module")
def house(server: WarehouseUrl, template: str) -> Iterator[House]:
    """A database with rows of two tenants, and a login for each."""
    url = replace(server, database="escapes")
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database escapes template {}").format(sql.Identifier(template)))
        with connect(url, autocommit=True) as owner:
            make_marts(owner)
            granted = {
                tenant_id: bi.grant(owner, tenant_id, login=None, limits=Limits(), actor="test") for tenant_id in ROWS
            }
            yield House(owner, replace(url, user="bi_acme", password=granted["acme"].password))
            for known in bi.bi_logins(owner):
                bi.revoke(owner, known.login, actor="test")
        admin.execute("drop database escapes with (force)")


@pytest.fixture
def reader(house: House) -> Iterator[Reader]:
    with connect(house.acme, autocommit=True) as connection:
        found = Reader(connection, house.owner)
        connection.add_notice_handler(lambda notice: found.told.append(str(notice.message_primary)))
        connection.execute("set default_transaction_read_only to off; set statement_timeout to 0")
        yield found
    assert FOREIGN not in " ".join(found.told)


BECOMING_SOMEBODY = [
    'set role "analytics_tenant_beta"',
    'set local role "analytics_tenant_acme"',
    "set role analytics_tenants",
    "set role analytics_analyst",
    "set role bi_beta",
    "set role analytics",
    "set session authorization bi_beta",
    "set session authorization analytics",
    "select set_config('role', 'analytics_tenant_beta', false)",
    "select set_config('session_authorization', 'bi_beta', false)",
    "grant analytics_tenant_beta to bi_acme",
    "alter role bi_acme bypassrls",
    "alter role bi_beta password 'mine'",
    "create role mine in role analytics_tenant_beta",
    "reassign owned by analytics to bi_acme",
]
CHANGING_THE_RULES = [
    "alter table marts.orders disable row level security",
    "alter table marts.orders no force row level security",
    "create policy mine on marts.orders using (true)",
    "drop policy tenants_read_their_own on marts.orders",
    "alter table marts.orders owner to bi_acme",
    "update tenancy.bi_roles set tenant_id = 'beta' where role_name = 'bi_acme'",
    "insert into tenancy.bi_roles values ('analytics_tenants', 'beta')",
    "create or replace function tenancy.current_tenant() returns text language sql return 'beta'",
    "alter function tenancy.current_tenant() owner to bi_acme",
    "comment on table marts.orders is 'mine'",
    "create statistics marts.mine (dependencies) on day, revenue from marts.orders",
    "create trigger mine before insert on marts.orders execute function suppress_redundant_updates_trigger()",
    "update pg_policy set polqual = null",
    "set session_replication_role to replica",
]
WRITING = [
    "insert into marts.orders values ('acme', 'u', '2026-01-01', 1, 'n')",
    "update marts.orders set note = 'mine'",
    "delete from marts.orders",
    "truncate marts.orders",
    "select * from marts.orders for update",
    "lock table marts.orders in share mode",
    "create table public.mine (n int)",
    "create table marts.mine (n int)",
    "create table tenancy.mine (n int)",
    "create schema mine",
    "create temporary table mine (n int)",
    "create temporary view mine as select 1",
    # a function that is cheaper than the policy, and tells what it is given
    (
        "create function pg_temp.tell(text) returns boolean language plpgsql cost 0.0001 as"
        " $$ begin raise notice '%', $1; return true; end $$"
    ),
    "create function pg_temp.tell(text) returns boolean language sql immutable leakproof return true",
    "create operator public.<<< (function = texteq, leftarg = text, rightarg = text)",
    "create materialized view public.mine as select * from marts.orders",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
    "select lo_creat(-1)",
]
LEAVING_THE_DATABASE = [
    "copy marts.orders to '/tmp/mine'",
    "copy marts.orders to program 'cat'",
    "create temporary table mine (t text); copy mine from '/etc/passwd'",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/mine')",
    "select pg_read_file('PG_VERSION')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_ls_dir('.')",
    "select pg_stat_file('PG_VERSION')",
    "create extension dblink",
    "create extension postgres_fdw",
    "create extension plperlu",
    "create language plpythonu",
    "create foreign data wrapper mine",
    "select dblink('dbname=analytics', 'select 1')",
    "create publication mine for table marts.orders",
    "create subscription mine connection 'dbname=analytics' publication mine",
    "select pg_create_logical_replication_slot('mine', 'test_decoding')",
    "load 'auto_explain'",
    "alter system set log_statement to 'all'",
    "set log_statement to 'all'",
]
IN_OTHERS_WAY = [
    "select pg_advisory_lock(hashtext('analytics-dagster migrations'))",
    "select pg_advisory_xact_lock(1, 2)",
    "select pg_try_advisory_lock(1)",
    "select pg_try_advisory_xact_lock_shared(1)",
    "select pg_cancel_backend(pid) from pg_stat_activity where usename = 'analytics'",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'analytics'",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bi_beta'",
    "select pg_reload_conf()",
    "select pg_stat_reset()",
    "select pg_switch_wal()",
    "checkpoint",
    "drop database analytics",
]
SYSTEM_TABLES = [
    "select * from pg_statistic",
    "select * from pg_statistic_ext_data",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_largeobject",
    "select * from pg_user_mapping",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_stat_statements",
    "select * from raw.events",
    "select * from tenancy.tenants",
    "select * from tenancy.bi_login_history",
    "select * from platform.migrations",
]
REFUSED = [
    *(BECOMING_SOMEBODY + CHANGING_THE_RULES + WRITING),
    *(LEAVING_THE_DATABASE + IN_OTHERS_WAY + SYSTEM_TABLES),
]


def test_what_is_refused(reader):
    info = reader.connection.info
    with connect(WarehouseUrl("bi_beta", info.dbname, info.host, info.port)):  # somebody to send away
        done = []
        for statement in REFUSED:
            try:
                reader.ask(statement)
            except psycopg.Error:
                continue
            done.append(statement)
    assert done == []
    assert reader.ask("select count(*) from marts.orders") == [(ROWS["acme"],)]


PRETENDING = [
    "set role none",
    "reset role",
    "discard all",
    "set session authorization default",
    "set analytics.tenant to 'beta'",
    "set search_path to public, tenancy, marts",
    "select set_config('search_path', 'pg_temp, tenancy', false)",
    "alter role bi_acme set search_path to tenancy",
]


@pytest.mark.parametrize("setting", PRETENDING)
def test_a_setting_makes_nobody_else_of_a_login(reader, setting):
    reader.ask(setting)
    assert reader.ask("select distinct tenant_id, tenancy.current_tenant() from marts.orders") == [("acme", "acme")]


def test_switching_row_security_off_refuses_the_query(reader):
    reader.ask("set row_security to off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        reader.ask("select * from marts.orders")


LEAKY = [
    "select * from marts.orders where 1 / (case when note like '%beta' then 0 else 1 end) = 1",
    "select count(*) from marts.orders where cast(note as integer) = 1",
    "select count(*) from marts.orders where (note::json) is not null",
    "select count(*) from marts.orders where note::date = '2026-01-01'",
    "select count(*) from marts.orders where ('{' || note || '}')::text[] is not null",
    "select count(*) from marts.orders where note ~ ('(' || user_id)",
    "select count(*) from marts.orders where to_timestamp(note, 'YYYY') is not null",
    "select count(*) from marts.orders where set_config('mine.seen', note, false) is not null",
    "select count(*) from marts.orders where pg_notify('mine', note) is null",
    "select count(*) from marts.orders where note::regclass is not null",
    "do $$ declare r record; begin for r in select * from marts.orders loop raise notice '%', r; end loop; end $$",
    "select ts_stat('select to_tsvector(note) from marts.orders')",
    "select * from marts.orders tablesample system (100)",
    "select * from marts.orders tablesample bernoulli (100) repeatable (1)",
    (
        "select * from marts.orders where ctid = any (array(select format('(%s,%s)', p, n)::tid"
        " from generate_series(0, 9) as p, generate_series(1, 200) as n))"
    ),
    "select m.* from generate_series(1, 2) cross join lateral (select * from marts.orders) as m",
    "with recursive w as (select * from marts.orders union select * from w) select * from w",
    "select (select string_agg(note, '') from marts.orders) from tenancy.bi_roles",
    "select * from pg_stats where schemaname = 'marts'",
    "select * from pg_stats_ext",
    "select * from pg_stat_activity",
    "select * from information_schema.columns",
    "select * from information_schema.role_table_grants",
    "select pg_get_expr(polqual, polrelid) from pg_policy",
    "explain (analyze, verbose, buffers, settings) select * from marts.orders where note like '%beta'",
]


@pytest.mark.parametrize("query", LEAKY)
@pytest.mark.parametrize("setting", ["reset all", "set enable_indexscan to off", "set enable_seqscan to off"])
def test_rows_that_are_not_its_own_reach_no_function_no_error_and_no_view(reader, query, setting):
    """The fixture looks through all that was told."""
    reader.ask(setting)
    with suppress(psycopg.Error):
        reader.ask(query)
    assert reader.ask("select current_setting('mine.seen', true)") != [(f"note {FOREIGN}",)]


def test_copy_and_cursors_carry_its_own_rows_only(reader):
    with reader.connection.cursor().copy("copy (table marts.orders) to stdout") as copy:
        lines = b"".join(copy).decode().splitlines()
    assert {line.split("\t")[0] for line in lines} == {"acme"}
    with reader.connection.cursor().copy("copy marts.orders to stdout") as copy:
        assert len(b"".join(copy).splitlines()) == ROWS["acme"]
    with reader.connection.transaction():
        reader.ask("declare mine cursor with hold for select * from marts.orders")
    assert len(reader.ask("fetch all from mine")) == ROWS["acme"]


PLANNERS = [
    "set enable_seqscan to on",
    "set enable_seqscan to off; set enable_bitmapscan to off",
    "set enable_seqscan to off; set enable_indexscan to off",
    "set enable_indexscan to off; set enable_bitmapscan to off; set enable_seqscan to on",
    "set plan_cache_mode to force_generic_plan",
]


@pytest.mark.parametrize(
    "condition",
    [
        "user_id = {}",
        "user_id in ({}, 'x')",
        "user_id = {} and tenant_id <> 'acme'",
        "tenant_id >= 'b' and user_id = {}",
        "user_id = {} and day > '2026-01-01'",
        "(tenant_id, user_id) = ('beta', {})",
        "tenant_id = any (array['beta', 'gamma']) and user_id = {}",
        # cheaper than an equality, and with a part that runs only if a row has got so far
        "user_id = any (array[{}]) and day = any (array[(select date '2026-03-19')])",
        "tenant_id = any (array['beta']) and user_id = any (array[{}]) and note = any (array[(select 'x')])",
        # of no cost to the planner
        (
            "(select jsonb_build_object({}, 1))[user_id] is not null"
            " and (select jsonb_build_object('beta', 1))[tenant_id] is not null"
        ),
        "case when (select jsonb_build_object({}, 1))[user_id] is not null then (select true) end",
        "note = replace({}, 'user', 'note')",
    ],
)
def test_explain_answers_no_question_about_a_person_of_another_tenant(reader, condition):
    """The same plan, estimates and counts, whether or not the other tenant has such a user."""

    def told(command: str, user: str) -> str:
        where = condition.replace("{}", f"'{user}'")
        plan = reader.plan(f"{command} select * from marts.orders where {where}")
        return re.sub(r"'[^']*'", "", plan)

    for planner in PLANNERS:
        reader.ask(planner)
        for command in ("explain", "explain (analyze, timing off, summary off, buffers off)"):
            assert told(command, "user of beta 77") == told(command, "user of betb 77"), (planner, command)
    reader.told.clear()  # plans repeat what was asked for


def test_an_index_that_does_not_begin_with_the_tenant_would_answer(reader):
    """Why `reach` forbids one: this is how a row of another tenant is seen that is not there for the reader."""
    reader.owner.execute("create index mine on marts.orders (user_id)")
    reader.ask("set enable_seqscan to off; set enable_bitmapscan to off")
    query = "explain (analyze, timing off) select * from marts.orders where user_id = 'user of {} 77'"
    answers = ["Rows Removed by Filter: 1" in reader.plan(query.format(tenant)) for tenant in ("beta", "betb")]
    reader.told.clear()
    reader.owner.execute("drop index marts.mine")
    assert answers == [True, False]


def test_without_a_wall_a_condition_would_be_answered(reader):
    """Why tables that name persons have one, and what docs/bi.md says about the others."""
    alter = "alter policy tenants_read_their_own on marts.orders using ({})"
    reader.owner.execute(alter.format("tenant_id = (select tenancy.current_tenant())").encode())
    reader.ask("set enable_seqscan to on; set enable_indexscan to off; set enable_bitmapscan to off")
    query = (
        "explain (analyze, timing off, summary off, buffers off) select * from marts.orders"
        " where user_id = any (array['user of {} 77']) and note = any (array[(select 'x')])"
    )
    never = [reader.plan(query.format(tenant)).count("never executed") for tenant in ("beta", "betb")]
    reader.told.clear()
    reader.owner.execute(alter.format(WALLED).encode())
    assert never == [1, 2]


def test_a_prepared_statement_follows_the_role(reader):
    owner = reader.owner
    owner.execute("prepare mine as select distinct tenant_id from marts.orders")
    for _ in range(7):  # beyond the five plans that are made before a generic one is kept
        for tenant_id in ROWS:
            owner.execute(sql.SQL("set role {}").format(sql.Identifier(tenant_role(tenant_id))))
            assert owner.execute("execute mine").fetchall() == [(tenant_id,)]
    owner.execute("reset role; deallocate mine")


def test_a_prepared_statement_follows_a_suspension(reader):
    reader.ask("prepare mine as select count(*) from marts.orders")
    assert reader.ask("execute mine") == [(ROWS["acme"],)]
    moving.suspend(reader.owner, "acme", actor="test", reason=None)
    assert reader.ask("execute mine") == [(0,)]
    moving.resume(reader.owner, "acme", actor="test", reason=None)


def test_what_everybody_is_told(reader):
    """What docs/bi.md says under 'What a reader can find out about others'."""
    reader.owner.execute("select 'a secret of the owner'")
    roles = {name for (name,) in reader.ask("select rolname::text from pg_roles")}
    assert {"bi_beta", "analytics_tenant_beta"} <= roles
    sessions = reader.ask("select usename::text, query from pg_stat_activity where usename = 'analytics'")
    assert set(sessions) == {("analytics", "<insufficient privilege>")}
    assert reader.ask("select reltuples from pg_class where oid = 'marts.orders'::regclass") == [(sum(ROWS.values()),)]
    assert int(str(reader.ask("select pg_total_relation_size('marts.orders')")[0][0])) > 0
    assert ("raw", "events") in reader.ask(
        "select n.nspname::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
    )
    lowest = reader.plan("explain select * from marts.orders where user_id > 'user of acme'")
    highest = reader.plan("explain select * from marts.orders where user_id > 'v'")
    assert lowest != highest
    reader.ask("listen mine")
    reader.owner.execute("notify mine, 'heard'")
    assert [notice.payload for notice in reader.connection.notifies(timeout=5, stop_after=1)] == ["heard"]
