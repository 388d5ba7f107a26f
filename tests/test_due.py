"""What is due, read from real tables: each piece of work that is left behind makes the next one due."""

from datetime import date, timedelta

import pytest
from psycopg.types.json import Jsonb

from analytics_dagster import due
from analytics_dagster.tenancy import moving

JAN_30 = date(2026, 1, 30)


@pytest.fixture
def tables(connection):
    class Tables:
        def tenant(self, tenant_id="acme", status="active"):
            connection.execute(
                "insert into tenancy.tenants (tenant_id, name, kind, tier, status, time_zone, currency, plan, region,"
                " configuration) values (%s, 'A', 'shop', 'free', %s, 'UTC', 'EUR', 'free', 'eu', '{}')",
                [tenant_id, status],
            )

        def load(self, day, path):
            connection.execute(
                "insert into raw.batches (load_day, path, content_sha256, bytes) values (%s, %s, %s, 1)",
                [day, path, f"{day}{path}"],
            )
            connection.execute("insert into raw.sightings values (%s, %s, %s)", [day, path, f"{day}{path}"])

        def build(self, day):
            connection.execute(
                "insert into pipeline.built_loads (load_day, batch_id, replay_id, built_at)"
                " select load_day, max(batch_id), coalesce((select max(replay_id) from raw.replays), 0),"
                " clock_timestamp() from raw.batches where load_day = %s"
                " group by load_day on conflict (load_day) do update set batch_id = excluded.batch_id,"
                " replay_id = excluded.replay_id, built_at = excluded.built_at",
                [day],
            )

        def replay(self, day):
            connection.execute(
                "insert into raw.replays (load_day, accepted, duplicate, actor) values (%s, 1, 0, 'ann')", [day]
            )

        def publish(self, tenant_id, as_of):
            connection.execute(
                "insert into tenancy.publications (tenant_id, as_of, row_counts, foreign_rows, published_at)"
                " values (%s, %s, %s, 0, clock_timestamp()) on conflict (tenant_id)"
                " do update set as_of = excluded.as_of, published_at = excluded.published_at",
                [tenant_id, as_of, Jsonb({})],
            )

        def train(self, as_of, version=1):
            connection.execute(
                "insert into ml.training_runs (model_name, as_of, model_version) values ('churn', %s, %s)",
                [as_of, version],
            )

        def score(self, tenant_id):
            connection.execute(
                "insert into ml.scorings (tenant_id, model_name, as_of, scored_users) values (%s, 'churn', %s, 0)",
                [tenant_id, JAN_30],
            )

        def hold(self, *loads):
            connection.execute("delete from quality.holds")
            for tenant_id, day in loads:
                connection.execute("insert into quality.holds values (%s, %s, '[]')", [day, tenant_id])

        def due(self, landed=()):
            return due.work_due(connection, landed)

    return Tables()


def test_an_empty_warehouse_owes_nothing(tables, connection):
    assert tables.due() == due.Due((), (), (), ())
    assert not due.training_due(connection)
    assert due.last_built_day(connection) is None


def test_a_landed_file_is_due_until_its_day_is_built(tables):
    landed = [(JAN_30, "a.ndjson"), (JAN_30 + timedelta(days=1), "b.ndjson")]
    assert tables.due(landed).load_days == (JAN_30, JAN_30 + timedelta(days=1))
    tables.load(JAN_30, "a.ndjson")
    tables.load(JAN_30 + timedelta(days=1), "b.ndjson")
    assert tables.due(landed).load_days == (JAN_30, JAN_30 + timedelta(days=1)), "loaded, but the build crashed"
    tables.build(JAN_30)
    assert tables.due(landed).load_days == (JAN_30 + timedelta(days=1),)


def test_a_late_file_makes_a_built_day_due_again(tables):
    tables.load(JAN_30, "a.ndjson")
    tables.build(JAN_30)
    assert tables.due([(JAN_30, "a.ndjson")]).load_days == ()
    tables.load(JAN_30, "late.ndjson")
    assert tables.due().load_days == (JAN_30,)


