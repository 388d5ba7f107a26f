"""The declared funnels in the warehouse, tenancy.funnels, where dbt reads them.

What a funnel may say is the contract in `schemas`; what it counts is dbt's.
"""

import json
from collections.abc import Sequence

import psycopg

from analytics_dagster.schemas.funnels import Funnel


def declare_funnels(connection: psycopg.Connection, funnels: Sequence[Funnel]) -> bool:
    """Make the warehouse say what the files say, and nothing else; return whether that is something new."""
    declared = [(funnel.funnel, _text(funnel)) for funnel in funnels]
    with connection.transaction():
        connection.execute("lock table tenancy.funnels in share row exclusive mode")
        rows = connection.execute("select funnel, declaration::text from tenancy.funnels").fetchall()
        if {(name, _text(Funnel.model_validate_json(text))) for name, text in rows} == set(declared):
            return False
        connection.execute("delete from tenancy.funnels")
        connection.cursor().executemany("insert into tenancy.funnels (funnel, declaration) values (%s, %s)", declared)
    return True


def _text(funnel: Funnel) -> str:
    """The same for the same funnel, however its fields are ordered."""
    return json.dumps(funnel.model_dump(mode="json"), sort_keys=True)
