"""The scope of a build: which (tenant, local day)s it restates, and up to which load each tenant's marts go.

What belongs here: pipeline.build_scope, and moving pipeline.fronts to where quality.holds say they should be. Fronts
move here and nowhere else, so that all models of a build see the same. How far a touched day reaches is each model's
own affair (dbt_project/macros/scope.sql).
"""

from collections.abc import Collection
from datetime import date
from typing import Any

import psycopg

LOCK = "analytics-dagster fronts"

MISPLACED = """
select tenant_id, fronts.front, wanted.front
from pipeline.fronts as fronts
full join (
    select tenant_id, min(load_day) as front from quality.holds group by tenant_id
) as wanted using (tenant_id)
where
    wanted.front is distinct from fronts.front
    and (%(tenants)s::text[] is null or tenant_id = any(%(tenants)s::text[]))
"""

# a move that no build has finished with goes on, from the earliest load that it ever concerned
NOTE_MOVE = """
insert into pipeline.front_moves as move (tenant_id, from_day, build_id)
values (%(tenant_id)s, least(%(before)s::date, %(after)s::date), '')
on conflict (tenant_id) do update set from_day = least(move.from_day, excluded.from_day)
"""

SET_FRONT = """
insert into pipeline.fronts (tenant_id, front) values (%(tenant_id)s, %(after)s)
on conflict (tenant_id) do update set front = excluded.front
"""

TAKE_MOVES = """
update pipeline.front_moves set build_id = %(build_id)s
where %(tenants)s::text[] is null or tenant_id = any(%(tenants)s::text[])
"""

TOUCHED = """
insert into pipeline.build_scope (build_id, tenant_id, day)
select distinct %(build_id)s::text, events.tenant_id, (events.occurred_at at time zone tenants.time_zone)::date
from raw.events as events
inner join tenancy.tenants as tenants on events.tenant_id = tenants.tenant_id
left join pipeline.fronts as fronts on events.tenant_id = fronts.tenant_id
where
    events.load_day = any(%(load_days)s::date[])
    and (fronts.front is null or events.load_day < fronts.front)
    and (%(tenants)s::text[] is null or events.tenant_id = any(%(tenants)s::text[]))
"""

# all loads from there on, served or not: a front that went back takes rows out that were built
MOVED = """
insert into pipeline.build_scope (build_id, tenant_id, day)
select distinct %(build_id)s::text, events.tenant_id, (events.occurred_at at time zone tenants.time_zone)::date
from pipeline.front_moves as moves
inner join tenancy.tenants as tenants on moves.tenant_id = tenants.tenant_id
inner join raw.events as events on moves.tenant_id = events.tenant_id and events.load_day >= moves.from_day
where moves.build_id = %(build_id)s
on conflict do nothing
"""


def write_scope(
    connection: psycopg.Connection,
    build_id: str,
    load_days: Collection[date],
    tenants: Collection[str] | None = None,
) -> int:
    """Move the fronts, of all tenants or some, and put down what the moves and the loads of these days touch.

    The number of (tenant, day)s is returned. After a build that ended well comes `settle_fronts`; until then a move
    stands, and each build takes it into its scope again.
    """
    scope = {
        "build_id": build_id,
        "load_days": list(load_days),
        "tenants": None if tenants is None else list(tenants),
    }
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        clear_scope(connection, build_id)
        _move_fronts(connection, scope)
        connection.execute(TAKE_MOVES, scope)
        touched = connection.execute(TOUCHED, scope).rowcount + connection.execute(MOVED, scope).rowcount
        # an estimate from before the insert would make the planner read the whole history of a tenant
        connection.execute("analyze pipeline.build_scope")
    return touched


def settle_fronts(connection: psycopg.Connection, build_id: str) -> int:
    """The build ended well, so its moves are done; one that another build took since is left to that one."""
    return connection.execute("delete from pipeline.front_moves where build_id = %s", [build_id]).rowcount


def clear_scope(connection: psycopg.Connection, build_id: str) -> int:
    return connection.execute("delete from pipeline.build_scope where build_id = %s", [build_id]).rowcount


def _move_fronts(connection: psycopg.Connection, scope: dict[str, Any]) -> None:
    moves = [
        {"tenant_id": tenant_id, "before": before, "after": after}
        for tenant_id, before, after in connection.execute(MISPLACED, scope)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(NOTE_MOVE, moves)
        cursor.executemany(SET_FRONT, [move for move in moves if move["after"]])
    connection.execute(
        "delete from pipeline.fronts where tenant_id = any(%s)",
        [[move["tenant_id"] for move in moves if not move["after"]]],
    )