def test_a_replay_makes_a_built_day_due_again(tables, connection):
    tables.load(JAN_30, "a.ndjson")
    tables.load(JAN_30 + timedelta(days=1), "b.ndjson")
    tables.build(JAN_30)
    tables.build(JAN_30 + timedelta(days=1))
    tables.replay(JAN_30)
    tables.replay(JAN_30)
    assert tables.due().load_days == (JAN_30,)
    assert due.unbuilt_replays(connection) == {JAN_30: 2}
    tables.build(JAN_30)
    assert tables.due().load_days == ()
    assert due.unbuilt_replays(connection) == {}


def test_a_front_that_is_not_where_the_holds_say_is_due(tables, connection):
    days = [JAN_30 + timedelta(days=number) for number in range(5)]
    for day in days:
        tables.load(day, "a.ndjson")
        tables.build(day)
    for tenant_id, status in [("acme", "active"), ("beta", "suspended"), ("gone", "offboarded")]:
        tables.tenant(tenant_id, status)
    assert due.fronts_to_move(connection) == {}

    tables.hold(("acme", days[3]), ("acme", days[1]), ("beta", days[3]), ("gone", days[0]), ("nobody", days[2]))
    assert tables.due().load_days == (days[1], days[3]), "a suspended tenant's loads are built, too"
    assert [(day, len(of)) for day, of in due.fronts_to_move(connection).items()] == [(days[1], 1), (days[3], 1)]
    connection.execute("insert into pipeline.fronts values ('acme', %s), ('beta', %s)", [days[1], days[3]])
    assert tables.due().load_days == ()

    tables.hold(("acme", days[3]))
    assert tables.due().load_days == (days[1], days[3]), "released: the marts catch up from where they stand"
    tables.hold(("acme", days[0]), ("beta", days[3]))
    assert tables.due().load_days == (days[0],)


def test_a_move_is_due_until_a_build_settles_it_and_told_apart_from_the_next(tables, connection):
    for day in (JAN_30, JAN_30 + timedelta(days=4)):
        tables.load(day, "a.ndjson")
        tables.build(day)
    tables.tenant()
    tables.hold(("acme", JAN_30))
    held = due.fronts_to_move(connection)
    assert [*held] == [JAN_30]
    connection.execute("insert into pipeline.fronts values ('acme', %s)", [JAN_30])
    connection.execute("insert into pipeline.front_moves values ('acme', %s, 'build')", [JAN_30])
    assert due.fronts_to_move(connection) == held, "a build is at it"
    connection.execute("delete from pipeline.front_moves")
    assert due.fronts_to_move(connection) == {}

    told = {held[JAN_30]}
    for _ in range(2):  # released, held, and released again: each time it is another move
        tables.hold()
        connection.execute(
            "insert into quality.releases (tenant_id, load_day, reasons, held_at, how)"
            " values ('acme', %s, '[]', now(), 'passed')",
            [JAN_30],
        )
        told.add(due.fronts_to_move(connection)[JAN_30])
        tables.hold(("acme", JAN_30))
    assert len(told) == 3


def test_a_move_from_a_day_without_files_is_due_on_the_next_that_has_some(tables, connection):
    tables.tenant()
    tables.hold(("acme", JAN_30))
    assert due.fronts_to_move(connection) == {}, "nothing was ever loaded"
    for number in (-3, 2, 5):
        tables.load(JAN_30 + timedelta(days=number), "a.ndjson")
        tables.build(JAN_30 + timedelta(days=number))
    assert tables.due().load_days == (JAN_30 + timedelta(days=2),)
    tables.hold(("acme", JAN_30 + timedelta(days=9)))
    assert tables.due().load_days == (JAN_30 + timedelta(days=5),)


