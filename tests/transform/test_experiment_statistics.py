"""The oracle's tests of experiments, which the mart is compared with, beside scipy's and beside chance itself."""

import math
from random import Random

import pytest
from oracle_experiments import SPREAD, compared, sequential_margin, sequential_p_value, split_test
from scipy.integrate import quad
from scipy.stats import chi2_contingency, chisquare, norm

COUNTS = [((1000, 100), (1010, 150)), ((50, 3), (40, 9)), ((10_000, 500), (5_000, 240)), ((20, 20), (30, 1))]


@pytest.mark.parametrize(("size", "control"), COUNTS)
def test_a_fixed_horizon_is_the_z_test_of_two_proportions(size: tuple[int, int], control: tuple[int, int]) -> None:
    (n, k), (m, c) = size, control
    lift, low, high, relative, p, anytime = compared(size, control, "fixed_horizon", 0.01)
    assert anytime is None
    assert lift == pytest.approx(k / n - c / m)
    assert relative == pytest.approx(k / n / (c / m) - 1)
    # chi-square of a table of four, uncorrected, is the square of the pooled z
    assert p == pytest.approx(chi2_contingency([[k, n - k], [c, m - c]], correction=False).pvalue, rel=1e-9)
    error = math.sqrt(k * (n - k) / n**3 + c * (m - c) / m**3)
    assert (low, high) == pytest.approx(norm.interval(0.99, k / n - c / m, error))


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [([1000, 1010], [0.5, 0.5]), ([790, 210], [0.8, 0.2]), ([30, 35, 50], [0.25, 0.25, 0.5]), ([0, 12], [0.5, 0.5])],
)
def test_the_split_is_tested_by_chi_square(sizes: list[int], shares: list[float]) -> None:
    wanted = chisquare(sizes, [share * sum(sizes) for share in shares]).pvalue
    assert split_test(list(zip(sizes, shares, strict=True))) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("variance", [1e-6, 1e-4, 4e-4, 0.01])
@pytest.mark.parametrize("lift", [0.0, 0.003, -0.03, 0.1])
def test_a_sequential_p_value_is_the_mixture_of_likelihood_ratios(lift: float, variance: float) -> None:
    """By integrating over the lifts that are looked for."""
    sigma, spread = math.sqrt(variance), math.sqrt(SPREAD)

    def weighted(effect: float) -> float:
        ratio = norm.logpdf(lift, effect, sigma) - norm.logpdf(lift, 0, sigma)
        return math.exp(min(ratio + norm.logpdf(effect, 0, spread), 700))

    centre, width = lift * SPREAD / (SPREAD + variance), math.sqrt(variance * SPREAD / (SPREAD + variance))
    evidence, _ = quad(weighted, centre - 12 * width, centre + 12 * width, limit=200, points=[centre])
    assert sequential_p_value(lift, variance) == pytest.approx(min(1, 1 / evidence), rel=1e-6, abs=1e-250)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.001])
@pytest.mark.parametrize("variance", [1e-6, 4e-4, 0.01])
def test_a_sequential_interval_holds_what_its_test_does_not_reject(variance: float, alpha: float) -> None:
    margin = sequential_margin(variance, alpha)
    assert sequential_p_value(margin, variance) == pytest.approx(alpha)
    assert margin > norm.isf(alpha / 2) * math.sqrt(variance), "it pays for looking again and again"


def test_who_looks_every_day_is_misled_no_more_often_than_declared() -> None:
    """Experiments without an effect, read on each of 40 days: the sequential test keeps alpha, the other does not."""
    chance, trials, alpha = Random(4), 400, 0.05  # noqa: S311 - the same chance each time
    misled = {"sequential": 0, "fixed_horizon": 0}
    for _ in range(trials):
        users, converted = [0, 0], [0, 0]
        wrong = set()
        for _ in range(40):
            for variant in (0, 1):
                users[variant] += 50
                converted[variant] += sum(chance.random() < 0.1 for _ in range(50))
            for analysis in misled:
                p = compared((users[0], converted[0]), (users[1], converted[1]), analysis, alpha)[4]
                assert p is not None
                if p < alpha:
                    wrong.add(analysis)
        for analysis in wrong:
            misled[analysis] += 1
    assert misled["sequential"] <= alpha * trials
    assert misled["fixed_horizon"] > 3 * alpha * trials
