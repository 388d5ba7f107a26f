"""Jinja2 as every document uses it: everything is escaped, and a value that is missing is an error.

Numbers and dates have one spelling, whatever the locale: 12,345.67 and 2025-05-31.
"""

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from analytics_dagster.documents.months import day_title, month_title

NOTHING = "–"


def number(value: Decimal | int | None, decimals: int = 0) -> str:
    """12,345 or 0.00042: every digit that is there, never an exponent, and at least `decimals` of them."""
    if value is None:
        return NOTHING
    whole, _, fraction = f"{Decimal(value):,f}".partition(".")
    fraction = fraction.ljust(decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole


def quiet(value: int) -> str:
    """A count in a long table, where a column of zeros would hide the others."""
    return number(value) if value else NOTHING


def moment(value: datetime | None) -> str:
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def day(value: date | None) -> str:
    return NOTHING if value is None else value.isoformat()


@cache
def environment(package: str) -> Environment:
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("analytics_dagster.documents")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": number,
        "quiet": quiet,
        "moment": moment,
        "day": day,
        "day_title": day_title,
        "month_title": month_title,
    }
    return made


def render(package: str, template: str, **values: Any) -> str:
    """`template` of `package`'s `templates` folder, filled in."""
    return environment(package).get_template(template).render(values) + "\n"
