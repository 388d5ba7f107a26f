"""Builds: one at a time in a database, each under an id that its connections carry.

`prepare` belongs to a deploy: it makes the views, and the tables that are missing or were made by older code.
`build` is the daily run: one dbt call that restates what its scope lists. What dbt is told is in arguments.py,
what it answered in results.py.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg

from analytics_dagster.errors import AnalyticsError, TransientError, WarehouseUnreachableError
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.transform.arguments import INCREMENTAL, Command, dbt_arguments
from analytics_dagster.transform.manifest import manifest_for, read_manifest
from analytics_dagster.transform.results import BuildFailedError, BuildResult, read_results
from analytics_dagster.transform.runner import OnEvent, invoke
from analytics_dagster.transform.versions import Relation, fingerprints, models_to_make, relation
from analytics_dagster.warehouse import WarehouseUrl, connect
from analytics_dagster.warehouse.connection import place

LOCK = "analytics-dagster dbt build"
PATIENCE = timedelta(minutes=30)
# the one thing told from outside dbt, while a build may go on: what came after its begin is for the next one
SCORES = "quality.scores"
NEWEST_SCORE_TOLD = "select max(told_at) from pipeline.build_changes where relation = %s"
FORGET_CHANGES = "delete from pipeline.build_changes where relation <> %s or told_at <= %s"
BUILD_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def build(
    url: WarehouseUrl,
    manifest_path: Path,
    *,
    build_id: str,
    select: Sequence[str] = (),
    full_refresh: bool = False,
    on_event: OnEvent | None = None,
    project_dir: Path | None = None,
    patience: timedelta = PATIENCE,
) -> BuildResult:
    """Restate the marts for the scope of `build_id`, or make everything anew, and run the data tests over it."""
    if not BUILD_ID.fullmatch(build_id):
        raise AnalyticsError(
            f"{build_id!r} is no id of a build", remedy="use letters, digits and _ . : - only, up to 100 of them"
        )
    with _only_build(url, patience) as connection:
        told = connection.execute(NEWEST_SCORE_TOLD, [SCORES]).fetchone()
        result = _call(
            "build",
            url,
            manifest_path,
            connection,
            select=select or (() if full_refresh else INCREMENTAL),
            build_id="" if full_refresh else build_id,
            full_refresh=full_refresh,
            on_event=on_event,
            project_dir=project_dir,
        )
        if full_refresh:
            _remember(connection, manifest_path, [node.unique_id for node in result.of("model")])
        if not select:  # every model has heard what the others told, in this build or in one that failed
            connection.execute(FORGET_CHANGES, [SCORES, told and told[0]])
    return result


def prepare(
    url: WarehouseUrl,
    manifest_path: Path,
    *,
    on_event: OnEvent | None = None,
    project_dir: Path | None = None,
    patience: timedelta = PATIENCE,
) -> BuildResult:
    """Make the views, and from all of history every table that is missing or stale."""
    with _only_build(url, patience) as connection:
        manifest = read_manifest(manifest_path)
        chosen = models_to_make(manifest, _built(connection))
        result = _call(
            "run",
            url,
            manifest_path,
            connection,
            select=[manifest["nodes"][unique_id]["name"] for unique_id in chosen],
            full_refresh=True,
            on_event=on_event,
            project_dir=project_dir,
        )
        _remember(connection, manifest_path, chosen)
    return result


def dbt_environment(url: WarehouseUrl, build_id: str = "", *, is_sharded: bool | None = None) -> dict[str, str]:
    """What dbt and libpq below it read. The build's id stands here, too: changed --vars would parse anew."""
    of_libpq = {
        f"PG{name.upper()}": value
        for name, value in url.parameters
        if name.startswith("ssl") or name in {"channel_binding", "gssencmode"}
    }
    if "PGCHANNEL_BINDING" in of_libpq:
        of_libpq["PGCHANNELBINDING"] = of_libpq.pop("PGCHANNEL_BINDING")
    options = [
        os.environ.get("PGOPTIONS", ""),
        dict(url.parameters).get("options", ""),
        "-c timezone=UTC -c client_connection_check_interval=2s",
    ]
    return {
        **url.dbt_environment(),
        **of_libpq,
        "PGOPTIONS": " ".join(option for option in options if option),
        "BUILD_ID": build_id,
        "WAREHOUSE_IS_SHARDED": "" if is_sharded is None else str(is_sharded).lower(),  # empty: dbt asks
        "DO_NOT_TRACK": "1",
    }


