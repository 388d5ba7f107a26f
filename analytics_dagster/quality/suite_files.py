"""The suites as files: Great Expectations' own format, read, checked and typed. Every fault is told with its place.

Only expectations that give each load a verdict of its own can be used: those over the values of one column, without
`mostly`. Judging by them is in `suites`.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field, ValidationError, model_validator

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.verdicts import Severity
from analytics_dagster.schemas._parts import Number, Slug, Text, refusal, repeated
from analytics_dagster.schemas.base import Contract

MARTS_SUITE = "published_marts"  # judged before publication, over marts; all others are judged at loading


class SuiteError(AnalyticsError):
    """A suite file that cannot be used, or that does not fit what it judges."""


class _Between(Contract):
    column: Slug
    min_value: Number | None = None
    max_value: Number | None = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_value is None and self.max_value is None:
            raise refusal(self, "min_value", "be given, or max_value: nothing is asked for")
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise refusal(self, "min_value", "not be above max_value: nothing could pass")
        return self


class _Set(Contract):
    column: Slug
    value_set: Annotated[list[Number], Field(min_length=1)]


class _Column(Contract):
    column: Slug


SUPPORTED: Mapping[str, type[_Between | _Set | _Column]] = {
    "expect_column_values_to_be_between": _Between,
    "expect_column_values_to_be_in_set": _Set,
    "expect_column_values_to_not_be_in_set": _Set,
    "expect_column_values_to_be_null": _Column,
    "expect_column_values_to_not_be_null": _Column,
}


class _Meta(Contract):
    name: Slug
    notes: Text


class _Expectation(Contract):
    type: str
    id: UUID
    kwargs: dict[str, Any]
    severity: Severity
    meta: _Meta


class _Suite(Contract):
    name: Slug
    id: UUID | None = None
    expectations: Annotated[list[dict[str, Any]], Field(min_length=1)]
    meta: dict[str, Any] | None = None
    notes: str | list[str] | None = None


@dataclass(frozen=True)
class Expectation:
    suite: str
    name: str
    type: str
    kwargs: Mapping[str, Any]  # as Great Expectations takes them, column included
    severity: Severity
    notes: str
    id: str

    BOUNDS: ClassVar = ("min_value", "max_value")

    @property
    def key(self) -> str:
        """What a tenant's thresholds call it."""
        return f"{self.suite}.{self.name}"

    @property
    def column(self) -> str:
        return str(self.kwargs["column"])

    @property
    def takes_bounds(self) -> bool:
        return SUPPORTED[self.type] is _Between

    @property
    def expected(self) -> str:
        return expected_text(self.type, self.kwargs)

    def changed(self, threshold: Mapping[str, Any]) -> Self:
        """The same with a tenant's own bounds and severity."""
        bounds = {bound: threshold[bound] for bound in self.BOUNDS if bound in threshold}
        severity: Severity = threshold.get("severity", self.severity)
        return replace(self, kwargs={**self.kwargs, **bounds}, severity=severity)


@dataclass(frozen=True)
class Suite:
    name: str
    file: Path
    expectations: tuple[Expectation, ...]
    document: dict[str, Any] = field(repr=False)  # the file's content, for who writes it with other numbers

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(expectation.column for expectation in self.expectations)

    def expectation(self, name: str) -> Expectation:
        for expectation in self.expectations:
            if expectation.name == name:
                return expectation
        raise SuiteError(
            f"suite {self.name} has no expectation {name}",
            where=str(self.file),
            remedy=f"it has {', '.join(expectation.name for expectation in self.expectations)}",
        )

    def measure_of(self, expectation: str) -> str:
        """The column that an expectation looks at."""
        return self.expectation(expectation).column


