"""What judgements leave in a real PostgreSQL: states, holds and their ends, scores, and what a mart is told of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from analytics_dagster.quality.profiling import Profile
from analytics_dagster.quality.recording import record
from analytics_dagster.quality.releasing import release
from analytics_dagster.quality.verdicts import Verdict
from analytics_dagster.warehouse import WarehouseUrl, connect

DAY = date(2026, 3, 1)
TENANT = "calm"
NAN = float("nan")


class Memory:
    """A gate without events: says what was judged, and looks at what is remembered."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def loads(self, *days, content="1", failing=(), warned=(), tenants=(TENANT,), measures=None):
        """Judges these loads; `failing` days fail a critical expectation."""
        profiles = [
            Profile(
                load_day=day, tenant_id=tenant, content=content, measures=measures or {"received": 1.0}, mix={"x": 1}
            )
            for day in days
            for tenant in tenants
        ]
        verdicts = [
            verdict
            for profile in profiles
            for verdict in (
                Verdict(
                    profile.load_day,
                    profile.tenant_id,
                    "s",
                    "a",
                    "critical",
                    0.5,
                    "x <= 1",
                    profile.load_day not in failing,
                ),
                Verdict(
                    profile.load_day,
                    profile.tenant_id,
                    "s",
                    "b",
                    "warning",
                    2.0,
                    "y <= 1",
                    profile.load_day not in warned,
                ),
            )
        ]
        return record(self.connection, "loads", "run", verdicts, profiles=profiles)

    def marts(self, day, *, passed, tenant=TENANT):
        verdict = Verdict(
            day, tenant, "published_marts", "m", "critical", None, "z = 0", passed, "a note", ("e1", 'e"2')
        )
        return record(self.connection, "marts", "run", [verdict])

    def rows(self, query, *parameters):
        return self.connection.execute(query, parameters).fetchall()

    def states(self):
        """Of both tables, which have to agree."""
        loads = dict(self.rows("select load_day, state from quality.loads where tenant_id = %s", TENANT))
        assert dict(self.rows("select load_day, state from quality.scores where tenant_id = %s", TENANT)) == loads
        return [loads[day] for day in sorted(loads)]

    def holds(self):
        return self.rows("select load_day, stage, reasons from quality.holds where tenant_id = %s order by 1", TENANT)

    def ends(self):
        return self.rows("select load_day, how, content, reasons from quality.releases order by release_id")

    def told(self):
        rows = self.rows("delete from pipeline.build_changes returning relation, tenant_id, key")
        assert {relation for relation, *_ in rows} <= {"quality.scores"}
        return sorted((tenant, date.fromisoformat(key)) for _, tenant, key in rows)


@pytest.fixture(scope="module")
def shared(server: WarehouseUrl, template: str) -> Iterator[WarehouseUrl]:
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database recording template {}").format(sql.Identifier(template)))
    url = replace(server, database="recording")
    with connect(url) as connection:
        connection.execute(
            "insert into tenancy.tenants"
            " (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
            " values ('calm', '''; drop table quality.holds; --', 'music', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')"
        )
    yield url
    with connect(server, autocommit=True) as connection:
        connection.execute("drop database recording with (force)")


@pytest.fixture
def memory(shared: WarehouseUrl) -> Iterator[Memory]:
    """What a test writes is gone after it."""
    with connect(shared) as connection, connection.transaction(force_rollback=True):
        yield Memory(connection)


FAILED = ["s.a: expected x <= 1, observed 0.5"]
MARTS_FAILED = ["published_marts.m: expected z = 0, observed nothing"]


def test_a_hold_keeps_its_moment_and_ends_with_the_repair(memory):
    memory.loads(DAY, failing=[DAY])
    assert memory.holds() == [(DAY, "loads", FAILED)]
    (began,) = memory.rows("update quality.holds set held_at = held_at - interval '1 day' returning held_at")
    memory.loads(DAY, failing=[DAY], content="2")
    assert memory.rows("select held_at from quality.holds") == [began]
    assert memory.ends() == []
    memory.loads(DAY, content="3")
    assert memory.holds() == []
    assert memory.states() == ["passed"]
    assert memory.ends() == [(DAY, "passed", "3", FAILED)]
    assert memory.rows("select held_at from quality.releases") == [began]


def test_every_verdict_of_every_judgement_is_kept(memory):
    first = memory.loads(DAY, measures={"received": 3.0, "none": None, "nan": NAN, "endless": float("inf")})
    second = memory.marts(DAY, passed=False)
    assert memory.rows("select judgement_id, run_id, stage from quality.judgements order by 1") == [
        (first.judgement_id, "run", "loads"),
        (second.judgement_id, "run", "marts"),
    ]
    columns = (
        "load_day, tenant_id, suite, expectation, severity, observed, expected, passed, note, sample, judgement_id"
    )
    assert memory.rows(f"select {columns} from quality.results order by judgement_id, expectation") == [
        (DAY, TENANT, "s", "a", "critical", 0.5, "x <= 1", True, "", [], first.judgement_id),
        (DAY, TENANT, "s", "b", "warning", 2.0, "y <= 1", True, "", [], first.judgement_id),
        (
            DAY,
            TENANT,
            "published_marts",
            "m",
            "critical",
            None,
            "z = 0",
            False,
            "a note",
            ["e1", 'e"2'],
            second.judgement_id,
        ),
    ]
    assert memory.rows("select content, measures, state, judgement_id from quality.loads") == [
        ("1", {"received": 3.0, "mix": {"x": 1}}, "held", first.judgement_id)
    ]
    assert memory.rows("select score, judged, failed_critical, failed_warning, state from quality.scores") == [
        (Decimal(100), 2, 0, 0, "held")
    ]


