"""Database roles of the readers: all tenants' (`analytics_tenants`), the analyst's, and one for each tenant.

The roles have no login; a BI tool's login is made a member of one of them. Roles belong to the whole server, so
everything here may find that a neighbouring database has done it already.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from analytics_dagster.errors import AnalyticsError, WarehouseError

ALL_TENANTS, ANALYST = "analytics_tenants", "analytics_analyst"
TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
LOCK = "analytics-dagster roles"
SET_OPTION_SINCE = 160_000  # until 15, membership alone allows SET ROLE, and CREATEROLE may grant any membership


def tenant_role(tenant_id: str) -> str:
    if not TENANT_ID.fullmatch(tenant_id):
        raise AnalyticsError(
            f"{tenant_id!r} is no tenant id", remedy="use 1 to 40 of a-z, 0-9, _ and -, not beginning with _ or -"
        )
    return f"analytics_tenant_{tenant_id}"


def ensure_tenant_role(connection: psycopg.Connection, tenant_id: str) -> str:
    """The role of a registered tenant's readers: there, recognised, and open to this user's SET ROLE."""
    role = tenant_role(tenant_id)
    with connection.transaction(), _explained(connection):
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        _create(connection, role)
        if not _is_member(connection, role, ALL_TENANTS):
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(ALL_TENANTS), sql.Identifier(role)))
        connection.execute(
            "insert into tenancy.bi_roles (role_name, tenant_id) values (%s, %s) on conflict do nothing",
            [role, tenant_id],
        )
        allow_set_role(connection, role)
    return role


def ensure_reader_roles(connection: psycopg.Connection) -> None:
    """Let this user SET ROLE to the roles that the migrations made."""
    with connection.transaction(), _explained(connection):
        for role in (ALL_TENANTS, ANALYST):
            allow_set_role(connection, role)


def allow_set_role(connection: psycopg.Connection, role: str) -> None:
    modern = connection.info.server_version >= SET_OPTION_SINCE
    asked = connection.execute(
        "select pg_has_role(current_user, %s, %s)", [role, "set" if modern else "member"]
    ).fetchone()
    if asked and asked[0]:
        return
    # not inherited where that can be said: the tenants' policies are not meant for the owner of the tables
    option = sql.SQL(" with set true, inherit false") if modern else sql.SQL("")
    connection.execute(sql.SQL("grant {} to current_user{}").format(sql.Identifier(role), option))


def _create(connection: psycopg.Connection, role: str) -> None:
    if connection.execute("select from pg_roles where rolname = %s", [role]).rowcount:
        return
    try:
        with connection.transaction():
            connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        pass  # made by another database's neighbour: the lock above is of this database only


def _is_member(connection: psycopg.Connection, role: str, group: str) -> bool:
    found = connection.execute(
        "select from pg_auth_members where member = %s::regrole and roleid = %s::regrole",
        [sql.Identifier(role).as_string(connection), sql.Identifier(group).as_string(connection)],
    )
    return bool(found.rowcount)


@contextmanager
def _explained(connection: psycopg.Connection) -> Iterator[None]:
    user = connection.info.user
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        modern = connection.info.server_version >= SET_OPTION_SINCE
        grants = "".join(
            f'; grant {role} to "{user}"{" with admin option, set true" if modern else ""}'
            for role in (ALL_TENANTS, ANALYST)
        )
        raise WarehouseError(
            f"the user {user} may not manage the readers' roles: {error.diag.message_primary}",
            where=f"database {connection.info.dbname}",
            remedy=f'as an administrator: alter role "{user}" createrole{grants}',
        ) from None
    except psycopg.errors.ForeignKeyViolation:
        raise AnalyticsError("that tenant is not registered", remedy="register it before its role") from None