def read_suites(folder: Path) -> tuple[Suite, ...]:
    """Every suite of the folder, by name; or all faults of all its files at once."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise SuiteError("there is no suite file", where=str(folder), remedy="correct ANALYTICS_HOME")
    suites: list[Suite] = []
    faults: list[str] = []
    for file in files:
        outcome = _read(file)
        if isinstance(outcome, Suite):
            suites.append(outcome)
        else:
            faults += [f"{file.name}: {fault}" for fault in outcome]
    faults += _shared(suites)
    if faults:
        raise SuiteError(
            f"the suites cannot be used: {'; '.join(faults)}",
            where=str(folder),
            remedy="correct each of them; docs/quality.md shows what an expectation looks like",
        )
    return tuple(suites)


def expected_text(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What an expectation asks for, in a few words a person reads."""
    column = kwargs["column"]
    if "value_set" in kwargs:
        inside = "not one" if "_not_" in kind else "one"
        return f"{column} is {inside} of {', '.join(f'{value:g}' for value in kwargs['value_set'])}"
    if SUPPORTED[kind] is _Column:
        return f"{column} is known" if "_not_" in kind else f"{column} is not known"
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    below = "" if low is None else f"{low:g} {'<' if kwargs.get('strict_min') else '<='} "
    above = "" if high is None else f" {'<' if kwargs.get('strict_max') else '<='} {high:g}"
    if not above:
        return f"{column} {'>' if kwargs.get('strict_min') else '>='} {low:g}"
    return f"{below}{column}{above}"


def _read(file: Path) -> Suite | list[str]:
    """A suite, or the faults of its file."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return [f"cannot be read ({error.strerror}): give the user of this process the right to"]
    except ValueError as error:
        return [f"is not JSON: {error}"]
    try:
        suite = _Suite.model_validate_json(json.dumps(document))
    except ValidationError as error:
        return list(_told(error, "", _Suite))
    faults = [] if suite.name == file.stem else [f"name: says {suite.name!r}: it is the name of the file, {file.stem}"]
    expectations: list[Expectation] = []
    for position, content in enumerate(suite.expectations):
        outcome = _expectation(suite.name, content, position)
        if isinstance(outcome, Expectation):
            expectations.append(outcome)
        else:
            faults += outcome
    return faults or Suite(suite.name, file, tuple(expectations), deepcopy(document))


def _expectation(suite: str, content: Mapping[str, Any], position: int) -> Expectation | list[str]:
    meta = content.get("meta")
    name = meta.get("name") if isinstance(meta, dict) else None
    place = f"expectation {name if isinstance(name, str) else position + 1}: "
    try:
        read = _Expectation.model_validate_json(json.dumps(content))
    except ValidationError as error:
        return list(_told(error, place, _Expectation))
    kind = SUPPORTED.get(read.type)
    if kind is None:
        return [f"{place}type: {read.type} is not supported: use one of {', '.join(SUPPORTED)}"]
    try:
        kind.model_validate_json(json.dumps(read.kwargs))
    except ValidationError as error:
        return list(_told(error, f"{place}kwargs.", kind))
    return Expectation(suite, read.meta.name, read.type, read.kwargs, read.severity, read.meta.notes, str(read.id))


def _told(error: ValidationError, place: str, model: type[Contract]) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "(file)"
        if fault["type"] == "missing":
            yield f"{place}{where}: is missing: add it"
        elif fault["type"] == "extra_forbidden":
            nested = _Meta if fault["loc"][0] == "meta" else model
            yield f"{place}{where}: is not known here: remove it, or use one of {', '.join(nested.model_fields)}"
        else:
            yield f"{place}{where}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def _shared(suites: list[Suite]) -> Iterator[str]:
    """A name stands for one expectation in results, checks and marts, whatever its suite; so does an id."""
    everything = [expectation for suite in suites for expectation in suite.expectations]
    for what in ("name", "id"):
        for again in repeated(getattr(expectation, what) for expectation in everything):
            places = [expectation.key for expectation in everything if getattr(expectation, what) == again]
            yield f"{' and '.join(places)} share the {what} {again}: change one"
