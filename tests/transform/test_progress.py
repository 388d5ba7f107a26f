"""Which loads the marts contain: the newest file that a build saw, never an older one again."""

from datetime import date

from analytics_dagster.transform.progress import forget_models, mark_built, newest_batches

DAY, NEXT, NEVER = date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)


def load(connection, day, name):
    (batch,) = connection.execute(
        "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, %s, %s, 1) returning batch_id",
        [day, name, name],
    ).fetchone()
    return batch


def built(connection):
    return dict(connection.execute("select load_day, batch_id from pipeline.built_loads").fetchall())


def test_the_newest_file_of_each_day(connection):
    load(connection, DAY, "a")
    later, other = load(connection, DAY, "b"), load(connection, NEXT, "c")
    assert newest_batches(connection, [DAY, NEXT, NEVER]) == {DAY: later, NEXT: other}
    assert newest_batches(connection, []) == {}


def test_a_slow_build_takes_nothing_back(connection):
    seen = {DAY: load(connection, DAY, "a")}
    newer = {DAY: load(connection, DAY, "b")}
    mark_built(connection, newer)
    mark_built(connection, seen)
    assert built(connection) == newer
    mark_built(connection, {})
    assert built(connection) == newer


def test_forgotten_models_are_made_anew(connection):
    connection.execute("insert into pipeline.built_models values ('marts', 'kpi_daily', 'f')")
    forget_models(connection)
    assert connection.execute("select count(*) from pipeline.built_models").fetchone() == (0,)
