"""Database roles of the readers: all tenants' (`analytics_tenants`), the analyst's, and one for each tenant.

The roles have no login; a BI tool's login (`logins`) is made a member of one of them. Roles belong to the whole
server, so everything here may find that a neighbouring database has done it already. Which role is whose is this
database's own knowledge (tenancy.bi_roles), so that is what a suspension withdraws.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from analytics_dagster.errors import AnalyticsError, WarehouseError

ALL_TENANTS, ANALYST = "analytics_tenants", "analytics_analyst"
TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PROBES = "analytics_probe_"  # logins that prove the isolation, and are gone after it
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
        _require_not_offboarded(connection, tenant_id)
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        _create(connection, role)
        if not _is_member(connection, role, ALL_TENANTS):
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(ALL_TENANTS), sql.Identifier(role)))
        connection.execute(
            "insert into tenancy.bi_roles (role_name, tenant_id, withdrawn_at)"
            " values (%s, %s, (select now() from tenancy.tenants where tenant_id = %s and status = 'suspended'))"
            " on conflict do nothing",
            [role, tenant_id, tenant_id],
        )
        allow_set_role(connection, role)
    return role


def withdraw_tenant_role(connection: psycopg.Connection, tenant_id: str) -> None:
    """From now on the tenant's readers see no row, also in sessions that are open; their logins stay as they are."""
    connection.execute(
        "update tenancy.bi_roles set withdrawn_at = coalesce(withdrawn_at, now()) where tenant_id = %s", [tenant_id]
    )


def restore_tenant_role(connection: psycopg.Connection, tenant_id: str) -> None:
    connection.execute("update tenancy.bi_roles set withdrawn_at = null where tenant_id = %s", [tenant_id])


def drop_tenant_role(connection: psycopg.Connection, tenant_id: str) -> None:
    """The role, its rights and all memberships in it; a BI tool's own login stays, without any right of the tenant."""
    role = tenant_role(tenant_id)
    with connection.transaction(), _explained(connection):
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        connection.execute("delete from tenancy.bi_roles where tenant_id = %s", [tenant_id])
        drop_role(
            connection,
            role,
            f"the role {role}",
            "take back what was granted to it by hand, as an administrator in the database that is named: "
            f'drop owned by "{role}"',
        )


def drop_role(connection: psycopg.Connection, role: str, what: str, remedy: str) -> None:
    """If it is there; what it owns elsewhere stops this, and is named."""
    try:
        with connection.transaction():
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise WarehouseError(
            f"{what} cannot be dropped: {' '.join((error.diag.message_detail or '').split())}",
            where=f"database {connection.info.dbname}",
            remedy=remedy,
        ) from None


def logins_of(connection: psycopg.Connection, tenant_id: str) -> list[str]:
    """Who may log in as the tenant's reader, besides the owner of the warehouse."""
    rows = connection.execute(
        "select m.rolname::text from pg_auth_members as a join pg_roles as m on m.oid = a.member"
        " join pg_roles as r on r.oid = a.roleid"
        " where r.rolname = %s and m.rolcanlogin and m.rolname <> current_user and not starts_with(m.rolname, %s)"
        " order by 1",
        [tenant_role(tenant_id), PROBES],
    )
    return [name for (name,) in rows]


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


def _require_not_offboarded(connection: psycopg.Connection, tenant_id: str) -> None:
    """The row is kept until the end of the transaction: nobody offboards the tenant meanwhile."""
    row = connection.execute(
        "select status from tenancy.tenants where tenant_id = %s for share", [tenant_id]
    ).fetchone()
    if row and row[0] == "offboarded":
        raise AnalyticsError(
            f"tenant {tenant_id} was offboarded, and nobody reads for it", remedy="look as the warehouse's owner"
        )


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
