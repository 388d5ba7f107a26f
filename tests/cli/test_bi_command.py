"""The command `bi`, as an operator and a script use it: what it prints is enough to connect, as BI tools do."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest
import sqlalchemy
from click.testing import Result
from typer.testing import CliRunner

from analytics_dagster.cli import app
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import settings
from analytics_dagster.warehouse import EmbeddedServer, WarehouseUrl, connect, migrate

Bi = Callable[..., Result]


@pytest.fixture
def bi(warehouse: WarehouseUrl, tmp_path: Path) -> Iterator[Bi]:
    (tmp_path / "tenants").mkdir()
    given = {
        "ANALYTICS_WAREHOUSE_URL": warehouse.text(with_password=True),
        "ANALYTICS_STATE_DIR": str(tmp_path / "state"),
        "ANALYTICS_TENANTS_DIR": str(tmp_path / "tenants"),
        "LOGNAME": "ada",
    }
    (tmp_path / "state").mkdir()
    with connect(warehouse) as connection:
        migrate(connection)
        _fill(connection)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, ["bi", *words], terminal_width=200)

    with patch.dict(os.environ, given):
        settings.cache_clear()
        yield invoke
        for known in json.loads(invoke("list", "--json").stdout):
            invoke("revoke", known["login"])
    settings.cache_clear()


def _fill(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table marts.orders (tenant_id text not null, n int);"
        "alter table marts.orders enable row level security; alter table marts.orders force row level security;"
        "create policy own on marts.orders for select to analytics_tenants"
        " using (tenant_id = (select tenancy.current_tenant()));"
        "grant select on marts.orders to analytics_tenants; comment on column marts.orders.n is 'How many.'"
    )
    for tenant_id in ("kirana", "tonewave"):
        connection.execute(
            "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region,"
            " configuration) values (%s, 'T', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', %s)",
            [
                tenant_id,
                json.dumps(
                    {"tenant_id": tenant_id, "name": "T", "kind": "shop", "tier": "free", "time_zone": "UTC"}
                    | {"currency": "EUR", "plan": "free", "region": "eu"}
                ),
            ],
        )
        connection.execute("insert into marts.orders values (%s, 1)", [tenant_id])


def test_what_is_printed_is_enough_for_sqlalchemy_and_its_reflection(bi: Bi) -> None:
    done = bi("grant", "kirana", "--json")
    assert done.exit_code == 0, done.output
    parts = json.loads(done.stdout)
    assert {"host", "port", "database", "schema", "user", "password", "sslmode", "url"} == set(parts)
    address = sqlalchemy.make_url(parts["url"].replace("postgresql://", "postgresql+psycopg2://", 1))
    engine = sqlalchemy.create_engine(address)
    try:
        inspector = sqlalchemy.inspect(engine)
        assert inspector.default_schema_name == "marts"
        assert inspector.get_table_names(schema="marts") == ["orders"]
        columns = inspector.get_columns("orders", schema="marts")
        assert [(column["name"], column["comment"]) for column in columns] == [("tenant_id", None), ("n", "How many.")]
        orders = sqlalchemy.Table("orders", sqlalchemy.MetaData(), autoload_with=engine, schema="marts")
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.select(orders)).all() == [("kirana", 1)]
    finally:
        engine.dispose()


def test_the_password_is_shown_once(bi: Bi) -> None:
    shown = bi("grant", "kirana", "--login", "kirana-dashboards", "--connections", "3")
    assert shown.exit_code == 0, shown.output
    assert "shown this once" in shown.stderr
    (password,) = [line.split("│")[1].strip() for line in shown.stdout.splitlines() if line.startswith("password")]
    assert len(password) >= 32
    listed = bi("list")
    assert "kirana-dashboards" in listed.stdout
    assert "0 of 3" in listed.stdout
    assert password not in listed.output + bi("list", "--json").output


def test_granted_listed_revoked(bi: Bi) -> None:
    bi("grant", "kirana")
    bi("grant", "--analyst")
    known = json.loads(bi("list", "--json").stdout)
    assert [(one["login"], one["tenant_id"], one["granted_by"], one["open"]) for one in known] == [
        ("bi_analyst", None, "ada", True),
        ("bi_kirana", "kirana", "ada", True),
    ]
    assert json.loads(bi("revoke", "kirana", "--json").stdout) == [
        {"login": "bi_kirana", "tenant_id": "kirana", "sessions_ended": 0}
    ]
    assert "bi_analyst" in bi("revoke", "bi_analyst").stdout
    assert json.loads(bi("list", "--json").stdout) == []


def test_states_that_are_not_open_are_said(bi: Bi, warehouse: WarehouseUrl) -> None:
    bi("grant", "kirana")
    bi("grant", "tonewave")
    with connect(warehouse) as connection:
        connection.execute("update tenancy.bi_roles set withdrawn_at = now() where tenant_id = 'kirana'")
        connection.execute("drop role bi_tonewave")
    listed = bi("list").stdout
    assert "sees nothing: suspended" in listed
    assert "gone: revoke it" in listed


@pytest.mark.parametrize(
    "words", [["grant"], ["grant", "kirana", "--analyst"], ["grant", "kirana", "--connections", "0"]]
)
def test_wrong_use(bi: Bi, words: list[str]) -> None:
    assert bi(*words).exit_code == 2


def test_unknown_tenants_are_refused(bi: Bi) -> None:
    done = bi("grant", "nobody")
    assert isinstance(done.exception, AnalyticsError)
    assert done.exit_code == 1


@pytest.mark.parametrize("port", ["0", "55910"])
def test_how_the_embedded_server_is_reached_is_said(tmp_path: Path, port: str) -> None:
    """By password over TCP; by its folder where there is no port."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "tenants").mkdir()
    given = {
        "ANALYTICS_STATE_DIR": str(state),
        "ANALYTICS_EMBEDDED_PORT": port,
        "ANALYTICS_TENANTS_DIR": str(tmp_path / "tenants"),
    }
    with patch.dict(os.environ, given):
        os.environ.pop("ANALYTICS_WAREHOUSE_URL", None)
        settings.cache_clear()
        server = EmbeddedServer(settings().embedded_data_dir, port=int(port), durable=False, linger=0)
        with server as url:
            with connect(url) as connection:
                migrate(connection)
                _fill(connection)
            done = CliRunner().invoke(app, ["bi", "grant", "kirana", "--json"])
            assert done.exit_code == 0, done.output
            parts = json.loads(done.stdout)
            with psycopg.connect(parts["url"]) as reader:
                assert reader.execute("select tenant_id from orders").fetchall() == [("kirana",)]
            if port == "0":
                assert parts["host"].startswith("/")
                assert "has no port" in done.stderr
            else:
                assert parts["host"] == "127.0.0.1"
                assert "listens for this machine only" in done.stderr
                with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                    psycopg.connect(parts["url"].replace(parts["password"], "wrong"))
            CliRunner().invoke(app, ["bi", "revoke", "kirana"])
        from analytics_dagster.warehouse import access

        for other in access._servers.values():
            if other.home == server.home:
                other.release()
        assert server.wait_until_stopped(20)
    settings.cache_clear()