def test_nothing_judged_is_nothing_written(memory):
    assert memory.loads().judgement_id is None
    assert memory.rows("select * from quality.judgements") == []


def test_what_the_marts_are_held_for_a_judgement_of_the_same_load_does_not_end(memory):
    memory.loads(DAY)
    memory.marts(DAY, passed=False)
    held = [(DAY, "marts", MARTS_FAILED)]
    assert memory.holds() == held
    memory.loads(DAY)
    assert (memory.holds(), memory.states()) == (held, ["held"])
    memory.loads(DAY, content="2")
    assert (memory.holds(), memory.states()) == ([], ["passed"])
    memory.marts(DAY, passed=False)
    memory.marts(DAY, passed=True)  # the model was mended, and nothing was built without the load yet
    assert (memory.holds(), memory.states()) == ([], ["passed"])
    assert [how for _, how, *_ in memory.ends()] == ["passed", "passed"]


def test_marts_of_a_load_that_was_judged_before_loads_were_remembered(memory):
    memory.marts(DAY, passed=False)
    assert memory.holds() == [(DAY, "marts", MARTS_FAILED)]
    release(memory.connection, TENANT, DAY, actor="ann", reason="the rule is wrong")
    assert memory.marts(DAY, passed=False).decisions[0].state == "released"
    assert memory.holds() == []


def test_what_a_person_released_stays_so_until_the_load_changes(memory):
    memory.loads(DAY, failing=[DAY])
    done = release(memory.connection, TENANT, DAY, actor="ann", reason=" it is right ")
    assert (done.content, done.reasons, done.actor, done.reason) == ("1", FAILED, "ann", "it is right")
    assert (memory.holds(), memory.states()) == ([], ["released"])
    memory.loads(DAY, failing=[DAY])
    memory.marts(DAY, passed=False)
    assert (memory.holds(), memory.states()) == ([], ["released"])
    memory.loads(DAY, failing=[DAY], content="2")
    assert memory.states() == ["held"]
    memory.loads(DAY, failing=[DAY], content="1")
    assert (memory.holds(), memory.states()) == ([], ["released"])


def test_only_data_that_changed_is_held(memory):
    memory.loads(DAY)
    flagged = memory.loads(DAY, failing=[DAY])
    assert (memory.holds(), memory.states()) == ([], ["flagged"])
    assert flagged.decisions[0].reasons == tuple(FAILED)
    memory.loads(DAY, failing=[DAY], content="2")
    assert memory.states() == ["held"]


def test_the_mart_of_scores_is_told_the_changed_days_and_those_that_look_back_at_them(memory):
    days = [DAY + timedelta(days=2 * number) for number in range(40)]
    memory.loads(*days)
    assert memory.told() == [(TENANT, day) for day in days]
    memory.loads(*days)
    assert memory.told() == []
    memory.loads(days[5], warned=[days[5]])
    assert memory.told() == [(TENANT, day) for day in days[5:33]]
    memory.marts(days[39], passed=False)
    assert memory.told() == [(TENANT, days[39])]
    release(memory.connection, TENANT, days[39], actor="ann", reason="known")
    assert memory.told() == [(TENANT, days[39])]
    assert memory.rows("select score from quality.scores where load_day = %s", days[5]) == [(Decimal("71.43"),)]


def test_a_day_told_again_while_a_build_goes_on_is_told_at_the_later_moment(memory):
    memory.loads(DAY)
    ((before,),) = memory.rows("select told_at from pipeline.build_changes")
    memory.loads(DAY, failing=[DAY], content="2")
    ((after,),) = memory.rows("select told_at from pipeline.build_changes")
    assert after > before


def test_a_load_whose_lines_are_gone_is_forgotten(memory):
    other = DAY + timedelta(days=1)
    memory.loads(DAY, other, failing=[DAY, other])
    memory.told()
    record(memory.connection, "loads", "run", [], load_days=[DAY], tenants=["somebody else"])
    assert len(memory.holds()) == 2
    record(memory.connection, "loads", "run", [], load_days=[DAY], tenants=[TENANT])
    assert [day for day, *_ in memory.holds()] == [other]
    assert memory.states() == ["held"]
    assert memory.told() == [(TENANT, DAY), (TENANT, other)]
    assert [how for _, how, *_ in memory.ends()] == ["passed"]
