"""The proof of isolation: what the catalogue says, and what real logins see. Each kind of leak is made and found."""

from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest
from reader_marts import COLUMNS, ROWS, isolate, make_marts, register

from analytics_dagster.errors import WarehouseError
from analytics_dagster.tenancy import moving, proof
from analytics_dagster.tenancy.proof import prove, sample
from analytics_dagster.tenancy.reach import EXCEPTIONS, broken_rules
from analytics_dagster.warehouse import connect, ensure_tenant_role, migrate

TENANTS = list(ROWS)


@pytest.fixture
def marts(committing: psycopg.Connection) -> psycopg.Connection:
    make_marts(committing)
    return committing


def probes(connection: psycopg.Connection) -> list[str]:
    found = connection.execute("select rolname::text from pg_roles where rolname like 'analytics\\_probe\\_%'")
    return [name for (name,) in found]


def test_isolated_marts_are_proven_and_the_logins_are_gone(marts, warehouse):
    found = prove(warehouse, TENANTS)
    assert found.problems == []
    assert found.relations == ["marts.orders", "tenancy.bi_roles"]
    assert found.with_rows == len(found.relations) * len(TENANTS)
    assert probes(marts) == []
    assert marts.execute("select count(*) from tenancy.bi_roles where role_name like '%probe%'").fetchone() == (0,)


LEAKS = {
    "a policy that shows everything": (
        "create policy more on marts.orders for select to analytics_tenants using (true)",
        "marts.orders: the login of acme sees rows of acme to beta",
        None,
    ),
    "no row-level security": (
        "alter table marts.orders disable row level security",
        "marts.orders: the login of acme sees rows of acme to beta",
        "table marts.orders has no row-level security",
    ),
    "not FORCEd": ("alter table marts.orders no force row level security", None, "table marts.orders is not FORCEd"),
    "no policy": (
        (
            "drop policy owner_writes_all on marts.orders; drop policy analysts_read_all on marts.orders;"
            "drop policy tenants_read_their_own on marts.orders"
        ),
        None,
        "table marts.orders has no policy",
    ),
    "a view with its owner's rights": (
        "create view marts.leak as select * from marts.orders; grant select on marts.leak to analytics_tenants",
        "marts.leak: the login of acme sees rows of acme to beta",
        "view marts.leak is not security_invoker",
    ),
    "a materialized view": (
        (
            "create materialized view marts.leak as select * from marts.orders;"
            "grant select on marts.leak to analytics_tenants"
        ),
        "marts.leak: the login of acme sees rows of acme to beta",
        "materialized view marts.leak knows no row-level security",
    ),
    "rows of nobody": (
        (
            f"create table marts.leak ({COLUMNS}); alter table marts.leak alter tenant_id drop not null;"
            "insert into marts.leak values (null, 'x', '2026-01-01', 1, 'x');"
            "grant select on marts.leak to analytics_tenants"
        ),
        "marts.leak: the login of acme sees rows of nobody (null) to nobody (null)",
        "table marts.leak has no row-level security",
    ),
    "a table without tenants": (
        "create table marts.leak (user_id text); grant select on marts.leak to analytics_tenants",
        "marts.leak: no tenant_id",
        "marts.leak shows no tenant_id: nothing tells whose its rows are",
    ),
    "a column of a table whose tenant is hidden": (
        "grant usage on schema raw to analytics_tenants; grant select (user_id) on raw.events to analytics_tenants",
        "raw.events: no tenant_id",
        "raw.events shows no tenant_id: nothing tells whose its rows are",
    ),
    "a right of one tenant alone, in a schema of its own": (
        (
            'create schema "Odd one"; create table "Odd one"."T 1" as select * from marts.orders;'
            'grant usage on schema "Odd one" to analytics_tenant_beta;'
            'grant select on "Odd one"."T 1" to analytics_tenant_beta'
        ),
        "Odd one.T 1: the login of beta sees rows of acme to beta",
        "table Odd one.T 1 has no row-level security",
    ),
    "a right of everybody": (
        "grant usage on schema raw to public; grant select on raw.quarantine to public",
        None,
        "table raw.quarantine has no row-level security",
    ),
    "a partition of a secured table": (
        (
            "create table public.leak partition of marts.parts for values in ('acme', 'beta');"
            "insert into public.leak values ('acme'), ('beta'); grant select on public.leak to analytics_tenants"
        ),
        "public.leak: the login of acme sees rows of acme to beta",
        "table public.leak has no row-level security",
    ),
    "an index that finds other tenants' rows": (
        "create index leak on marts.orders (user_id)",
        None,
        "index marts.leak does not begin with tenant_id",
    ),
    "a function with its owner's rights": (
        (
            "create function marts.leak() returns setof marts.orders language sql security definer"
            " return (select o from marts.orders as o limit 1)"
        ),
        None,
        "function marts.leak() is SECURITY DEFINER",
    ),
    "a sequence": (
        "create sequence marts.leak; grant select on marts.leak to analytics_tenants",
        None,
        "sequence marts.leak counts all tenants' rows",
    ),
    "a table that readers write": (
        "grant insert on marts.orders to analytics_tenants",
        None,
        "marts.orders may be written by readers",
    ),
    "a person shown to the analyst": (
        "grant select (user_id) on marts.orders to analytics_analyst",
        None,
        "column marts.orders.user_id is personal, and the analyst reads it",
    ),
}


