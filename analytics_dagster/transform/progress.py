"""Which loads the marts contain. Written only after a build has ended well, so a crash leaves its days due."""

from collections.abc import Mapping, Sequence
from datetime import date

import psycopg


def newest_batches(connection: psycopg.Connection, load_days: Sequence[date]) -> dict[date, int]:
    """The newest file of each loading day; ask before the build, because files may land while it goes on."""
    return dict(
        connection.execute(
            "select load_day, max(batch_id) from raw.batches where load_day = any(%s) group by load_day",
            [list(load_days)],
        ).fetchall()
    )


def mark_built(connection: psycopg.Connection, newest: Mapping[date, int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into pipeline.built_loads (load_day, batch_id) values (%s, %s)"
            " on conflict (load_day) do update"
            " set batch_id = greatest(pipeline.built_loads.batch_id, excluded.batch_id), built_at = now()",
            list(newest.items()),
        )


def forget_models(connection: psycopg.Connection) -> None:
    """Let the next deployment make every table anew: something changed what past days mean."""
    connection.execute("delete from pipeline.built_models")
