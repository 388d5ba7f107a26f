"""Logins for BI tools: what they may do, what is kept of them, and how they end. On a real server, by real logins."""

import re
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from reader_marts import ROWS, make_marts, register

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy import bi, moving
from analytics_dagster.warehouse import WarehouseUrl, connect, migrate
from analytics_dagster.warehouse.logins import Limits, login_exists
from analytics_dagster.warehouse.open_doors import open_doors


@pytest.fixture
def marts(committing: psycopg.Connection) -> Iterator[psycopg.Connection]:
    make_marts(committing)
    yield committing
    for known in bi.bi_logins(committing):
        bi.revoke(committing, known.login, actor="test")


def grant(
    connection: psycopg.Connection,
    tenant_id: str | None = "acme",
    login: str | None = None,
    limits: Limits | None = None,
) -> bi.Granted:
    return bi.grant(connection, tenant_id, login=login, limits=limits or Limits(), actor="ada")


def as_login(warehouse: WarehouseUrl, granted: bi.Granted) -> WarehouseUrl:
    return replace(warehouse, user=granted.login, password=granted.password)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_a_tenants_login_sees_that_tenant(marts, warehouse):
    granted = grant(marts)
    assert granted.login == "bi_acme"
    with connect(as_login(warehouse, granted)) as reader:
        assert reader.execute("select session_user::text, current_user::text").fetchone() == ("bi_acme", "bi_acme")
        seen = reader.execute("select tenant_id, count(*) from orders group by 1").fetchall()
        assert seen == [("acme", ROWS["acme"])], "also by the unqualified name"


@pytest.mark.parametrize("reset", ["discard all", "reset role", "set session authorization default", "reset all"])
def test_a_pool_that_resets_the_session_keeps_its_tenant(marts, warehouse, reset):
    with connect(as_login(warehouse, grant(marts)), autocommit=True) as reader:
        reader.execute(reset)
        assert one(reader, "select count(*) from marts.orders") == ROWS["acme"]


def test_the_analysts_login_sees_all_tenants_and_no_person(marts, warehouse):
    granted = grant(marts, None)
    assert (granted.login, granted.tenant_id) == ("bi_analyst", None)
    with connect(as_login(warehouse, granted), autocommit=True) as reader:
        assert one(reader, "select count(distinct tenant_id) from marts.orders") == len(ROWS)
        for query in ("select user_id from marts.orders", "select * from marts.orders"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(query)


def test_a_login_has_limits(marts, warehouse):
    granted = grant(marts, limits=Limits(connections=1, statement_seconds=7))
    url = as_login(warehouse, granted)
    with connect(url, autocommit=True) as reader:
        names = ("statement_timeout", "default_transaction_read_only", "idle_in_transaction_session_timeout")
        assert [one(reader, f"show {name}") for name in names] == ["7s", "on", "1min"]
        assert one(reader, "show idle_session_timeout") == "30min"
        with pytest.raises(AnalyticsError, match="does not answer") as refused, connect(url):
            pass
        assert "too many connections" in str(refused.value)
    attributes = marts.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles"
        " where rolname = 'bi_acme'"
    ).fetchone()
    assert attributes == (False,) * 5


def test_the_server_gets_a_verifier_and_nobody_keeps_the_password(marts):
    granted = grant(marts)
    kept = str(one(marts, "select rolpassword from pg_authid where rolname = 'bi_acme'"))
    assert kept.startswith("SCRAM-SHA-256$")
    assert len(granted.password) >= 32
    assert granted.password not in kept
    everything = marts.execute("select h::text from tenancy.bi_login_history as h").fetchall()
    assert granted.password not in str(everything)
    assert granted.password != grant(marts, login="bi_other").password


def test_what_was_done_is_told_without_a_secret(marts):
    grant(marts)
    bi.revoke(marts, "bi_acme", actor="bob")
    told = marts.execute(
        "select actor, action, login, tenant_id, limits ->> 'connections'"
        " from tenancy.bi_login_history order by entry_id"
    ).fetchall()
    assert told == [("ada", "granted", "bi_acme", "acme", "10"), ("bob", "revoked", "bi_acme", "acme", None)]


def test_revoking_ends_open_sessions_and_drops_the_login(marts, warehouse):
    url = as_login(warehouse, grant(marts))
    with connect(url, autocommit=True) as reader:
        assert bi.revoke(marts, "bi_acme", actor="ada") == [bi.Revoked("bi_acme", "acme", 1)]
        with pytest.raises(psycopg.OperationalError):
            reader.execute("select 1")
    assert not login_exists(marts, "bi_acme")
    assert bi.bi_logins(marts) == []
    assert one(marts, "select count(*) from tenancy.bi_roles where role_name = 'bi_acme'") == 0


def test_revoking_a_tenant_takes_all_of_its_logins_and_nobody_elses(marts):
    for tenant_id, login in (("acme", None), ("acme", "acme-dashboards"), ("beta", None), (None, None)):
        grant(marts, tenant_id, login)
    assert [gone.login for gone in bi.revoke(marts, "acme", actor="ada")] == ["acme-dashboards", "bi_acme"]
    assert [known.login for known in bi.bi_logins(marts)] == ["bi_analyst", "bi_beta"]


def test_a_login_with_a_tenants_name_is_that_login(marts):
    grant(marts, "beta", "acme")
    grant(marts, "acme")
    assert [gone.tenant_id for gone in bi.revoke(marts, "acme", actor="ada")] == ["beta"]


