"""What Dagster loads, in a fresh interpreter in which every warning is an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analytics_dagster.defs.labels import GROUPS, OWNERS
from analytics_dagster.settings import PROJECT_ROOT

HERE = Path(__file__).parent
# of libraries that we cannot correct: a parser that dagster-dbt brings along, and Dagster's use of pydantic
KNOWN = ["sqlglotrs is deprecated", "The `__fields__` attribute is deprecated"]


@pytest.fixture(scope="module")
def found(tmp_path_factory, parsed_dbt):
    state = tmp_path_factory.mktemp("definitions")
    parsed_dbt(state)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANALYTICS_")}
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error"),
            *(word for message in KNOWN for word in ("-W", f"ignore:{message}")),
            str(HERE / "inspect_definitions.py"),
        ],
        env=environment | {"ANALYTICS_STATE_DIR": str(state)},
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_definitions_stay_one_screen():
    assert len((PROJECT_ROOT / "analytics_dagster/definitions.py").read_text().splitlines()) <= 60


def test_jobs_schedules_and_sensors_are_there(found):
    assert found["jobs"] == ["daily", "deploy", "monthly", "publish", "score", "train"]
    assert found["schedules"] == {
        "daily_marts": ["daily", "15 1 * * *", "RUNNING"],
        "weekly_training": ["train", "0 3 * * 1", "RUNNING"],
        "daily_scores": ["score", "0 4 * * *", "RUNNING"],
        "monthly_reports": ["monthly", "0 5 2 * *", "RUNNING"],
    }
    assert found["sensors"] == {
        "landing_files": "RUNNING",
        "publish_after_build": "RUNNING",
        "tenant_registry": "RUNNING",
        "abandoned_runs": "RUNNING",
    }
    assert found["loggers"] == ["console", "progress"]


def test_every_asset_says_what_it_is_and_whose(found):
    assert len(found["assets"]) >= 14
    for name, asset in found["assets"].items():
        assert asset["description"], name
        assert asset["owners"] == OWNERS, name
        assert asset["group"] in GROUPS, name
        assert asset["kinds"], name
        assert "about this group" in asset["metadata"], name
    assert {asset["group"] for asset in found["assets"].values()} == set(GROUPS)


def test_every_asset_is_made_by_a_job(found):
    assert found["selected by jobs"] == sorted(found["assets"])


def test_what_must_not_be_passed_by_blocks(found):
    assert {"books_balance", "the_platform_is_sound"} <= set(found["blocking"])


def test_everything_of_a_day_comes_after_the_gate(found):
    """In the graph of the job alone: a view between two tables is not in it."""

    def before(name: str) -> set[str]:
        parents = {parent for parent in found["assets"][name]["parents"] if parent in found["daily"]}
        return parents.union(*(before(parent) for parent in parents))

    built = [name for name in found["daily"] if name not in {"raw_events", "quality_gate"}]
    assert len(built) >= 5
    for name in built:
        assert "quality_gate" in before(name), name
        assert "raw_events" in before(name), name
    assert before("quality_gate") == {"raw_events"}


def test_a_mart_of_a_day_is_a_partition(found):
    for name in found["daily"]:
        assert found["assets"][name]["partitioned"], name
