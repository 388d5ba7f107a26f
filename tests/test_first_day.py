"""The first day is written down once and stays."""

from datetime import UTC, date, datetime

import pytest

from analytics_dagster.errors import SettingsError
from analytics_dagster.first_day import first_day, remember_first_day
from analytics_dagster.settings import load_settings

DAY = date(2026, 2, 28)


@pytest.fixture
def chosen(tmp_path):
    return load_settings(state_dir=tmp_path / "new")


def test_it_is_today_until_it_is_known(chosen):
    assert first_day(chosen) == datetime.now(UTC).date()
    assert not chosen.state_dir.exists()


def test_it_is_written_down_once(chosen):
    remember_first_day(chosen, DAY)
    remember_first_day(chosen, date(2020, 1, 1))
    assert first_day(chosen) == DAY
    assert [file.name for file in chosen.state_dir.iterdir()] == ["first_day"]


def test_a_setting_wins_and_is_not_written_down(chosen):
    remember_first_day(chosen, DAY)
    given = load_settings(state_dir=chosen.state_dir, first_day=date(2025, 1, 1))
    assert first_day(given) == date(2025, 1, 1)
    other = load_settings(state_dir=chosen.state_dir / "other", first_day=DAY)
    remember_first_day(other, DAY)
    assert not other.state_dir.exists()


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30"])
def test_a_file_that_holds_no_day_is_named(chosen, text):
    chosen.state_dir.mkdir()
    (chosen.state_dir / "first_day").write_text(text)
    with pytest.raises(SettingsError, match="first day cannot be read") as caught:
        first_day(chosen)
    assert caught.value.where == str(chosen.state_dir / "first_day")
