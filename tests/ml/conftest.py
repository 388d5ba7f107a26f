"""One database with the simulated population and one with trained models; each test works on a copy."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ml_population
import pytest
from psycopg import sql

from analytics_dagster.ml.reports import TrainingReport
from analytics_dagster.warehouse import WarehouseUrl, connect

_copies = itertools.count()


@pytest.fixture(scope="session")
def population_template(server: WarehouseUrl, template: str) -> WarehouseUrl:
    from analytics_dagster.ml.tracking import client_of

    # the embedded server trusts its socket: the password only has to stay out of everything written
    url = replace(_copy(server, template, "template_population"), password="Not%40for you/ü")
    with connect(url) as connection:
        ml_population.create_marts(connection)
        ml_population.insert(connection, ml_population.simulate(1_500))
    client_of(url)  # MLflow makes its 65 tables once, and every copy has them
    return url


@pytest.fixture(scope="session")
def trained_template(
    population_template: WarehouseUrl, tmp_path_factory: pytest.TempPathFactory
) -> tuple[WarehouseUrl, Path, TrainingReport, TrainingReport]:
    from analytics_dagster.ml.churn import train_churn
    from analytics_dagster.ml.lifetime_value import train_lifetime_value

    url = _copy(population_template, population_template.database, "template_trained")
    artifacts = tmp_path_factory.mktemp("state of ü") / "ml flow"
    return url, artifacts, train_churn(url, artifacts), train_lifetime_value(url, artifacts)


@pytest.fixture
def populated(population_template: WarehouseUrl) -> Iterator[WarehouseUrl]:
    with _fresh(population_template) as url:
        yield url


@pytest.fixture
def trained(
    trained_template: tuple[WarehouseUrl, Path, TrainingReport, TrainingReport],
) -> Iterator[WarehouseUrl]:
    with _fresh(trained_template[0]) as url:
        yield url


@contextmanager
def _fresh(template: WarehouseUrl) -> Iterator[WarehouseUrl]:
    url = _copy(template, template.database, f"ml_{next(_copies)}")
    yield url
    with connect(replace(url, database="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(url.database)))


def _copy(server: WarehouseUrl, template: str, name: str) -> WarehouseUrl:
    with connect(replace(server, database="postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return replace(server, database=name)
