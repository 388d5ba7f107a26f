"""One address of a PostgreSQL, said in the dialects that our libraries speak.

psycopg and dbt take parts, Dagster's storage wants psycopg2 named (SQLAlchemy 2.1 reads a bare
`postgresql://` as psycopg 3, which dagster-postgres cannot use), MLflow wants a schema of its own.
"""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from psycopg.conninfo import make_conninfo

from analytics_dagster.errors import SettingsError


@dataclass(frozen=True)
class WarehouseUrl:
    user: str
    database: str
    host: str  # a host name, or the folder of a Unix socket
    port: int = 5432
    password: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[str, str], ...] = ()  # libpq's own, such as sslmode

    @classmethod
    def parse(cls, text: str) -> Self:
        remedy = "write it as postgresql://user:password@host:5432/database"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise SettingsError(f"ANALYTICS_WAREHOUSE_URL: {error}", remedy=remedy) from None
        if parts.scheme not in {"postgresql", "postgres"}:
            raise SettingsError("ANALYTICS_WAREHOUSE_URL is not a postgresql:// address", remedy=remedy)
        parameters = dict(parse_qsl(parts.query))
        host = parameters.pop("host", None) or unquote(parts.hostname or "") or "localhost"
        database = unquote(parts.path.lstrip("/"))
        if not parts.username or not database:
            raise SettingsError("ANALYTICS_WAREHOUSE_URL names no user or no database", remedy=remedy)
        return cls(
            user=unquote(parts.username),
            password=unquote(parts.password) if parts.password else None,
            host=host,
            port=int(parameters.pop("port", 0)) or port or 5432,
            database=database,
            parameters=tuple(sorted(parameters.items())),
        )

    def conninfo(self, **extra: str) -> str:
        """What psycopg and libpq connect with."""
        return make_conninfo(
            "",
            **{
                "host": self.host,
                "port": self.port,
                "user": self.user,
                "password": self.password,
                "dbname": self.database,
                **dict(self.parameters),
                **extra,
            },
        )

    def sqlalchemy(self, *, driver: str, schema: str | None = None) -> str:
        """What SQLAlchemy connects with; `schema` becomes the place where unqualified names live."""
        query = dict(self.parameters)
        if schema:
            query["options"] = f"{query.get('options', '')} -csearch_path={schema}".strip()
        # a socket folder is no host name of an address; some libraries insist on one, so it says localhost
        host = self.host
        if host.startswith("/"):
            query["host"], host = host, "localhost"
        login = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        query_text = f"?{urlencode(query, quote_via=quote)}" if query else ""
        netloc = f"[{host}]" if ":" in host else host
        return (
            f"postgresql+{driver}://{login}@{netloc}:{self.port}/{quote(self.database, safe='')}{query_text}"
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