def test_active_tenants_are_published_after_each_build(tables):
    tables.tenant("acme")
    tables.tenant("gone", status="offboarded")
    assert tables.due().publications == ()
    tables.load(JAN_30, "a")
    tables.build(JAN_30)
    assert tables.due().publications == ("acme",)
    tables.publish("acme", JAN_30)
    assert tables.due().publications == ()
    tables.load(JAN_30, "b")
    tables.build(JAN_30)
    assert tables.due().publications == ("acme",)


def test_scores_follow_publication_and_training(tables):
    tables.tenant()
    tables.load(JAN_30, "a")
    tables.build(JAN_30)
    tables.publish("acme", JAN_30)
    assert tables.due().scores == (), "no model yet"
    tables.train(JAN_30, version=None)
    assert tables.due().scores == (), "too little to learn from is no model"
    tables.train(JAN_30)
    assert tables.due().scores == ("acme",)
    tables.score("acme")
    assert tables.due().scores == ()
    tables.publish("acme", JAN_30)
    assert tables.due().scores == ("acme",)


def test_nothing_is_due_for_a_suspended_tenant_and_all_of_it_when_it_goes_on(tables, connection):
    january, first = date(2026, 1, 31), date(2026, 1, 1)
    tables.tenant("acme")
    tables.tenant("gone")
    tables.load(first, "a")
    for tenant_id in ("acme", "gone"):
        connection.execute("insert into raw.accounts values (1, %s, %s, 1, 1, 0, 0)", [tenant_id, first])
        tables.publish(tenant_id, january)
    tables.build(first)
    tables.train(january)
    tables.publish("acme", january)
    tables.publish("gone", january)
    everything = due.Due((), (), ("acme", "gone"), (("acme", first), ("gone", first)))
    assert tables.due() == everything
    moving.suspend(connection, "acme", actor="ada", reason=None)
    moving.offboard(connection, "gone", actor="ada", reason="left")
    assert tables.due() == due.Due((), (), (), ())
    connection.execute(
        "insert into tenancy.publications values ('acme', %s, '{}', 0), ('gone', %s, '{}', 0)", [january] * 2
    )
    assert tables.due() == due.Due((), (), (), ()), "also when a publication was left behind"
    connection.execute("delete from tenancy.publications")
    moving.resume(connection, "acme", actor="ada", reason=None)
    assert tables.due() == due.Due((), ("acme",), (), ())
    tables.publish("acme", january)
    assert tables.due() == due.Due((), (), ("acme",), (("acme", first),))


@pytest.mark.parametrize(("age", "is_due"), [(None, True), (0, False), (6, False), (7, True)])
def test_training_is_due_after_a_week(tables, connection, age, is_due):
    tables.load(JAN_30, "a")
    tables.build(JAN_30)
    if age is not None:
        tables.train(JAN_30 - timedelta(days=age))
    assert due.training_due(connection) is is_due


@pytest.mark.parametrize(
    ("first", "as_of", "months"),
    [
        (date(2025, 12, 15), date(2026, 1, 30), [date(2025, 12, 1)]),
        (date(2025, 12, 15), date(2026, 1, 31), [date(2025, 12, 1), date(2026, 1, 1)]),
        (date(2026, 1, 1), date(2026, 1, 30), []),
    ],
)
def test_complete_months_are_reported_once(tables, connection, first, as_of, months):
    tables.tenant()
    tables.load(first, "a")
    connection.execute("insert into raw.accounts values (1, 'acme', %s, 1, 1, 0, 0)", [first])
    tables.tenant("newcomer")
    tables.build(first)
    tables.publish("acme", as_of)
    tables.publish("newcomer", as_of)
    assert [month for _, month in tables.due().months] == months
    for month in months:
        connection.execute(
            "insert into billing.statements (tenant_id, month, plan, currency, total)"
            " values ('acme', %s, 'free', 'EUR', 0)",
            [month],
        )
        assert month in [m for _, m in tables.due().months], "the compliance report is still missing"
        connection.execute("insert into compliance.reports values ('acme', %s, '{}', 'x')", [month])
    assert tables.due().months == ()
