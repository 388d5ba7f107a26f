"""What was deployed last, and whether something else is due to be: dbt's project, files that declare and judge."""

import hashlib

import psycopg

from analytics_dagster.settings import Settings
from analytics_dagster.transform import project_fingerprint


def fingerprint(settings: Settings) -> str:
    """Changes with the dbt project and with any file of a tenant, a funnel, an experiment or a suite."""
    digest = hashlib.sha256(project_fingerprint(settings.dbt_project_dir).encode())
    for folder in (settings.tenants_dir, settings.funnels_dir, settings.experiments_dir, settings.expectations_dir):
        for file in sorted([*folder.glob("*.y*ml"), *folder.glob("*.json")]):
            digest.update(f"{folder.name}/{file.name}".encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def is_due(connection: psycopg.Connection, fingerprint: str) -> bool:
    row = connection.execute(
        "select fingerprint from pipeline.deployments order by deployed_at desc limit 1"
    ).fetchone()
    return row is None or row[0] != fingerprint


def record(connection: psycopg.Connection, fingerprint: str) -> None:
    connection.execute(
        "insert into pipeline.deployments (fingerprint, deployed_at) values (%s, clock_timestamp())", [fingerprint]
    )


def require(connection: psycopg.Connection) -> None:
    """Make a deployment due, although no file changed: something in the registry changed what past days mean."""
    record(connection, "")
