"""A person releases a held load: what is written down, what is refused, and what the marts are told."""

from datetime import date, timedelta

import pytest
from psycopg.types.json import Jsonb

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.releasing import NotHeldError, release

DAY = date(2026, 3, 1)
LATER = DAY + timedelta(days=2)


@pytest.fixture
def held(connection):
    """Two held loads of `calm`, of which one was judged before loads were remembered; and `other`, which is served."""
    for tenant in ("calm", "other"):
        connection.execute(
            "insert into tenancy.tenants"
            " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
            " values (%s, 'x', 'music', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')",
            [tenant],
        )
    connection.execute("insert into quality.judgements (run_id, stage) values ('r', 'loads')")
    connection.execute("insert into quality.loads values ('calm', %s, '9/9/0/0', '{}', 'held', 1)", [DAY])
    connection.execute("insert into quality.scores values ('calm', %s, 50, 2, 1, 0, 'held')", [DAY])
    connection.execute(
        "insert into quality.holds (load_day, tenant_id, reasons, stage)"
        " values (%(day)s, 'calm', %(why)s, 'loads'), (%(later)s, 'calm', %(why)s, 'marts')",
        {"day": DAY, "later": LATER, "why": Jsonb(["a: expected b, observed c"])},
    )
    return connection


def test_a_release_is_written_down_with_who_why_and_what(held):
    (held_at,) = held.execute("select held_at from quality.holds where load_day = %s", [DAY]).fetchone()
    done = release(held, "calm", DAY, actor="ann'; drop table quality.releases; --", reason="  it was Black Friday ")
    written = held.execute(
        "select release_id, tenant_id, load_day, content, reasons, held_at, released_at, actor, reason, how"
        " from quality.releases"
    ).fetchall()
    assert written == [(*vars(done).values(), "person")]
    assert (done.content, done.reasons, done.held_at) == ("9/9/0/0", ["a: expected b, observed c"], held_at)
    assert (done.actor, done.reason) == ("ann'; drop table quality.releases; --", "it was Black Friday")
    assert done.released_at >= held_at
    assert held.execute("select load_day from quality.holds").fetchall() == [(LATER,)]
    for table in ("loads", "scores"):
        assert held.execute(f"select state from quality.{table}").fetchall() == [("released",)]
    assert held.execute("select relation, tenant_id, key from pipeline.build_changes").fetchall() == [
        ("quality.scores", "calm", DAY.isoformat())
    ]


def test_a_load_without_a_profile_is_released_without_its_content(held):
    assert release(held, "calm", LATER, actor="ann", reason="known").content is None
    assert held.execute("select load_day from quality.holds").fetchall() == [(DAY,)]


@pytest.mark.parametrize(
    ("tenant", "day", "reason", "said"),
    [
        ("calm", DAY + timedelta(days=1), "x", f"not held(.|\n)*{DAY}, {LATER}"),
        ("other", DAY, "x", "not held(.|\n)*none of its loads is"),
        ("nobody", DAY, "x", "no tenant 'nobody'(.|\n)*calm, other"),
        ("calm'; --", DAY, "x", "no tenant"),
        ("calm", DAY, " \n", "needs a reason"),
    ],
)
def test_what_cannot_be_released_is_said_and_changes_nothing(held, tenant, day, reason, said):
    with pytest.raises(AnalyticsError, match=said) as refused:
        release(held, tenant, day, actor="ann", reason=reason)
    assert refused.value.remedy
    assert held.execute("select count(*) from quality.holds").fetchone() == (2,)
    assert held.execute("select count(*) from quality.releases").fetchone() == (0,)


def test_once_is_enough(held):
    release(held, "calm", DAY, actor="ann", reason="x")
    with pytest.raises(NotHeldError, match=str(LATER)):
        release(held, "calm", DAY, actor="bob", reason="y")
