"""A tenant's life: which moves there are, and what follows from each in one transaction."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from tenancy_samples import tenant

from analytics_dagster.errors import AnalyticsError, WarehouseError
from analytics_dagster.tenancy import Status, moving, register, tenants_by_status
from analytics_dagster.tenancy.history import history
from analytics_dagster.tenancy.lifecycle import Move, TenantStatusError, after
from analytics_dagster.tenancy.offboarding import scope
from analytics_dagster.tenancy.profile import access
from analytics_dagster.tenancy.publication import NotServedError, publish
from analytics_dagster.warehouse import connect, ensure_tenant_role, tenant_role
from analytics_dagster.warehouse.roles import drop_tenant_role

ACTIVE, SUSPENDED, OFFBOARDED = Status


@pytest.mark.parametrize(
    ("status", "move", "becomes"),
    [
        (ACTIVE, Move.SUSPEND, SUSPENDED),
        (ACTIVE, Move.RESUME, None),
        (ACTIVE, Move.OFFBOARD, OFFBOARDED),
        (SUSPENDED, Move.SUSPEND, None),
        (SUSPENDED, Move.RESUME, ACTIVE),
        (SUSPENDED, Move.OFFBOARD, OFFBOARDED),
        (OFFBOARDED, Move.SUSPEND, None),
        (OFFBOARDED, Move.RESUME, None),
        (OFFBOARDED, Move.OFFBOARD, None),
    ],
)
def test_every_move_from_every_status(status: Status, move: Move, becomes: Status | None) -> None:
    if becomes:
        assert after(status, move, tenant_id="acme") is becomes
        return
    with pytest.raises(TenantStatusError, match="tenant acme") as refused:
        after(status, move, tenant_id="acme")
    assert refused.value.remedy


@pytest.fixture
def acme(committing: psycopg.Connection) -> psycopg.Connection:
    """acme and zeta with a mart, a role, a login and a key each."""
    register(committing, [tenant(), tenant(tenant_id="zeta")])
    committing.execute("create table marts.orders (tenant_id text not null, n int)")
    committing.execute("alter table marts.orders enable row level security")
    committing.execute(
        "create policy own on marts.orders to analytics_tenants using (tenant_id = (select tenancy.current_tenant()))"
    )
    committing.execute("grant select on marts.orders to analytics_tenants")
    for name in ("acme", "zeta"):
        ensure_tenant_role(committing, name)
        committing.execute("insert into marts.orders values (%s, 1)", [name])
        committing.execute(
            "insert into tenancy.write_keys (tenant_id, key_sha256, hint) values (%s, %s, 'adk_')",
            [name, name.encode().hex().ljust(64, "0")],
        )
    return committing


def seen(connection: psycopg.Connection, tenant_id: str) -> int:
    with connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(tenant_role(tenant_id))))
        row = connection.execute("select count(*) from marts.orders").fetchone()
    assert row
    return int(row[0])


def suspend(connection: psycopg.Connection, tenant_id: str = "acme") -> None:
    moving.suspend(connection, tenant_id, actor="ada", reason="unpaid")


def offboard(connection: psycopg.Connection, tenant_id: str = "acme") -> None:
    moving.offboard(connection, tenant_id, actor="ada", reason="left")


def test_a_suspended_tenants_readers_see_nothing_also_in_open_sessions(acme, warehouse):
    with connect(warehouse, autocommit=True) as open_session:
        open_session.execute('set role "analytics_tenant_acme"')
        assert open_session.execute("select count(*) from marts.orders").fetchone() == (1,)
        suspend(acme)
        assert open_session.execute("select count(*) from marts.orders").fetchone() == (0,)
        ensure_tenant_role(acme, "acme")  # as `analytics-dagster sql --tenant` does
        assert open_session.execute("select count(*) from marts.orders").fetchone() == (0,)
        assert seen(acme, "zeta") == 1
        moving.resume(acme, "acme", actor="ada", reason=None)
        assert open_session.execute("select count(*) from marts.orders").fetchone() == (1,)


def test_a_suspension_that_cannot_end_changes_nothing(acme):
    acme.execute("alter table tenancy.publications rename to moved")
    with pytest.raises(psycopg.errors.UndefinedTable):
        suspend(acme)
    assert tenants_by_status(acme, Status.ACTIVE) == ("acme", "zeta")
    assert seen(acme, "acme") == 1
    assert [entry.action for entry in history(acme, "acme")] == ["added"]


def test_a_suspended_tenant_is_not_published_and_its_publication_is_gone(acme):
    publish(acme, "acme")
    suspend(acme)
    assert acme.execute("select count(*) from tenancy.publications").fetchone() == (0,)
    with pytest.raises(NotServedError, match="is suspended") as refused:
        publish(acme, "acme")
    assert "resume" in str(refused.value.remedy)
    moving.resume(acme, "acme", actor="ada", reason="paid")
    assert publish(acme, "acme").row_counts == {"orders": 1}


def test_a_suspension_waits_for_a_publication_and_takes_it_back(acme, warehouse):
    with connect(warehouse) as publishing, ThreadPoolExecutor(1) as pool:
        publish(publishing, "acme")
        begun = threading.Event()

        def later() -> None:
            with connect(warehouse) as connection:
                begun.set()
                suspend(connection)

        waiting = pool.submit(later)
        begun.wait(10)
        publishing.commit()
        waiting.result(30)
    assert acme.execute("select count(*) from tenancy.publications").fetchone() == (0,)
    assert seen(acme, "acme") == 0


def test_the_history_tells_each_move(acme):
    suspend(acme)
    moving.resume(acme, "acme", actor="bob", reason=None)
    offboard(acme)
    told = [(entry.action, entry.actor, entry.reason, entry.before, entry.after) for entry in history(acme, "acme")]
    assert told[:3] == [
        ("offboarded", "ada", "left", {"status": "active"}, {"status": "offboarded"}),
        ("resumed", "bob", None, {"status": "suspended"}, {"status": "active"}),
        ("suspended", "ada", "unpaid", {"status": "active"}, {"status": "suspended"}),
    ]
    assert told[3][:4] == ("added", "deployment", None, None)


def test_offboarding_takes_access_away_and_leaves_data(acme):
    publish(acme, "acme")
    login = f"bi_{acme.info.dbname}"
    acme.execute(sql.SQL("create role {} login in role analytics_tenant_acme").format(sql.Identifier(login)))
    try:
        before = scope(acme, "acme")
        assert before.access.logins == [login]
        assert (before.status, before.published, before.access.keys_in_use) == ("active", True, 1)
        assert before.rows == {"marts.orders": 1}
        assert not before.is_cut_off
        offboard(acme)
        left = scope(acme, "acme")
        assert left.is_cut_off
        assert (left.status, left.published, left.rows) == ("offboarded", False, {"marts.orders": 1})
        assert (left.access.keys_in_use, left.access.keys_revoked, left.access.logins) == (0, 1, [])
        assert not left.access.role_exists
        assert access(acme, "zeta").role_reads
        assert acme.execute("select tenant_id from tenancy.bi_roles").fetchall() == [("zeta",)]
    finally:
        acme.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


def test_offboarding_is_final(acme):
    offboard(acme)
    for again in (
        lambda: offboard(acme),
        lambda: suspend(acme),
        lambda: register(acme, [tenant()]),
        lambda: publish(acme, "acme"),
        lambda: ensure_tenant_role(acme, "acme"),
    ):
        with pytest.raises(AnalyticsError, match=r"offboarded") as refused:
            again()
        assert refused.value.remedy
    assert not access(acme, "acme").role_exists
    assert len(history(acme, "acme")) == 2
    assert tenants_by_status(acme, Status.OFFBOARDED) == ("acme",)


def test_offboarding_an_empty_tenant_without_a_role(committing):
    register(committing, [tenant(tenant_id="empty")])
    assert scope(committing, "empty").rows == {}
    offboard(committing, "empty")
    assert scope(committing, "empty").is_cut_off


def test_a_role_with_rights_by_hand_stops_the_offboarding_whole(acme):
    acme.execute("create table marts.handmade (n int)")
    acme.execute("grant select on marts.handmade to analytics_tenant_acme")
    with pytest.raises(WarehouseError, match=r"cannot be dropped: privileges for table marts\.handmade") as refused:
        offboard(acme)
    assert 'drop owned by "analytics_tenant_acme"' in str(refused.value.remedy)
    assert tenants_by_status(acme, Status.ACTIVE) == ("acme", "zeta")
    assert access(acme, "acme").keys_in_use == 1
    acme.execute("drop owned by analytics_tenant_acme")
    drop_tenant_role(acme, "acme")


@pytest.mark.usefixtures("acme")
def test_two_offboardings_at_once_are_one(warehouse):
    def leave(_: int) -> str:
        try:
            with connect(warehouse) as connection:
                offboard(connection)
        except TenantStatusError as error:
            return error.problem
        return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(leave, range(2)))
    assert outcomes == ["done", "tenant acme was offboarded, and that is final"]


@pytest.mark.parametrize("name", ["nobody", "Robert'); drop table tenancy.tenants; --", "acme\x1b[2J"])
def test_a_tenant_that_is_none(acme: psycopg.Connection, name: str) -> None:
    for ask in (suspend, offboard, scope):
        with pytest.raises(AnalyticsError, match="there is no tenant") as refused:
            ask(acme, name)
        assert refused.value.remedy == "registered are acme, zeta"
