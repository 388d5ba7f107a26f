"""One address of a PostgreSQL, said in the dialects that our libraries speak.

psycopg and dbt take parts, Dagster's storage wants psycopg2 named (SQLAlchemy 2.1 reads a bare
`postgresql://` as psycopg 3, which dagster-postgres cannot use), MLflow wants a schema of its own.
"""

from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import quote, unquote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from analytics_dagster.errors import SettingsError

DEFAULT_PORT = 5432
HIGHEST_PORT = 65_535
REMEDY = (
    "write it as postgresql://user:password@host:5432/database, with any of : / @ # ? % in a part of it percent-encoded"
)
# Variables of the environment that are meant for another server must not change what we read: libpq takes these from
# the environment unless they are given. (PGHOSTADDR, which wins over any host, is dropped in `access`.)
NOT_FROM_ENVIRONMENT = {"target_session_attrs": "any", "client_encoding": "utf8"}


@dataclass(frozen=True)
class WarehouseUrl:
    user: str
    database: str
    host: str  # a host name or address, or the folder of a Unix socket
    port: int = DEFAULT_PORT
    password: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[str, str], ...] = ()  # libpq's own, such as sslmode

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL as libpq does. What is wrong is said without repeating the URL: it holds a password."""
        try:
            parts = urlsplit(text.strip())
        except ValueError:
            raise _wrong("is not an address") from None
        if parts.scheme not in {"postgresql", "postgres"}:
            raise _wrong("is not a postgresql:// address")
        if parts.fragment:
            raise _wrong("has a # that is not percent-encoded")
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        host, port = _host_and_port(place)
        named = _parameters(parts.query)
        named = {
            "user": unquote(user),
            "password": unquote(password),
            "host": unquote(host),
            "port": port,
            "dbname": unquote(parts.path.removeprefix("/")),
        } | named
        found = cls(
            user=named.pop("user"),
            password=named.pop("password") or None,
            host=named.pop("host") or "localhost",
            port=_port(named.pop("port")),
            database=named.pop("dbname"),
            parameters=tuple(sorted(named.items())),
        )
        if not found.user or not found.database:
            raise _wrong("names no user or no database")
        if "\0" in unquote(text):
            raise _wrong("holds a zero byte")
        try:
            found.conninfo()
        except psycopg.ProgrammingError as error:  # names the parameter, not its value
            raise _wrong(f"cannot be used: {str(error).strip()}") from None
        return found

    def conninfo(self, **extra: str) -> str:
        """What psycopg and libpq connect with."""
        return make_conninfo(
            "",
            **NOT_FROM_ENVIRONMENT
            | {
                "host": self.host,
                "port": self.port,
                "user": self.user,
                "password": self.password,
                "dbname": self.database,
            }
            | dict(self.parameters)
            | extra,
        )

    def text(self, *, with_password: bool = False) -> str:
        """The address as libpq, psql and most BI tools read it."""
        address = self if with_password else replace(self, password=None)
        return address.sqlalchemy(driver="none").replace("postgresql+none://", "postgresql://", 1)

    def sqlalchemy(self, *, driver: str, schema: str | None = None) -> str:
        """What SQLAlchemy connects with; `schema` becomes the place where unqualified names live."""
        query = NOT_FROM_ENVIRONMENT | dict(self.parameters)
        if schema:
            query["options"] = f"{query.get('options', '')} -csearch_path={schema}".strip()
        # a socket folder is no host name of an address; some libraries insist on one, so it says localhost
        host = self.host
        if host.startswith("/"):
            query["host"], host = host, "localhost"
        login = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        netloc = f"[{host}]" if ":" in host else host
        return (
            f"postgresql+{driver}://{login}@{netloc}:{self.port}/{quote(self.database, safe='')}"
            f"?{urlencode(query, quote_via=quote, safe='')}"
        )

    def dbt_environment(self) -> dict[str, str]:
        """What dbt_project/profiles.yml reads. dbt masks variables that begin with DBT_ENV_SECRET_ in logs."""
        parameters = dict(self.parameters)
        return {
            "DBT_ENV_SECRET_WAREHOUSE_PASSWORD": self.password or "",
            "WAREHOUSE_HOST": self.host,
            "WAREHOUSE_PORT": str(self.port),
            "WAREHOUSE_USER": self.user,
            "WAREHOUSE_DATABASE": self.database,
            "WAREHOUSE_SSLMODE": parameters.get("sslmode", "prefer"),
        }


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise _wrong("has a host that is not written as [address]:port")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port


def _port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= HIGHEST_PORT:
        raise _wrong("has a port that is no number from 1 to 65535")
    return int(text)


def _parameters(query: str) -> dict[str, str]:
    """The part behind the question mark. As in libpq, a plus is a plus and not a space."""
    found = {}
    for item in filter(None, query.split("&")):
        name, equals, value = item.partition("=")
        if not equals:
            raise _wrong("has a parameter without a value")
        found[unquote(name)] = unquote(value)
    return found


def _wrong(problem: str) -> SettingsError:
    return SettingsError(f"ANALYTICS_WAREHOUSE_URL {problem}", remedy=REMEDY)
