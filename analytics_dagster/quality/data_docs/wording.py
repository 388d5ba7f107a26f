"""Measures, bounds and names in the words of a person: 12.3%, at most 50%, "most lines are new".

Pure functions of what the tables hold; what a measure is follows from the ending of its name.
"""

import math
import re
from functools import lru_cache

SPOKEN = {"kpi": "KPI", "kpis": "KPIs", "mrr": "MRR", "utc": "UTC"}
PRECISE = 100  # from here on, nobody reads the decimals
NOTHING = "nothing to observe"
SHARES = ("_share", "mix_shift")
_BOUNDS = re.compile(
    r"(?:(?P<low>\S+) (?P<above><=?) )?(?P<measure>[a-z][a-z0-9_]*)"
    r"(?: (?P<sign>[<>]=?) (?P<bound>\S+)| (?P<words>is .+))?"
)
_SIGNS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than"}


@lru_cache(4096)
def sentence(name: str) -> str:
    """`most_lines_are_new` as it is spoken."""
    words = [SPOKEN.get(word, word) for word in name.split("_") if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def amount(measure: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return NOTHING
    if measure.endswith(SHARES):
        return f"{_digits(value * 100)}%"
    if measure.endswith("_ratio"):
        return f"{_digits(value)} × usual"
    if measure.endswith("_deviation"):
        return f"{_digits(value)} {'deviation' if abs(value) == 1 else 'deviations'}"
    if measure.startswith("hours_"):
        return f"{_digits(value)} h"
    return _digits(value)


@lru_cache(4096)
def measure_in(expected: str) -> str:
    """The measure that a recorded expectation is about; empty when it says it in other words."""
    found = _BOUNDS.fullmatch(expected)
    return found["measure"] if found else ""


@lru_cache(4096)
def asked(expected: str) -> str:
    """`0.1 <= new_share <= 0.5` as "at least 10%, at most 50%"; what is no such line stays as it was recorded."""
    found = _BOUNDS.fullmatch(expected)
    if found is None or not (found["low"] or found["sign"] or found["words"]):
        return expected
    if found["words"]:
        return found["words"].removeprefix("is ")
    bounds = [(found["above"] and found["above"].replace("<", ">"), found["low"]), (found["sign"], found["bound"])]
    try:
        return ", ".join(f"{_SIGNS[sign]} {amount(found['measure'], float(bound))}" for sign, bound in bounds if sign)
    except ValueError:
        return expected


def reason(text: str) -> str:
    """Why a load was held, as the gate wrote it: `most_lines_are_new: observed …`."""
    name, sign, rest = text.partition(":")
    return f"{sentence(name)}:{rest}" if sign and re.fullmatch(r"[a-z][a-z0-9_]*", name) else text


def _digits(value: float) -> str:
    """Three figures that matter, whole numbers whole, a true minus."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"  # and not -0
    if abs(value) >= PRECISE or float(value).is_integer():
        text = f"{value:,.0f}"
    else:
        # 0.00012 keeps its figures, and never an exponent
        places = 2 - math.floor(math.log10(abs(value)))
        text = f"{value:.{max(places, 0)}f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")
