"""The scope of a build: which (tenant, local day)s the loads of some days touched.

What belongs here: pipeline.build_scope. How far a touched day reaches is each model's own affair
(dbt_project/macros/scope.sql).
"""

from collections.abc import Collection
from datetime import date

import psycopg

# Loads that the gate holds are in the scope too: a hold that came after an earlier build takes its rows out again.
TOUCHED = """
insert into pipeline.build_scope (build_id, tenant_id, day)
select distinct %(build_id)s::text, events.tenant_id, (events.occurred_at at time zone tenants.time_zone)::date
from raw.events as events
inner join tenancy.tenants as tenants on events.tenant_id = tenants.tenant_id
where
    events.load_day = any(%(load_days)s::date[])
    and (%(tenants)s::text[] is null or events.tenant_id = any(%(tenants)s::text[]))
"""


def write_scope(
    connection: psycopg.Connection,
    build_id: str,
    load_days: Collection[date],
    tenants: Collection[str] | None = None,
) -> int:
    """Put down what the loads of these days touched, for all tenants or some; return the number of (tenant, day)s."""
    clear_scope(connection, build_id)
    touched = connection.execute(
        TOUCHED,
        {
            "build_id": build_id,
            "load_days": list(load_days),
            "tenants": None if tenants is None else list(tenants),
        },
    ).rowcount
    # an estimate from before the insert would make the planner read the whole history of a tenant
    connection.execute("analyze pipeline.build_scope")
    return touched


def clear_scope(connection: psycopg.Connection, build_id: str) -> int:
    return connection.execute("delete from pipeline.build_scope where build_id = %s", [build_id]).rowcount
