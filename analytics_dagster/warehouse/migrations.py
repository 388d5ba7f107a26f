"""SQL migrations: numbered files, each applied once, in one transaction, under an advisory lock.

A file that was applied is never edited: its checksum is kept and compared. Where the server has the extension citus,
tables that do not lie yet where pipeline.placements says are placed, whenever they or the extension came.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql

from analytics_dagster.errors import WarehouseError

LOCK = "analytics-dagster migrations"
BOOKKEEPING = """
create schema if not exists platform;
create table if not exists platform.migrations (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
);
"""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def available() -> list[Migration]:
    folder = resources.files("analytics_dagster.warehouse") / "migrations"
    found = [
        Migration(int(file.name.split("_", 1)[0]), file.name, file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(connection: psycopg.Connection, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing, all or nothing; return the names of what was applied, and what was placed."""
    migrations = available() if migrations is None else migrations
    applied_now = []
    try:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
            connection.execute(BOOKKEEPING)
            applied: dict[int, str] = dict(
                connection.execute("select number, sha256 from platform.migrations").fetchall()
            )
            for migration in migrations:
                if migration.number not in applied:
                    connection.execute(sql.SQL(migration.text))
                    connection.execute(
                        "insert into platform.migrations (number, name, sha256) values (%s, %s, %s)",
                        [migration.number, migration.name, migration.sha256],
                    )
                    applied_now.append(migration.name)
                elif applied[migration.number] != migration.sha256:
                    raise WarehouseError(
                        f"migration {migration.name} was edited after it had been applied",
                        remedy="restore the file and put the change into a new migration",
                    )
            applied_now += [placed for (placed,) in connection.execute("select placed from pipeline.distribute_all()")]
    except psycopg.errors.InsufficientPrivilege as error:
        raise WarehouseError(
            f"the user {connection.info.user} lacks rights: {error.diag.message_primary}",
            where=f"database {connection.info.dbname}",
            remedy=f'as an administrator: grant create on database "{connection.info.dbname}" to '
            f'"{connection.info.user}"; alter role "{connection.info.user}" createrole',
        ) from None
    return applied_now
