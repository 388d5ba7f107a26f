"""What files declare for tenants, in the warehouse, where dbt reads it: tenancy.funnels, tenancy.experiments.

What a declaration may say is its contract in `schemas`; what it counts is dbt's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from analytics_dagster.schemas.base import Contract
from analytics_dagster.schemas.experiments import Experiment
from analytics_dagster.schemas.funnels import Funnel


def declare_funnels(connection: psycopg.Connection, funnels: Sequence[Funnel]) -> bool:
    """Whether the funnels are other ones than before."""
    return _declare(connection, "funnels", "funnel", {funnel.funnel: funnel for funnel in funnels})


def declare_experiments(connection: psycopg.Connection, experiments: Mapping[str, Experiment]) -> bool:
    """Of experiments by their files: whether they are other ones than before."""
    return _declare(connection, "experiments", "file", experiments)


def _declare(connection: psycopg.Connection, table: str, key: str, declared: Mapping[str, Contract]) -> bool:
    """Make the warehouse say what the files say, and nothing else; return whether that is something new."""
    wanted: dict[str, Any] = {name: declaration.model_dump(mode="json") for name, declaration in declared.items()}
    names = {"table": sql.Identifier("tenancy", table), "key": sql.Identifier(key)}
    with connection.transaction():
        connection.execute(sql.SQL("lock table {table} in share row exclusive mode").format(**names))
        stored = connection.execute(sql.SQL("select {key}, declaration::text from {table}").format(**names)).fetchall()
        if {name: json.loads(text) for name, text in stored} == wanted:
            return False
        connection.execute(sql.SQL("delete from {table}").format(**names))
        connection.cursor().executemany(
            sql.SQL("insert into {table} ({key}, declaration) values (%s, %s)").format(**names),
            [(name, json.dumps(declaration)) for name, declaration in wanted.items()],
        )
    return True
