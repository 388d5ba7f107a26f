"""Connections: what a person reads when there is none, and what a connection is like."""

import os
import socket
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from analytics_dagster.errors import TransientError, WarehouseError, WarehouseUnreachableError
from analytics_dagster.warehouse import WarehouseUrl, connect, migrate
from analytics_dagster.warehouse.connection import explained, require_supported

URL = WarehouseUrl("somebody", "shop", "db.example.com", password="geheim")


def test_a_connection_is_in_utc_and_asks_after_its_client(warehouse: WarehouseUrl) -> None:
    with connect(warehouse) as connection:
        found = connection.execute(
            "select current_setting('timezone'), current_setting('client_connection_check_interval'),"
            " current_setting('application_name')"
        ).fetchone()
    assert found == ("UTC", "2s", "analytics-dagster")


def test_a_block_is_a_transaction(warehouse: WarehouseUrl) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), connect(warehouse) as connection:
        connection.execute("create table lost (); select 1 / 0")
    with connect(warehouse) as connection:
        assert connection.execute("select to_regclass('lost')").fetchone() == (None,)
    assert connection.closed


def test_a_commit_that_fails_closes_the_connection_too(warehouse: WarehouseUrl) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), connect(warehouse) as connection:
        connection.execute("create table once (n int unique initially deferred); insert into once values (1), (1)")
    assert connection.closed


def test_the_url_s_own_parameters_win(warehouse: WarehouseUrl) -> None:
    own = replace(warehouse, parameters=(("application_name", "mine"), ("options", "-c work_mem=5MB")))
    with connect(own) as connection:
        assert connection.execute("show application_name").fetchone() == ("mine",)
        assert connection.execute("show work_mem").fetchone() == ("5MB",)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = replace(URL, host="127.0.0.1", port=free.getsockname()[1])
        with (
            pytest.raises(
                WarehouseUnreachableError, match=r"does not answer \(somebody@127.0.0.1:\d+/shop\)"
            ) as caught,
            connect(url),
        ):
            pass
    assert isinstance(caught.value, TransientError)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"database": "missing"}, 'database "missing" does not exist'),
        ({"user": "missing"}, 'role "missing" does not exist'),
    ],
)
def test_a_refused_login(warehouse: WarehouseUrl, change: dict[str, str], said: str) -> None:
    with pytest.raises(WarehouseError, match=said) as caught, connect(replace(warehouse, **change)):
        pass
    assert "ANALYTICS_WAREHOUSE_URL" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('FATAL:  password authentication failed for user "x"', WarehouseError),
        ("fe_sendauth: no password supplied", WarehouseError),
        ("server does not support SSL, but SSL was required", WarehouseError),
        ("FATAL:  the database system is starting up", WarehouseUnreachableError),
        ("FATAL:  the database system is shutting down", WarehouseUnreachableError),
        ("FATAL:  the database system is in recovery mode", WarehouseUnreachableError),
        ("FATAL:  sorry, too many clients already", WarehouseUnreachableError),
        ("FATAL:  remaining connection slots are reserved", WarehouseUnreachableError),
        ("server closed the connection unexpectedly", WarehouseUnreachableError),
        ("connection timeout expired", WarehouseUnreachableError),
        ("", WarehouseUnreachableError),
    ],
)
def test_lasting_and_passing_refusals_are_told_apart(said: str, kind: type[Exception]) -> None:
    assert type(explained(said, URL)) is kind


@pytest.mark.parametrize(("version", "fits"), [(140_022, False), (90_624, False), (150_000, True), (180_006, True)])
def test_how_old_a_server_may_be(version: int, fits: bool) -> None:
    if fits:
        require_supported(version, where="here")
    else:
        with pytest.raises(WarehouseError, match=rf"PostgreSQL {version // 10_000} is too old \(here\)\n.*15 or newer"):
            require_supported(version, where="here")


def test_a_user_without_rights_is_told_once_what_to_ask_for(server: WarehouseUrl) -> None:
    name, role = f"bare_{os.getpid()}", f"unprivileged_{os.getpid()}"
    identifier = sql.Identifier(role)
    with connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login").format(identifier))
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            with (
                pytest.raises(WarehouseError) as caught,
                connect(replace(server, database=name, user=role)) as connection,
            ):
                migrate(connection)
            for word in (role, "lacks rights", f'grant create on database "{name}"', "createrole"):
                assert word in str(caught.value)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            admin.execute(sql.SQL("drop role {}").format(identifier))
