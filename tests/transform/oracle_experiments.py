"""The results of experiments in plain Python: the same tests, with the standard library's error function."""

import json
import math
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from analytics_dagster.schemas.experiments import Experiment
from analytics_dagster.tenancy.declared import declare_experiments

if TYPE_CHECKING:
    import psycopg
    from histories import Event, Rows, Tenant

COLUMNS = {
    "experiment_results": "tenant_id, experiment, variant, analysis, alpha, told_from, is_control, first_day, last_day,"
    " users, converted, conversions, revenue, conversion_rate, revenue_per_user, lift, lift_low, lift_high,"
    " relative_lift, p_value, anytime_p_value, sample_ratio_p_value, verdict"
}
SPREAD = 0.02**2
MILLIONTH = Decimal("0.000001")
DECLARED: dict[str, dict[str, Any]] = {
    "of-kinds": {
        "experiment": "autoplay",
        "kinds": ["music", "saas"],
        "variants": {"A": 0.25, "B": 0.75},
        "control": "B",
        "conversion": ["page_viewed", "payment_succeeded"],
        "window_hours": 25,
        "analysis": "sequential",
        "alpha": 0.1,
        "minimum_users": 1,
    },
    "own": {
        "experiment": "autoplay",
        "tenants": ["zurich"],
        "variants": ["B", "A", "never"],
        "control": "A",
        "conversion": ["track_play", "app_error"],
        "window_hours": 2000,
        "analysis": "sequential",
        "minimum_users": 2,
    },
    "over": {  # in the midst of its history
        "experiment": "checkout",
        "tenants": ["zurich"],
        "variants": ["A", "B"],
        "control": "A",
        "analysis": "fixed_horizon",
        "planned_end": "2024-04-01",
        "minimum_users": 1,
    },
    "running": {  # until its last day comes
        "experiment": "checkout",
        "tenants": ["st-johns"],
        "variants": ["A", "B"],
        "control": "B",
        "conversion": ["page_viewed"],
        "window_hours": 1,
        "analysis": "fixed_horizon",
        "planned_end": "2010-11-09",
        "alpha": 0.01,
        "minimum_users": 1,
    },
    "later": {
        "experiment": "checkout",
        "tenants": ["new-york", "apia", "0"],
        "variants": {"A": 0.9, "B": 0.1},
        "control": "A",
        "analysis": "fixed_horizon",
        "planned_end": "2099-01-01",
    },
}
EXPERIMENTS = {
    file: Experiment.model_validate_json(json.dumps({"description": "One of the oracle's."} | fields))
    for file, fields in DECLARED.items()
}
UNDECLARED = Experiment.model_construct(conversion=("payment_succeeded",), window_hours=168, alpha=0.05)
Exposed = tuple[date, int, Decimal]  # the day, and the conversions and revenue of one actor


def declare(connection: "psycopg.Connection") -> None:
    declare_experiments(connection, EXPERIMENTS)


def rows(served: "list[Event]") -> "dict[str, Rows]":
    found = set()
    latest: dict[str, date] = {}
    tenants = {}
    for event in served:
        tenants[event.tenant.tenant_id] = event.tenant
        latest[event.tenant.tenant_id] = max(event.wall.date(), latest.get(event.tenant.tenant_id, date.min))
    for (tenant_id, experiment), variants in _exposed(served).items():
        declared = _declared(tenants[tenant_id], experiment)
        for row in _results(variants, declared, latest[tenant_id]):
            found.add((tenant_id, experiment, *row))
    return {"experiment_results": found}


def _declared(tenant: "Tenant", experiment: str) -> Experiment | None:
    of_name = [each for each in EXPERIMENTS.values() if each.experiment == experiment]
    own = [each for each in of_name if tenant.tenant_id in each.tenants]
    return next(iter(own or [each for each in of_name if tenant.kind in each.kinds]), None)


