"""URLs: read as libpq reads them, and written so that every library reads the same."""

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from analytics_dagster.errors import SettingsError
from analytics_dagster.warehouse import WarehouseUrl, connect

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
socket_folders = text.map(lambda name: f"/run/{name}")
hosts = st.sampled_from(["localhost", "db.example.com", "10.0.0.1", "::1"]) | socket_folders
urls = st.builds(
    WarehouseUrl,
    user=text,
    database=text,
    host=hosts,
    port=st.integers(1, 65535),
    password=st.none() | text,
    parameters=st.sampled_from(
        [(), (("sslmode", "require"),), (("options", "-c a=b +c"), ("sslrootcert", "/a b&c=d"))]
    ),
)


def essentials(url: WarehouseUrl) -> dict[str, str]:
    parts = {
        "user": url.user,
        "password": url.password,
        "host": url.host,
        "port": str(url.port),
        "dbname": url.database,
    } | dict(url.parameters)
    return {name: value for name, value in parts.items() if value is not None}


@given(urls)
def test_conninfo_says_the_same(url: WarehouseUrl) -> None:
    assert essentials(url).items() <= conninfo_to_dict(url.conninfo()).items()


@given(urls)
def test_sqlalchemy_reads_the_same(url: WarehouseUrl) -> None:
    read = make_url(url.sqlalchemy(driver="psycopg2", schema="dagster"))
    assert (read.drivername, read.username, read.password) == ("postgresql+psycopg2", url.user, url.password)
    assert (read.query.get("host", read.host), read.port, read.database) == (url.host, url.port, url.database)
    for name, value in url.parameters:
        found = read.query[name]
        assert found == value if name != "options" else found == f"{value} -csearch_path=dagster"


@given(urls)
def test_parse_reads_what_libpq_reads(url: WarehouseUrl) -> None:
    written = url.sqlalchemy(driver="psycopg2").replace("+psycopg2", "", 1)
    read = WarehouseUrl.parse(written)
    assert essentials(url).items() <= essentials(read).items()
    libpq = conninfo_to_dict(written)
    assert {name: value for name, value in essentials(read).items() if value} == {
        name: value for name, value in libpq.items() if value
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgresql://u@h/d", WarehouseUrl("u", "d", "h")),
        ("postgres://u:p%40%3A%2F@h:6000/d", WarehouseUrl("u", "d", "h", 6000, "p@:/")),
        ("postgresql://u:a+b@h/d%20e", WarehouseUrl("u", "d e", "h", 5432, "a+b")),
        ("postgresql://u@h/d?options=x+y", WarehouseUrl("u", "d", "h", parameters=(("options", "x+y"),))),
        ("postgresql://u@[::1]:6000/d", WarehouseUrl("u", "d", "::1", 6000)),
        ("postgresql://u@[::1]/d", WarehouseUrl("u", "d", "::1")),
        ("postgresql://u@%2Frun%2FBig/d", WarehouseUrl("u", "d", "/run/Big")),
        ("postgresql://u@/d?host=/run/Big&port=6000", WarehouseUrl("u", "d", "/run/Big", 6000)),
        ("postgresql:///d?user=u&password=p", WarehouseUrl("u", "d", "localhost", 5432, "p")),
        (" postgresql://u:p@ss@h/d\n", WarehouseUrl("u", "d", "h", 5432, "p@ss")),
    ],
)  # fmt: skip
def test_parse(written: str, read: WarehouseUrl) -> None:
    assert WarehouseUrl.parse(written) == read


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "not a postgresql:// address"),
        ("mysql://u:secret@h/d", "not a postgresql:// address"),
        ("postgresql://h/d", "no user or no database"),
        ("postgresql://u:secret@h", "no user or no database"),
        ("postgresql://u:se/cret@h/d", "a port that is no number|no user or no database"),
        ("postgresql://u:secret#@h/d", "# that is not percent-encoded"),
        ("postgresql://u:secret@h:x/d", "port that is no number"),
        ("postgresql://u:secret@h:0/d", "port that is no number"),
        ("postgresql://u:secret@h:70000/d", "port that is no number"),
        ("postgresql://u:secret@h/d?port=x", "port that is no number"),
        ("postgresql://u:secret@h1:1,h2:2/d", "port that is no number"),
        ("postgresql://u:secret@[::1/d", "is not an address"),
        ("postgresql://u:secret@[::1]x/d", "not written as|is not an address"),
        ("postgresql://u:secret@h/d?sslmode", "parameter without a value"),
        ("postgresql://u:secret@h/d?colour=red", 'invalid connection option "colour"'),
        ("postgresql://u:secret@h/d%00e", "zero byte"),
    ],
)
def test_what_cannot_work_is_said_without_the_password(written: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        WarehouseUrl.parse(written)
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_the_password_does_not_show() -> None:
    assert "geheim" not in repr(WarehouseUrl("u", "d", "h", password="geheim"))


def test_a_schema_and_dbt() -> None:
    url = WarehouseUrl("u", "d", "h", password="p", parameters=(("sslmode", "require"),))
    assert "options=-csearch_path%3Dmlflow" in url.sqlalchemy(driver="psycopg2", schema="mlflow")
    assert url.dbt_environment()["WAREHOUSE_SSLMODE"] == "require"
    assert url.dbt_environment()["DBT_ENV_SECRET_WAREHOUSE_PASSWORD"] == "p"


def test_variables_for_another_server_lead_nobody_astray(
    warehouse: WarehouseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "nowhere.invalid",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "nothing",
        "PGCLIENTENCODING": "latin1",
        "PGTARGETSESSIONATTRS": "standby",
        "PGTZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, value)
    with connect(warehouse) as connection:
        assert connection.execute("select 'ä', current_setting('timezone')").fetchone() == ("ä", "UTC")
    for driver in ("psycopg", "psycopg2"):
        engine = sqlalchemy.create_engine(warehouse.sqlalchemy(driver=driver, schema="tenancy"))
        with engine.connect() as opened:
            assert opened.execute(sqlalchemy.text("select current_schema()")).scalar() == "tenancy"
        engine.dispose()
