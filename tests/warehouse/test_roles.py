"""Readers' roles, made by a superuser and by an ordinary owner, on PostgreSQL 18 and (where it is installed) 15."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from analytics_dagster.errors import AnalyticsError, WarehouseError
from analytics_dagster.warehouse import (
    WarehouseUrl,
    connect,
    ensure_reader_roles,
    ensure_tenant_role,
    migrate,
    tenant_role,
)
from analytics_dagster.warehouse.logins import (
    Limits,
    create_login,
    drop_login,
    end_sessions,
    login_exists,
    shut_login,
)

Owner = Callable[[], WarehouseUrl]
OLD = Path("/usr/lib/postgresql/15/bin")


def register(connection: psycopg.Connection, tenant_id: str) -> None:
    connection.execute(
        "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
        " values (%s, 'T', 'music', 'free', 'UTC', 'EUR', 'p', 'eu', '{}')",
        [tenant_id],
    )


@pytest.fixture(scope="session")
def old_server() -> Iterator[WarehouseUrl]:
    """PostgreSQL 15, where membership and CREATEROLE follow other rules."""
    if not (OLD / "postgres").exists() or (os.geteuid() == 0 and not shutil.which("setpriv")):
        pytest.skip("PostgreSQL 15 is not installed")
    folder = Path(tempfile.mkdtemp())
    prefix = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = str(folder / "data")
    make = [OLD / "initdb", "-D", data, "-U", "analytics", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([*prefix, *make], check=True, stdout=subprocess.DEVNULL)
    run = [OLD / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    process = subprocess.Popen([*prefix, *run], stderr=subprocess.DEVNULL)
    url = WarehouseUrl("analytics", "postgres", str(folder))
    for _ in range(200):
        try:
            with connect(url):
                break
        except AnalyticsError:
            time.sleep(0.05)
    yield url
    process.send_signal(2)
    process.wait()
    shutil.rmtree(folder)


@pytest.fixture(params=["18", "15"])
def owner(request: pytest.FixtureRequest) -> Iterator[WarehouseUrl]:
    """A fresh database owned by an ordinary user that may create roles, migrated by that user."""
    server: WarehouseUrl = request.getfixturevalue("server" if request.param == "18" else "old_server")
    name = f"owner_{os.getpid()}_{request.param}"
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login createrole").format(sql.Identifier(name)))
        admin.execute(sql.SQL("create database {0} owner {0}").format(sql.Identifier(name)))
        # on the shared server other tests' superuser made the roles: an administrator lets the owner manage them
        for role in ("analytics_analyst", "analytics_tenants"):
            if admin.execute("select from pg_roles where rolname = %s", [role]).rowcount:
                admin.execute(
                    sql.SQL("grant {} to {} with admin option").format(sql.Identifier(role), sql.Identifier(name))
                )
    url = replace(server, database=name, user=name)
    with connect(url) as connection:
        migrate(connection)
    yield url
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        made = admin.execute("select rolname::text from pg_roles where rolname like 'analytics_tenant\\_%'").fetchall()
        for (role,) in made:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("drop owned by {0} cascade").format(sql.Identifier(name)))
        if request.param == "15":
            admin.execute("drop role if exists analytics_analyst, analytics_tenants")
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def become(connection: psycopg.Connection, role: str) -> str | None:
    with connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        found = connection.execute("select tenancy.current_tenant()").fetchone()
    return found[0] if found else None


def test_an_ordinary_owner_makes_roles_and_may_become_them(owner: WarehouseUrl) -> None:
    with connect(owner) as connection:
        register(connection, "tone-wave")
        register(connection, "other")
        ensure_reader_roles(connection)
        role = ensure_tenant_role(connection, "tone-wave")
        assert role == "analytics_tenant_tone-wave"
        assert ensure_tenant_role(connection, "tone-wave") == role
        ensure_reader_roles(connection)
        assert become(connection, role) == "tone-wave"
        assert become(connection, "analytics_tenants") is None
        connection.execute("set local role analytics_analyst")


def test_an_ordinary_owner_makes_logins_and_ends_them(owner: WarehouseUrl) -> None:
    with connect(owner, autocommit=True) as connection:
        register(connection, "tone-wave")
        role = ensure_tenant_role(connection, "tone-wave")
        create_login(connection, "bi_tone", role, "secret", Limits())
        connection.execute(
            "insert into tenancy.bi_roles select 'bi_tone', tenant_id from tenancy.bi_roles where role_name = %s",
            [role],
        )
        with connect(replace(owner, user="bi_tone", password="secret"), autocommit=True) as reader:
            assert reader.execute("select tenancy.current_tenant()").fetchone() == ("tone-wave",)
            shut_login(connection, "bi_tone")
            assert end_sessions(connection, "bi_tone") == 1
            with pytest.raises(psycopg.OperationalError):
                reader.execute("select 1")
        with pytest.raises(WarehouseError, match="not permitted to log in"), connect(replace(owner, user="bi_tone")):
            pass
        drop_login(connection, "bi_tone")
        assert not login_exists(connection, "bi_tone")


def test_a_role_has_no_login_and_sees_its_own_line_only(connection: psycopg.Connection) -> None:
    for tenant_id in ("one", "two"):
        register(connection, tenant_id)
    role = ensure_tenant_role(connection, "one")
    ensure_tenant_role(connection, "two")
    found = connection.execute(
        "select rolcanlogin, rolsuper, pg_has_role(rolname, 'analytics_tenants', 'usage')"
        " from pg_roles where rolname = %s",
        [role],
    ).fetchone()
    assert found == (False, False, True)
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    assert connection.execute("select tenant_id from tenancy.bi_roles").fetchall() == [("one",)]


def test_many_at_once(warehouse: WarehouseUrl) -> None:
    tenant_id = f"crowd-{os.getpid()}"
    with connect(warehouse) as connection:
        register(connection, tenant_id)

    def ensure(_: int) -> str:
        with connect(warehouse) as connection:
            return ensure_tenant_role(connection, tenant_id)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(ensure, range(12))) == {tenant_role(tenant_id)}


def test_neighbouring_databases_at_once(server: WarehouseUrl, template: str, warehouse: WarehouseUrl) -> None:
    """The lock belongs to one database and the role to the server: both make it, and neither fails."""
    name, tenant_id = f"neighbour_{os.getpid()}", f"shared-{os.getpid()}"
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
    neighbour = replace(server, database=name)
    try:
        with connect(warehouse) as first:
            register(first, tenant_id)
            ensure_tenant_role(first, tenant_id)  # not committed yet: the other finds no role and waits for this one

            def other() -> str:
                with connect(neighbour) as second:
                    register(second, tenant_id)
                    return ensure_tenant_role(second, tenant_id)

            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(other)
                time.sleep(0.3)
                assert not answer.done()
                first.commit()
                assert answer.result(10) == tenant_role(tenant_id)
    finally:
        with connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_a_tenant_that_is_not_registered(connection: psycopg.Connection) -> None:
    with pytest.raises(AnalyticsError, match="not registered"):
        ensure_tenant_role(connection, "stranger")
    assert not connection.execute("select from pg_roles where rolname = 'analytics_tenant_stranger'").rowcount


@pytest.mark.parametrize("tenant_id", ["", "A", "-a", "a" * 41, 'a"; drop role x', "a\n", "ä"])
def test_no_tenant_id(tenant_id: str) -> None:
    with pytest.raises(AnalyticsError, match="is no tenant id"):
        tenant_role(tenant_id)


def test_a_user_that_may_not_make_roles(warehouse: WarehouseUrl) -> None:
    name = f"weak_{os.getpid()}"
    with connect(warehouse, autocommit=True) as admin:
        register(admin, "one-more")
        admin.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
    try:
        for act in (lambda weak: ensure_tenant_role(weak, "one-more"), ensure_reader_roles):
            with (
                pytest.raises(WarehouseError, match="may not manage") as caught,
                connect(replace(warehouse, user=name)) as weak,
            ):
                act(weak)
            assert f'alter role "{name}" createrole; grant analytics_tenants to "{name}" with admin option' in str(
                caught.value
            )
    finally:
        with connect(warehouse, autocommit=True) as admin:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
