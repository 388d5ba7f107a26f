"""The sample is provided once, when it is wanted, and never beside a user's own files."""

from datetime import UTC, date, datetime, timedelta

import pytest

from analytics_dagster.sample.ledger import load_ledger
from analytics_dagster.sample.provide import provide_sample
from analytics_dagster.sample.staging import NAME
from analytics_dagster.settings import load_settings


@pytest.fixture
def chosen(tmp_path):
    return load_settings(state_dir=tmp_path, sample_events=1_000, sample_last_day=date(2026, 2, 28), sample_seed=7)


def files(chosen):
    return {path: path.stat().st_mtime_ns for path in chosen.landing_dir.rglob("*") if path.is_file()}


def test_a_sample_is_provided_once(chosen):
    told = []
    assert provide_sample(chosen, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    plan = load_ledger(chosen.state_dir / "sample").plan
    assert (plan.events, plan.seed, plan.last_day) == (1_000, 7, date(2026, 2, 28))
    made = files(chosen)
    assert made
    assert not provide_sample(chosen)
    assert files(chosen) == made


def test_the_sample_ends_yesterday(chosen):
    assert provide_sample(chosen.model_copy(update={"sample_last_day": None}))
    assert load_ledger(chosen.state_dir / "sample").plan.last_day == datetime.now(UTC).date() - timedelta(days=1)


def test_an_unwanted_sample_is_not_made(chosen):
    assert not provide_sample(chosen.model_copy(update={"sample": False}))
    assert not chosen.landing_dir.exists()


def test_a_users_files_are_left_alone(chosen):
    own = chosen.landing_dir / "2026-02-28" / "acme" / "events.ndjson"
    own.parent.mkdir(parents=True)
    own.write_text("{}\n")
    assert not provide_sample(chosen)
    assert set(files(chosen)) == {own}


@pytest.mark.parametrize("left", [".DS_Store", NAME])
def test_hidden_files_and_what_an_interruption_left_are_no_files_of_a_user(chosen, left):
    (chosen.landing_dir / left).parent.mkdir(parents=True)
    if left == NAME:
        (chosen.landing_dir / left).mkdir()
    else:
        (chosen.landing_dir / left).touch()
    assert provide_sample(chosen)
