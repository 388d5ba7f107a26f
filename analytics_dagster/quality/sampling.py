"""A few events that make a measure fail: their ids, never what they say, which may be personal.

Only a share of events has such events; for other measures there is nothing to show.
"""

from collections.abc import Collection
from datetime import date

import psycopg

from analytics_dagster.quality.load_sql import ROWS
from analytics_dagster.quality.measures import Share, events_of

SAMPLE = 5

Failure = tuple[date, str, str]


def samples(
    connection: psycopg.Connection, failures: Collection[Failure], *, declared: Collection[str] = ()
) -> dict[Failure, tuple[str, ...]]:
    """Up to five ids for each (load day, tenant, measure) that has faulty events; one statement for each measure."""
    loads: dict[str, list[tuple[date, str]]] = {}
    for load_day, tenant_id, measure in failures:
        loads.setdefault(measure, []).append((load_day, tenant_id))
    found: dict[Failure, tuple[str, ...]] = {}
    for measure, keys in sorted(loads.items()):
        if share := events_of(measure):
            rows = connection.execute(
                _query(share),
                {
                    "load_days": sorted({load_day for load_day, _ in keys}),
                    "tenants": sorted({tenant_id for _, tenant_id in keys}),
                    "key_days": [load_day for load_day, _ in keys],
                    "key_tenants": [tenant_id for _, tenant_id in keys],
                    "declared": sorted(declared),
                    "sample": SAMPLE,
                },
            )
            found |= {(load_day, tenant_id, measure): tuple(ids) for load_day, tenant_id, ids in rows}
    return found


def _query(share: Share) -> str:
    return f"""
        select load_day, tenant_id, array_agg(event_id order by place)
        from (
            select load_day, tenant_id, event_id,
                row_number() over (partition by load_day, tenant_id order by event_id collate "C") as place
            from {ROWS[share.rows]} as rows
            where {share.faulty}
                and (load_day, tenant_id) in (select * from unnest(%(key_days)s::date[], %(key_tenants)s::text[]))
        ) as faulty
        where place <= %(sample)s
        group by load_day, tenant_id
    """  # noqa: S608 - conditions of ours