def test_a_revocation_that_was_killed_is_repeated(marts, monkeypatch):
    grant(marts)
    with monkeypatch.context() as killed:
        killed.setattr(bi, "drop_login", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bi.revoke(marts, "bi_acme", actor="ada")
    (known,) = bi.bi_logins(marts)
    assert not known.open
    bi.revoke(marts, "bi_acme", actor="ada")
    assert bi.bi_logins(marts) == []


def test_a_login_that_was_dropped_by_hand_is_revoked_all_the_same(marts):
    grant(marts)
    marts.execute("drop role bi_acme")
    assert [known.open for known in bi.bi_logins(marts)] == [False]
    assert bi.revoke(marts, "bi_acme", actor="ada") == [bi.Revoked("bi_acme", "acme", 0)]


def test_what_was_granted_by_hand_is_named(marts):
    grant(marts)
    marts.execute("grant select on tenancy.tenants to bi_acme")
    with pytest.raises(AnalyticsError, match=r"privileges for table tenancy\.tenants") as refused:
        bi.revoke(marts, "bi_acme", actor="ada")
    assert 'drop owned by "bi_acme"' in str(refused.value)
    assert [known.open for known in bi.bi_logins(marts)] == [False], "but nobody logs in any more"
    marts.execute('drop owned by "bi_acme"')


def test_a_suspended_tenants_logins_see_nothing_until_it_is_resumed(marts, warehouse):
    url = as_login(warehouse, grant(marts))
    with connect(url, autocommit=True) as reader:
        moving.suspend(marts, "acme", actor="ada", reason=None)
        assert one(reader, "select count(*) from marts.orders") == 0
        late = grant(marts, login="bi_late")
        with connect(as_login(warehouse, late)) as other:
            assert one(other, "select count(*) from marts.orders") == 0, "a new login, too"
        assert [known.withdrawn for known in bi.bi_logins(marts)] == [True, True]
        moving.resume(marts, "acme", actor="ada", reason=None)
        assert one(reader, "select count(*) from marts.orders") == ROWS["acme"]


def test_offboarding_takes_the_logins_along(marts, warehouse):
    url = as_login(warehouse, grant(marts))
    with connect(url, autocommit=True) as reader, connect(url, autocommit=True):
        moving.offboard(marts, "acme", actor="ada", reason="left")
        with pytest.raises(psycopg.OperationalError):
            reader.execute("select 1")
    assert not login_exists(marts, "bi_acme")
    assert one(marts, "select string_agg(action, ' ' order by entry_id) from tenancy.bi_login_history") == (
        "granted revoked"
    )
    with pytest.raises(AnalyticsError, match="offboarded"):
        grant(marts)


@pytest.mark.parametrize(
    "login", ["", "A", "1a", "pg_reader", "analytics_tenant_beta", "a" * 64, 'a"; drop role x', "a\n"]
)
def test_no_name_for_a_login(marts, login):
    with pytest.raises(AnalyticsError, match="no name for a login"):
        grant(marts, login=login or " ")


def test_a_name_that_is_taken_stays_whose_it_is(marts):
    grant(marts)
    for tenant_id in ("acme", "beta"):
        with pytest.raises(AnalyticsError, match="already"):
            grant(marts, tenant_id, "bi_acme")
    assert [(known.login, known.tenant_id) for known in bi.bi_logins(marts)] == [("bi_acme", "acme")]


def test_unknown_tenants_and_logins_are_named(marts):
    with pytest.raises(AnalyticsError, match="nobody"):
        grant(marts, "nobody")
    with pytest.raises(AnalyticsError, match="no login was granted to 'nobody'"):
        bi.revoke(marts, "nobody", actor="ada")


def test_granting_closes_what_everybody_may_do_in_a_database(marts):
    marts.execute("grant create on schema public to public")
    assert [re.sub(r" of|that.*", "", door.what) for door in open_doors(marts)] == [
        "fill the disk with temporary tables",
        "make tables in the schema public",
        "take the advisory locks ",
        "fill the disk with large objects",
    ]
    assert grant(marts).still_open == []
    assert open_doors(marts) == []
    marts.execute("select pg_advisory_lock(1), pg_advisory_unlock(1)")


def test_an_ordinary_owner_grants_and_revokes_and_is_told_what_it_cannot_close(server, template):  # noqa: ARG001 - the template makes the roles of the server
    owner = "ordinary_owner"
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login createrole").format(sql.Identifier(owner)))
        admin.execute(sql.SQL("create database {0} owner {0}").format(sql.Identifier(owner)))
        admin.execute(
            sql.SQL("grant analytics_tenants, analytics_analyst to {} with admin option").format(sql.Identifier(owner))
        )
    url = replace(server, database=owner, user=owner)
    try:
        with connect(url) as connection:
            migrate(connection)
            register(connection, "ordinary-tenant")
        with connect(url, autocommit=True) as connection:
            granted = grant(connection, "ordinary-tenant", "bi_ordinary")
            assert [door.what for door in granted.still_open] == [
                "take the advisory locks that loads and builds wait for",
                "fill the disk with large objects",
            ]
            with connect(replace(url, user="bi_ordinary", password=granted.password), autocommit=True) as reader:
                assert one(reader, "select tenancy.current_tenant()") == "ordinary-tenant"
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute('set role "analytics_tenant_ordinary-tenant"')
                assert [gone.sessions_ended for gone in bi.revoke(connection, "bi_ordinary", actor="ada")] == [1]
            with connect(server, autocommit=True) as admin:
                for door in granted.still_open:
                    with connect(replace(server, database=owner), autocommit=True) as there:
                        there.execute(door.close.encode())
            assert open_doors(connection) == []
            connection.execute("select pg_advisory_lock(1), pg_advisory_unlock(1)")
    finally:
        with connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(owner)))
            admin.execute('drop role if exists bi_ordinary, "analytics_tenant_ordinary-tenant"')
            admin.execute(sql.SQL("drop owned by {0} cascade").format(sql.Identifier(owner)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(owner)))
