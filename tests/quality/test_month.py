"""A season with incidents of many kinds: each is noticed, and a good day of a tenant is hardly ever held."""

from dataclasses import replace

import pytest
from _season import Told, judged, load, simulated

from analytics_dagster.quality.measures import MEASURES
from analytics_dagster.quality.suites import read_suites
from analytics_dagster.sample.incidents import CATALOGUE
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.warehouse import connect

SEED = 20
FEWEST_KINDS, FEWEST_GOOD_LOADS, MOST_FALSE_HOLDS = 12, 1_000, 1 / 1_000


@pytest.fixture(scope="module")
def told(server, template, tmp_path_factory) -> Told:
    with connect(server, autocommit=True) as connection:
        connection.execute(f"create database season template {template} strategy file_copy")
    url = replace(server, database="season")
    season = simulated(tmp_path_factory.mktemp("season"), SEED)
    load(url, season)
    return judged(url, season)


@pytest.mark.slow
def test_every_incident_is_held_or_flagged_for_what_it_is(told):
    assert len(set(told.injected.values())) >= FEWEST_KINDS
    assert told.missed == {}


@pytest.mark.slow
def test_a_good_load_is_hardly_ever_held(told):
    assert told.good >= FEWEST_GOOD_LOADS
    assert len(told.false_holds) <= MOST_FALSE_HOLDS * told.good, told.false_holds


@pytest.mark.slow
def test_what_a_good_load_is_warned_of_is_rare_enough_to_be_read(told):
    assert len(told.false_warnings) <= 0.05 * told.good, told.false_warnings


def test_each_incident_names_measures_that_there_are_and_one_that_is_judged():
    asked_for = {column for suite in read_suites(PROJECT_ROOT / "expectations") for column in suite.columns}
    assert {one.name: one.measures - MEASURES.keys() for one in CATALOGUE if one.measures - MEASURES.keys()} == {}
    assert [one.name for one in CATALOGUE if not one.measures & asked_for] == []
