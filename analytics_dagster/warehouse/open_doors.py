"""What PostgreSQL lets everybody do in a database, and a reader must not: it shows no row, but it is in others' way.

Closed where this user may; the rest is said with the statement for an administrator. What shows rows is
`tenancy.reach`.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

READERS = ("analytics_tenants", "analytics_analyst")
FUNCTIONS = """
select p.oid::regprocedure::text from pg_proc as p
where p.pronamespace = 'pg_catalog'::regnamespace and p.proname like any (%(names)s)
    and exists (
        select from unnest(%(readers)s::text[]) as r (name) where has_function_privilege(r.name, p.oid, 'execute')
    )
order by 1
"""
RIGHT = """
select exists (
    select from unnest(%(readers)s::text[]) as r (name)
    where has_database_privilege(r.name, current_database(), 'temporary')
),
exists (
    select from unnest(%(readers)s::text[]) as r (name)
    where to_regnamespace('public') is not null and has_schema_privilege(r.name, to_regnamespace('public'), 'create')
)
"""


@dataclass(frozen=True)
class OpenDoor:
    what: str
    close: str  # SQL

    def __str__(self) -> str:
        return f"readers can {self.what} → as an administrator: {self.close}"


def open_doors(connection: psycopg.Connection) -> list[OpenDoor]:
    """What readers can do here besides reading."""
    database = sql.Identifier(connection.info.dbname).as_string(connection)
    user = sql.Identifier(connection.info.user).as_string(connection)
    asked: dict[str, object] = {"readers": list(READERS)}
    temporary, create = connection.execute(RIGHT.encode(), asked).fetchone() or (False, False)
    doors = []
    if temporary:
        doors.append(
            OpenDoor(
                "fill the disk with temporary tables",
                f"revoke temporary on database {database} from public; "
                f"grant temporary on database {database} to {user}",
            )
        )
    if create:
        doors.append(OpenDoor("make tables in the schema public", "revoke create on schema public from public"))
    for what, names in (
        ("take the advisory locks that loads and builds wait for", ["pg\\_%advisory\\_%"]),
        ("fill the disk with large objects", ["lo\\_creat%", "lo\\_from\\_bytea"]),
    ):
        found = connection.execute(FUNCTIONS.encode(), asked | {"names": names}).fetchall()
        if found:
            functions = ", ".join(f"pg_catalog.{name}" for (name,) in found)
            doors.append(
                OpenDoor(
                    what,
                    f"revoke execute on function {functions} from public; "
                    f"grant execute on function {functions} to {user}",
                )
            )
    return doors


def close_doors(connection: psycopg.Connection) -> list[OpenDoor]:
    """Close what this user may close; what is still open afterwards."""
    for door in open_doors(connection):
        try:
            with connection.transaction():
                connection.execute(door.close.encode())
        except psycopg.errors.InsufficientPrivilege:
            continue
    return open_doors(connection)
