"""The probabilities of macros/statistics.sql beside those of Python."""

import math
from statistics import NormalDist
from typing import Any

import psycopg
import pytest
from jinja2 import Environment

from analytics_dagster.settings import PROJECT_ROOT

MACROS = Environment(autoescape=False).from_string(  # noqa: S701 - SQL, not HTML
    (PROJECT_ROOT / "dbt_project" / "macros" / "statistics.sql").read_text(encoding="utf-8")
)
GRID = [n / 16 for n in range(-640, 641)] + [6.999999, 7.0, 7.000001, 36.99, 37.0, 37.01, 1e-9, 1e9]


def tabulated(connection: psycopg.Connection, macro: str, x: list[float], *more: Any) -> list[float]:
    formula = getattr(MACROS.module, macro)("x", *more).replace("%", "%%")
    rows = connection.execute(f"select {formula} from unnest(%s::float8[]) with ordinality as t (x, n) order by n", [x])
    return [value for (value,) in rows]


def test_the_normal_distribution(connection: psycopg.Connection) -> None:
    cdf = tabulated(connection, "normal_cdf", GRID)
    assert cdf == pytest.approx([NormalDist().cdf(z) for z in GRID], abs=1e-14)
    tail = tabulated(connection, "normal_tail", GRID)
    wanted = [math.erfc(abs(z) / math.sqrt(2)) / 2 if abs(z) <= 37 else 0 for z in GRID]
    assert tail == pytest.approx(wanted, rel=1e-5, abs=0)


def test_the_z_of_an_alpha(connection: psycopg.Connection) -> None:
    alphas = [n / 10_000 for n in range(1, 1001)]
    wanted = [NormalDist().inv_cdf(1 - alpha / 2) for alpha in alphas]
    assert tabulated(connection, "two_sided_z", alphas) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 6, 7, 10, 31, 200])
def test_the_chi_square_distribution(connection: psycopg.Connection, df: int) -> None:
    """Against the integral of its density, by Simpson's rule."""
    steps = 4000

    def above(x: float) -> float:
        # with x = t * t the density of one degree has no pole
        width = math.sqrt(x) / steps
        log_norm = math.log(2) - df / 2 * math.log(2) - math.lgamma(df / 2)
        density = [
            math.exp(log_norm + (df - 1) * math.log(t) - t * t / 2) if t else math.exp(log_norm) * (df == 1)
            for t in (n * width for n in range(steps + 1))
        ]
        return 1 - width / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))

    grid = [0.0, 1e-9, 0.01, 0.5, 1.0, 2.0, 3.84, 10.83, 30.0, 150.0, 250.0, 1000.0]
    found = tabulated(connection, "chi_square_tail", grid, f"{df}::bigint")
    assert found == pytest.approx([above(x) for x in grid], abs=1e-9)
    assert tabulated(connection, "chi_square_tail", [1e5, 1e12], f"{df}::bigint") == pytest.approx([0, 0], abs=1e-290)
