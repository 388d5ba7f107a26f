"""What was trained and scored last: trainings add up, scorings replace one another."""

from datetime import date

from analytics_dagster.ml.journal import record_scoring, record_training

DAY = date(2026, 2, 28)


def test_a_training_has_a_version_or_a_reason(connection):
    record_training(connection, "churn", DAY, 3)
    record_training(connection, "churn", DAY, None, "too young")
    assert connection.execute(
        "select model_name, as_of, model_version, note from ml.training_runs order by model_version"
    ).fetchall() == [("churn", DAY, 3, None), ("churn", DAY, None, "too young")]


def test_the_last_scoring_of_a_tenant_and_model_counts(connection):
    connection.execute(
        "insert into tenancy.tenants (tenant_id, name, kind, tier, time_zone, currency, plan, region, configuration)"
        " values ('acme', 'A', 'shop', 'free', 'UTC', 'EUR', 'free', 'eu', '{}')"
    )
    moments = []
    for users in (5, 7):
        record_scoring(connection, "acme", "churn", DAY, users)
        record_scoring(connection, "acme", "lifetime_value", DAY, 1)
        rows = dict(connection.execute("select model_name, scored_users from ml.scorings").fetchall())
        assert rows == {"churn": users, "lifetime_value": 1}
        moments += connection.execute("select scored_at from ml.scorings where model_name = 'churn'").fetchall()
    assert moments[0] < moments[1], "scores are due by this moment, even within one transaction"