def _call(
    command: Command,
    url: WarehouseUrl,
    manifest_path: Path,
    connection: psycopg.Connection,
    *,
    select: Sequence[str],
    full_refresh: bool,
    on_event: OnEvent | None,
    project_dir: Path | None,
    build_id: str = "",
) -> BuildResult:
    started = time.monotonic()
    outcome = invoke(
        dbt_arguments(
            command,
            project_dir=project_dir or PROJECT_ROOT / "dbt_project",
            target_dir=manifest_path.parent / "run",
            select=select,
            full_refresh=full_refresh,
        ),
        environment=dbt_environment(url, build_id, is_sharded=_is_sharded(connection)),
        manifest=manifest_for(read_manifest(manifest_path), url.database),
        on_event=on_event,
    )
    if outcome.success:
        return BuildResult(read_results(outcome.result), time.monotonic() - started)
    _raise_if_lost(connection, url)
    if outcome.result is None:
        raise AnalyticsError(f"dbt did not start: {outcome.exception}", where=place(url)) from outcome.exception
    raise BuildFailedError(
        BuildResult(read_results(outcome.result), time.monotonic() - started), where=f"database {url.database}"
    )


@contextmanager
def _only_build(url: WarehouseUrl, patience: timedelta) -> Iterator[psycopg.Connection]:
    """Held by a session and not by a transaction: the lock goes with the process, however it ends."""
    with connect(url, autocommit=True) as connection:
        try:
            connection.execute(
                "select set_config('lock_timeout', %s, false)", [str(int(patience.total_seconds() * 1000))]
            )
            connection.execute("select pg_advisory_lock(hashtext(%s))", [LOCK])
        except psycopg.errors.LockNotAvailable:
            raise TransientError(
                f"another build has been running in this database for {patience}",
                where=place(url),
                remedy="wait for it to end, or end it, and run again",
            ) from None
        yield connection


def _raise_if_lost(connection: psycopg.Connection, url: WarehouseUrl) -> None:
    try:
        connection.execute("select 1")
    except psycopg.OperationalError as error:
        raise WarehouseUnreachableError(
            "PostgreSQL went away during the build",
            where=place(url),
            remedy=f"run the same days again when it is back. The driver says: {str(error).splitlines()[0]}",
        ) from None


def _is_sharded(connection: psycopg.Connection) -> bool:
    row = connection.execute("select pipeline.is_sharded()").fetchone()
    return bool(row and row[0])


def _built(connection: psycopg.Connection) -> dict[Relation, str]:
    rows = connection.execute(
        """
        select built.schema_name, built.relation_name, built.fingerprint
        from pipeline.built_models as built
        inner join pg_namespace as schemas on schemas.nspname = built.schema_name
        inner join pg_class as relations
            on relations.relnamespace = schemas.oid and relations.relname = built.relation_name
        """
    ).fetchall()
    return {(schema, name): fingerprint for schema, name, fingerprint in rows}


def _remember(connection: psycopg.Connection, manifest_path: Path, unique_ids: Sequence[str]) -> None:
    manifest = read_manifest(manifest_path)
    made_by = fingerprints(manifest)
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into pipeline.built_models (schema_name, relation_name, fingerprint) values (%s, %s, %s)
            on conflict (schema_name, relation_name)
            do update set fingerprint = excluded.fingerprint, built_at = now()
            """,
            [(*relation(manifest, unique_id), made_by[unique_id]) for unique_id in unique_ids],
        )