def _results(variants: dict[str, list[Exposed]], declared: Experiment | None, today: date) -> "Rows":
    told_from = None
    if declared is None:
        control, analysis, alpha, minimum = (
            "control" if "control" in variants else min(variants, key=str.encode),
            "",
            0.05,
            1,
        )
        sizes = [(len(exposed), 1 / len(variants)) for exposed in variants.values()]
    else:
        control, analysis, alpha, minimum = declared.control, declared.analysis, declared.alpha, declared.minimum_users
        if declared.planned_end is not None:
            told_from = declared.planned_end + timedelta(days=1 + math.ceil(declared.window_hours / 24))
        sizes = [(len(variants.get(variant, [])), share) for variant, share in declared.variants.items()]
    split = split_test(sizes)
    found = set()
    for variant, exposed in variants.items():
        days = [day for day, _, _ in exposed]
        revenue = sum((paid for _, _, paid in exposed), Decimal(0))
        users, converted = _size(exposed)
        base = (variant, analysis or "undeclared", Decimal(str(alpha)), told_from, variant == control)
        totals = (min(days), max(days), users, converted, sum(n for _, n, _ in exposed), revenue)
        means = (_rounded(converted / users), (revenue / users).quantize(MILLIONTH, ROUND_HALF_UP))
        numbers: list[float | None] = [None] * 6
        told = None
        if variant != control and control in variants and (declared is None or variant in declared.variants):
            numbers = compared((users, converted), _size(variants[control]), analysis, alpha)
            if told_from is not None and today < told_from:
                told = "running"
            elif min(users, len(variants[control])) < minimum:
                told = "too_few_users"
            else:
                p = numbers[4]
                told = "undecided" if p is None or p >= alpha else "better" if (numbers[0] or 0) > 0 else "worse"
            if told in {"running", "too_few_users"}:
                numbers[1:3], numbers[4] = [None, None], None
        if variant == control:
            told = "control"
        elif declared is not None and variant not in declared.variants:
            told = "not_planned"
        elif split is not None and split < 0.001:
            told = "sample_ratio_mismatch"
        shown = (_rounded(number) for number in (*numbers, split))
        found.add((*base, *totals, *means, *shown, told or "too_few_users"))
    return found


def _exposed(served: "list[Event]") -> dict[tuple[str, str], dict[str, list[Exposed]]]:
    done, first = defaultdict(list), {}
    for event in sorted(served, key=lambda e: (e.at, e.event_id.encode())):
        experiment, variant = (_text(event.properties.get(name)) for name in ("experiment", "variant"))
        key = (event.tenant.tenant_id, event.actor)
        done[key].append(event)
        if event.event_name == "experiment_exposed" and event.actor and experiment and variant:
            first.setdefault((*key, experiment), (variant, event))
    found: dict[tuple[str, str], dict[str, list[Exposed]]] = defaultdict(lambda: defaultdict(list))
    for (tenant_id, actor, experiment), (variant, event) in first.items():
        declared = _declared(event.tenant, experiment)
        if declared is not None and declared.planned_end is not None and event.wall.date() > declared.planned_end:
            continue
        asked = declared or UNDECLARED
        window = timedelta(hours=asked.window_hours)
        own = [e for e in done[tenant_id, actor] if timedelta(0) <= e.at - event.at < window]
        revenue = sum((e.revenue for e in own if e.event_name == "payment_succeeded"), Decimal(0))
        conversions = sum(e.event_name in asked.conversion for e in own)
        found[tenant_id, experiment][variant].append((event.wall.date(), conversions, revenue))
    return found


def compared(size: tuple[int, int], control: tuple[int, int], analysis: str, alpha: float) -> list[float | None]:
    """The lift, its interval, the relative lift, the p-value; and that of a sequential test if nothing is declared."""
    (n, k), (m, c) = size, control
    rate, base, pooled = k / n, c / m, (k + c) / (n + m)
    lift, own = rate - base, k / n * (1 - k / n) / n + c / m * (1 - c / m) / m
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    relative = lift / base if base else None
    if not variance:
        return [lift, None, None, relative, 1.0, None if analysis else 1.0]
    anytime = sequential_p_value(lift, max(variance, own))
    if analysis == "sequential":
        p, margin = anytime, sequential_margin(max(variance, own), alpha)
    else:
        p, margin = math.erfc(abs(lift) / math.sqrt(2 * variance)), NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(own)
    return [lift, lift - margin, lift + margin, relative, p, None if analysis else anytime]


def sequential_p_value(lift: float, variance: float) -> float:
    """One over the likelihood of lifts that are normal around zero by SPREAD, against that of none."""
    whole = variance + SPREAD
    return min(1.0, math.sqrt(whole / variance) * math.exp(-(lift**2) * SPREAD / (2 * variance * whole)))


def sequential_margin(variance: float, alpha: float) -> float:
    """How far from the lift those lie that such a test does not reject."""
    whole = variance + SPREAD
    return math.sqrt(variance * whole / SPREAD * (math.log(whole / variance) - 2 * math.log(alpha)))


def split_test(sizes: list[tuple[int, float]]) -> float | None:
    """The chi-square test of planned shares, by the series of the lower incomplete gamma function."""
    total = sum(size for size, _ in sizes)
    if len(sizes) == 1 or not total:
        return None
    a, x = (len(sizes) - 1) / 2, sum((size - share * total) ** 2 / (share * total) for size, share in sizes) / 2
    term = gamma = math.exp(a * math.log(x) - x - math.lgamma(a + 1)) if x else 0.0
    for n in range(1, 500):
        term *= x / (a + n)
        gamma += term
    return 1 - gamma


def _size(exposed: list[Exposed]) -> tuple[int, int]:
    return len(exposed), sum(conversions > 0 for _, conversions, _ in exposed)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= 100 else None


def _rounded(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(MILLIONTH, ROUND_HALF_UP) + 0
