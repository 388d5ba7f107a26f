"""Which loads the marts contain. Written only after a build has ended well, so a crash leaves its days due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

NEWEST = """
select load_day, coalesce(max(batch_id), 0), coalesce(max(replay_id), 0)
from (
    select load_day, batch_id, null::bigint as replay_id from raw.batches where load_day = any(%(days)s)
    union all
    select load_day, null, replay_id from raw.replays where load_day = any(%(days)s)
) as changes
group by load_day
"""

MARK = """
insert into pipeline.built_loads as built (load_day, batch_id, replay_id) values (%s, %s, %s)
on conflict (load_day) do update set
    batch_id = greatest(built.batch_id, excluded.batch_id),
    replay_id = greatest(built.replay_id, excluded.replay_id),
    built_at = now()
"""


@dataclass(frozen=True)
class Newest:
    """What last changed a loading day: a file, and a replay of its quarantine; 0 where there was none."""

    batch_id: int
    replay_id: int = 0


def newest_changes(connection: psycopg.Connection, load_days: Sequence[date]) -> dict[date, Newest]:
    """Ask before the build, because files may land while it goes on."""
    rows = connection.execute(NEWEST, {"days": list(load_days)})
    return {day: Newest(batch_id, replay_id) for day, batch_id, replay_id in rows}


def mark_built(connection: psycopg.Connection, newest: Mapping[date, Newest]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(MARK, [(day, change.batch_id, change.replay_id) for day, change in newest.items()])


def forget_models(connection: psycopg.Connection, *names: str) -> None:
    """Let the next deployment make every table anew, or those of these names: something changed what past days mean."""
    connection.execute(
        "delete from pipeline.built_models where relation_name = any(%(names)s) or %(names)s = '{}'",
        {"names": list(names)},
    )
