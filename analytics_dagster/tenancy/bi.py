"""Logins for BI tools: granted to a tenant's readers or to the analyst, listed, and revoked with their open sessions.

Each act is written to tenancy.bi_login_history in its transaction. How a login is made is `warehouse.logins`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.tenancy.registry import entry, unknown
from analytics_dagster.warehouse.logins import (
    Limits,
    check_name,
    create_login,
    drop_login,
    end_sessions,
    login_exists,
    new_password,
    shut_login,
)
from analytics_dagster.warehouse.open_doors import OpenDoor, close_doors
from analytics_dagster.warehouse.roles import ANALYST, ensure_reader_roles, ensure_tenant_role

Action = Literal["granted", "revoked"]

GRANTED = """
with last_entries as (
    select distinct on (login) login, tenant_id, at, actor, action
    from tenancy.bi_login_history
    order by login, entry_id desc
)
select
    l.login,
    l.tenant_id,
    l.at as granted_at,
    l.actor as granted_by,
    coalesce(r.rolcanlogin, false) as open,
    b.withdrawn_at is not null as withdrawn,
    coalesce(r.rolconnlimit, 0) as most_sessions,
    (select count(*) from pg_stat_activity as a where a.usesysid = r.oid)::int as sessions
from last_entries as l
left join pg_roles as r on r.rolname = l.login
left join tenancy.bi_roles as b on b.role_name = l.login
where l.action = 'granted'
order by l.tenant_id collate "C" nulls first, l.login collate "C"
"""


@dataclass(frozen=True)
class Granted:
    login: str
    password: str
    tenant_id: str | None  # None: the analyst's
    limits: Limits
    still_open: Sequence[OpenDoor]


@dataclass(frozen=True)
class BiLogin:
    login: str
    tenant_id: str | None
    granted_at: datetime
    granted_by: str
    open: bool  # somebody can log in by it
    withdrawn: bool  # its tenant is suspended: it sees no row
    most_sessions: int
    sessions: int


@dataclass(frozen=True)
class Revoked:
    login: str
    tenant_id: str | None
    sessions_ended: int


def grant(
    connection: psycopg.Connection, tenant_id: str | None, *, login: str | None, limits: Limits, actor: str
) -> Granted:
    """A login for a tenant's readers, or (without a tenant) for the analyst. Its password is in the answer only."""
    login = check_name(login or f"bi_{tenant_id or 'analyst'}")
    password = new_password()
    with connection.transaction():
        if tenant_id is not None and entry(connection, tenant_id) is None:
            raise unknown(connection, tenant_id)
        ensure_reader_roles(connection)
        role = ANALYST if tenant_id is None else ensure_tenant_role(connection, tenant_id)
        still_open = close_doors(connection)
        create_login(connection, login, role, password, limits)
        if tenant_id is not None:
            recognise(connection, login, role)
        _record(connection, "granted", login, tenant_id, actor, limits)
    return Granted(login, password, tenant_id, limits, still_open)


def recognise(connection: psycopg.Connection, login: str, role: str) -> None:
    """From now on the login sees what the tenant's role sees: nothing while the tenant is suspended."""
    connection.execute(
        "insert into tenancy.bi_roles (role_name, tenant_id, withdrawn_at)"
        " select %s, tenant_id, withdrawn_at from tenancy.bi_roles where role_name = %s",
        [login, role],
    )


def revoke(connection: psycopg.Connection, name: str, *, actor: str) -> list[Revoked]:
    """Take away a login, or all of a tenant's. Asks for a connection in autocommit: nobody may come in between."""
    there = bi_logins(connection)
    found = [known for known in there if known.login == name] or [known for known in there if known.tenant_id == name]
    if not found:
        raise AnalyticsError(
            f"no login was granted to {name!r} or by that name",
            remedy="analytics-dagster bi list shows them; a role that was made by hand is dropped by hand",
        )
    for known in found:
        with connection.transaction():
            connection.execute("delete from tenancy.bi_roles where role_name = %s", [known.login])
            shut_login(connection, known.login)
    return [_take_away(connection, known, actor) for known in found]


def revoke_all_of(connection: psycopg.Connection, tenant_id: str, *, actor: str) -> list[Revoked]:
    """In the transaction of the tenant's end. A session that came in meanwhile has lost its rights by that end."""
    found = [known for known in bi_logins(connection) if known.tenant_id == tenant_id]
    for known in found:
        shut_login(connection, known.login)
    return [_take_away(connection, known, actor) for known in found]


def bi_logins(connection: psycopg.Connection) -> list[BiLogin]:
    """Every login that was granted and not revoked."""
    with connection.cursor(row_factory=class_row(BiLogin)) as cursor:
        return cursor.execute(GRANTED.encode()).fetchall()


def _take_away(connection: psycopg.Connection, known: BiLogin, actor: str) -> Revoked:
    sessions = end_sessions(connection, known.login) if login_exists(connection, known.login) else 0
    with connection.transaction():
        drop_login(connection, known.login)
        _record(connection, "revoked", known.login, known.tenant_id, actor, None)
    return Revoked(known.login, known.tenant_id, sessions)


def _record(
    connection: psycopg.Connection,
    action: Action,
    login: str,
    tenant_id: str | None,
    actor: str,
    limits: Limits | None,
) -> None:
    connection.execute(
        "insert into tenancy.bi_login_history (actor, action, login, tenant_id, limits) values (%s, %s, %s, %s, %s)",
        [actor, action, login, tenant_id, None if limits is None else Jsonb(asdict(limits))],
    )
