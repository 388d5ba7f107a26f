"""Which loads the marts contain: the newest file and replay that a build saw, never an older one again."""

from datetime import date

from analytics_dagster.transform.progress import Newest, forget_models, mark_built, newest_changes

DAY, NEXT, NEVER = date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)


def load(connection, day, name):
    (batch,) = connection.execute(
        "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, %s, %s, 1) returning batch_id",
        [day, name, name],
    ).fetchone()
    return batch


def replay(connection, day):
    (number,) = connection.execute(
        "insert into raw.replays (load_day, accepted, duplicate, actor) values (%s, 1, 0, 'ann') returning replay_id",
        [day],
    ).fetchone()
    return number


def built(connection):
    rows = connection.execute("select load_day, batch_id, replay_id from pipeline.built_loads").fetchall()
    return {day: Newest(batch, replayed) for day, batch, replayed in rows}


def test_the_newest_file_and_replay_of_each_day(connection):
    load(connection, DAY, "a")
    later, other = load(connection, DAY, "b"), load(connection, NEXT, "c")
    replay(connection, DAY)
    replayed = replay(connection, DAY)
    assert newest_changes(connection, [DAY, NEXT, NEVER]) == {DAY: Newest(later, replayed), NEXT: Newest(other)}
    assert newest_changes(connection, []) == {}


def test_a_slow_build_takes_nothing_back(connection):
    seen = {DAY: Newest(load(connection, DAY, "a"), replay(connection, DAY))}
    newer = {DAY: Newest(load(connection, DAY, "b"), replay(connection, DAY))}
    mark_built(connection, newer)
    mark_built(connection, seen)
    assert built(connection) == newer
    mark_built(connection, {})
    assert built(connection) == newer


def test_forgotten_models_are_made_anew(connection):
    connection.execute("insert into pipeline.built_models values ('marts', 'kpi_daily', 'f')")
    forget_models(connection)
    assert connection.execute("select count(*) from pipeline.built_models").fetchone() == (0,)