@pytest.mark.parametrize(("damage", "seen", "said"), LEAKS.values(), ids=LEAKS.keys())
def test_a_leak_is_found(marts, warehouse, damage, seen, said):
    for tenant_id in TENANTS:
        ensure_tenant_role(marts, tenant_id)
    marts.execute("create table marts.parts (tenant_id text) partition by list (tenant_id)")
    marts.execute(damage)
    if seen:
        assert seen in prove(warehouse, TENANTS).problems
    else:
        assert prove(warehouse, TENANTS).problems == []
    assert said in broken_rules(marts) if said else broken_rules(marts) == []


def test_nothing_is_broken_where_nothing_was_damaged(marts):
    assert broken_rules(marts) == []


def test_every_exception_is_needed(marts, monkeypatch):
    monkeypatch.setattr("analytics_dagster.tenancy.reach.EXCEPTIONS", {})
    assert sorted(broken_rules(marts)) == sorted(EXCEPTIONS)


def test_a_view_with_its_readers_rights_is_proven(marts, warehouse):
    marts.execute(
        "create view marts.fine with (security_invoker = true) as select * from marts.orders;"
        "grant select on marts.fine to analytics_tenants"
    )
    assert broken_rules(marts) == []
    assert "marts.fine" in prove(warehouse, TENANTS).relations


def test_what_a_killed_proof_left_behind_is_taken_away(marts, warehouse, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(proof, "_look_at", interrupted)
        killed.setattr(proof, "drop_login", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            prove(warehouse, TENANTS)
    assert len(probes(marts)) == len(TENANTS)
    assert prove(warehouse, TENANTS).problems == []
    assert probes(marts) == []


def test_a_tenant_that_is_suspended_meanwhile_is_no_problem(marts, warehouse):
    moving.suspend(marts, "acme", actor="ada", reason=None)
    found = prove(warehouse, TENANTS)
    assert (found.problems, found.with_rows) == ([], 2)


def test_a_login_that_is_taken_for_nobody_proves_nothing(marts, warehouse):
    ensure_tenant_role(marts, "acme")
    marts.execute("update tenancy.bi_roles set withdrawn_at = now()")
    assert prove(warehouse, ["acme"]).problems == ["the login of acme is taken for somebody else"]


@pytest.mark.usefixtures("marts")
def test_a_refused_login_is_explained(warehouse, monkeypatch):
    monkeypatch.setattr(proof, "create_login", lambda *_: None)
    with pytest.raises(WarehouseError, match="not proven, because its login is refused") as refused:
        prove(warehouse, ["acme"])
    assert "pg_hba.conf" in str(refused.value)


@pytest.mark.usefixtures("marts")
def test_without_tenants_nothing_is_looked_at(warehouse):
    assert prove(warehouse, []).relations == []


def test_an_ordinary_owner_proves_it_too(server, template):  # noqa: ARG001 - the template makes the roles of the server
    owner = "proving_owner"
    with connect(server, autocommit=True) as admin:
        admin.execute(f"create role {owner} login createrole")
        admin.execute(f"create database {owner} owner {owner}")
        admin.execute(f"grant analytics_tenants, analytics_analyst to {owner} with admin option")
    url = replace(server, database=owner, user=owner)
    try:
        with connect(url) as connection:
            migrate(connection)
            register(connection, "proving-tenant")
            connection.execute(f"create table marts.orders ({COLUMNS})")
            isolate(connection, "orders")
            connection.execute("insert into marts.orders values ('proving-tenant', 'u', '2026-01-01', 1, 'n')")
            assert broken_rules(connection) == []
        found = prove(url, ["proving-tenant"])
        assert (found.problems, found.with_rows) == ([], 2)
    finally:
        with connect(server, autocommit=True) as admin:
            admin.execute(f"drop database {owner} with (force)")
            admin.execute('drop role if exists "analytics_tenant_proving-tenant"')
            admin.execute(f"drop owned by {owner} cascade; drop role {owner}")


def test_all_have_their_turn():
    tenants = [f"t{number:03}" for number in range(120)]
    today = date(2026, 1, 1)
    assert sample(tenants[:50], today) == tenants[:50]
    days = [sample(tenants, today + timedelta(days=day)) for day in range(3)]
    assert [len(set(day)) for day in days] == [50, 50, 50]
    assert set().union(*days) == set(tenants)
