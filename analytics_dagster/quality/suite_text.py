"""Other bounds in the text of a suite file, and nothing else: what a person wrote and how they laid it out stays."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analytics_dagster.quality.suites import SuiteError

_BOUND = re.compile(r'(?<!\\)"(?P<bound>min_value|max_value)"\s*:\s*(?P<value>-?[0-9][0-9.eE+-]*)')

Changes = Mapping[tuple[str, str], float]  # expectation and bound -> its new value


def with_bounds(text: str, changes: Changes, *, where: str) -> str:
    places = list(_BOUND.finditer(text))
    owners = list(_bounds(json.loads(text)))
    if [place["bound"] for place in places] != [bound for _, bound in owners]:
        raise SuiteError(
            "its bounds cannot be told apart",
            where=where,
            remedy="write them as kwargs of an expectation and nowhere else",
        )
    pieces, end = [], 0
    for place, owner in zip(places, owners, strict=True):
        if owner in changes:
            pieces += [text[end : place.start("value")], number(changes[owner])]
            end = place.end("value")
    return "".join([*pieces, text[end:]])


def number(value: float) -> str:
    return json.dumps(int(value) if value == int(value) else value)


def _bounds(document: Any) -> Iterator[tuple[str, str]]:
    """The bounds that are numbers, in the order of the text."""
    for expectation in document["expectations"]:
        for key, value in expectation["kwargs"].items():
            if key in {"min_value", "max_value"} and isinstance(value, int | float):
                yield expectation["meta"]["name"], key
