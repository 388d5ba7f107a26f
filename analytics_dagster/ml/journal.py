"""What was trained and scored last, for whoever asks what is due."""

from datetime import date

import psycopg


def record_training(
    connection: psycopg.Connection, model_name: str, as_of: date, model_version: int | None, note: str | None = None
) -> None:
    """A training without a version says in its note why there is none."""
    connection.execute(
        "insert into ml.training_runs (model_name, as_of, model_version, note) values (%s, %s, %s, %s)",
        [model_name, as_of, model_version, note],
    )


def record_scoring(
    connection: psycopg.Connection, tenant_id: str, model_name: str, as_of: date, scored_users: int
) -> None:
    connection.execute(
        "insert into ml.scorings (tenant_id, model_name, as_of, scored_users) values (%s, %s, %s, %s)"
        " on conflict (tenant_id, model_name) do update set as_of = excluded.as_of,"
        " scored_users = excluded.scored_users, scored_at = clock_timestamp()",
        [tenant_id, model_name, as_of, scored_users],
    )
