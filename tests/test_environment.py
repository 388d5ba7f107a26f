"""What a process is told before it starts, and Dagster's home."""

import pytest

from analytics_dagster.environment import TELEMETRY_OFF, prepare_dagster_home, process_environment
from analytics_dagster.settings import INTERNAL_VARIABLES, known_variables, load_settings
from analytics_dagster.warehouse import WarehouseUrl

URL = WarehouseUrl(user="analytics", database="analytics", host="/tmp/a folder", port=5432)  # noqa: S108 - only a name


@pytest.fixture
def chosen(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    return load_settings(home=tmp_path, state_dir=tmp_path / "state")


def test_every_variable_of_ours_is_a_setting(chosen):
    given = process_environment(chosen, URL)
    ours = {name for name in given if name.startswith("ANALYTICS_")}
    assert ours <= known_variables() | INTERNAL_VARIABLES
    assert all(isinstance(value, str) for value in given.values())


def test_nobody_is_counted(chosen):
    assert TELEMETRY_OFF.items() <= process_environment(chosen, URL).items()


def test_dagster_stores_in_its_schema_by_a_driver_that_it_can_use(chosen):
    given = process_environment(chosen, URL)["ANALYTICS_DAGSTER_STORAGE_URL"]
    assert given.startswith("postgresql+psycopg2://")
    assert "search_path%3Ddagster" in given


def test_the_home_links_to_the_file_of_the_project(chosen):
    for _ in range(2):
        prepare_dagster_home(chosen)
        link = chosen.dagster_home / "dagster.yaml"
        assert link.samefile(chosen.home / "dagster.yaml")
        assert list(chosen.dagster_home.iterdir()) == [link]


@pytest.mark.parametrize("wrong", ["a file", "a broken link", "a link elsewhere"])
def test_a_wrong_link_is_replaced(chosen, wrong, tmp_path):
    link = chosen.dagster_home / "dagster.yaml"
    link.parent.mkdir(parents=True)
    (tmp_path / "other.yaml").touch()
    if wrong == "a file":
        link.write_text("old")
    else:
        link.symlink_to(tmp_path / ("gone" if "broken" in wrong else "other.yaml"))
    prepare_dagster_home(chosen)
    assert link.samefile(chosen.home / "dagster.yaml")
