"""Logins of the readers' roles: database users with a password, a few connections and little time.

A login inherits from a reader's role (`roles`) and cannot become another one. What stands here makes, shuts and drops
it; whose it is and who asked for it is `tenancy.bi`.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from analytics_dagster.errors import AnalyticsError, WarehouseError
from analytics_dagster.warehouse.roles import SET_OPTION_SINCE, drop_role

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
RESERVED = ("pg_", "analytics")
PASSWORD_BYTES = 24
SESSIONS_END_WITHIN = 5_000  # milliseconds


@dataclass(frozen=True)
class Limits:
    """What keeps a dashboard's mistake from being everybody's. PostgreSQL enforces the connections; a session may SET
    the rest to something else."""

    connections: int = 10
    statement_seconds: int = 60
    idle_in_transaction_seconds: int = 60
    idle_session_seconds: int = 1800

    def settings(self) -> dict[str, str]:
        return {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{self.statement_seconds}s",
            "idle_in_transaction_session_timeout": f"{self.idle_in_transaction_seconds}s",
            "idle_session_timeout": f"{self.idle_session_seconds}s",
            # not `public`: an unqualified name must mean the mart and nothing that somebody else has made
            "search_path": "marts",
        }


def check_name(login: str) -> str:
    if not NAME.fullmatch(login) or login.startswith(RESERVED):
        raise AnalyticsError(
            f"{login!r} is no name for a login",
            remedy=f"use 1 to 63 of a-z, 0-9, _ and -, beginning with a letter and not with {' or '.join(RESERVED)}",
        )
    return login


def new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def create_login(connection: psycopg.Connection, login: str, role: str, password: str, limits: Limits) -> None:
    """A user that inherits `role`. The server is told a verifier: the password itself is in no statement and no log."""
    name = sql.Identifier(login)
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    with connection.transaction(), _explained(connection, role):
        try:
            connection.execute(
                sql.SQL("create role {} login password {} connection limit {}").format(
                    name, sql.Literal(verifier), sql.Literal(limits.connections)
                )
            )
        except psycopg.errors.DuplicateObject:
            raise AnalyticsError(
                f"there is a database user {login} on this server already",
                remedy="choose another name with --login, or take it away first: analytics-dagster bi revoke",
            ) from None
        # inherited and not to be SET, where that can be said: a login of this database is nobody in a neighbouring one
        modern = connection.info.server_version >= SET_OPTION_SINCE
        option = sql.SQL(" with inherit true, set false") if modern else sql.SQL("")
        connection.execute(sql.SQL("grant {} to {}{}").format(sql.Identifier(role), name, option))
        for setting, value in limits.settings().items():
            connection.execute(sql.SQL("alter role {} set {} = {}").format(name, sql.SQL(setting), sql.Literal(value)))


def shut_login(connection: psycopg.Connection, login: str) -> None:
    """From the end of this transaction on nobody logs in by it, and `end_sessions` may be called."""
    if not login_exists(connection, login):
        return
    name = sql.Identifier(login)
    with connection.transaction(), _explained(connection, login):
        connection.execute(sql.SQL("alter role {} nologin").format(name))
        asked = connection.execute("select pg_has_role(current_user, %s, 'usage')", [login]).fetchone()
        if not (asked and asked[0]):  # whoever ends a session must have the rights of its user
            modern = connection.info.server_version >= SET_OPTION_SINCE
            option = sql.SQL(" with inherit true, set false") if modern else sql.SQL("")
            connection.execute(sql.SQL("grant {} to current_user{}").format(name, option))


def end_sessions(connection: psycopg.Connection, login: str) -> int:
    ended = connection.execute(
        "select pg_terminate_backend(pid, %s) from pg_stat_activity where usename = %s", [SESSIONS_END_WITHIN, login]
    )
    return ended.rowcount


def drop_login(connection: psycopg.Connection, login: str) -> None:
    with connection.transaction(), _explained(connection, login):
        drop_role(
            connection,
            login,
            f"the login {login}",
            "nobody can log in by it any more. Take back what was granted to it by hand, as an administrator"
            f' in the database that is named: drop owned by "{login}"; then repeat this',
        )


def login_exists(connection: psycopg.Connection, login: str) -> bool:
    return bool(connection.execute("select from pg_roles where rolname = %s", [login]).rowcount)


@contextmanager
def _explained(connection: psycopg.Connection, role: str) -> Iterator[None]:
    user = connection.info.user
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise WarehouseError(
            f"the user {user} may not manage logins: {error.diag.message_primary}",
            where=f"database {connection.info.dbname}",
            remedy=f'as an administrator: alter role "{user}" createrole; grant "{role}" to "{user}" with admin option',
        ) from None
