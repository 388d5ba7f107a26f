"""What SQL can say about one value of a contract, derived from its pydantic type.

A value is looked at as JSON text, quotes included: `"a"` is not `1`. `sure` is cheap and may be too careful;
`rules` are exact, in pydantic's order and with pydantic's words, wherever `doubtful` is false. All of it is right
only where nothing is escaped and numbers are plain (no exponent, no 19 digits), which `contract_sql` sees to.
Types that are not known here raise.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import duckdb
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError

from analytics_dagster.schemas.base import (
    EARLIEST_YEAR,
    LATEST_YEAR,
    NO_CONTROL_CHARACTER_PATTERN,
    RFC_3339_PATTERN,
    Properties,
    UtcDatetime,
)
from analytics_dagster.schemas.event_contract import AMOUNT_LIMIT, AMOUNT_PATTERN, Amount

QUOTE = '"'
NOT_KNOWN = ("gt", "lt", "multiple_of")
Condition = Callable[[str], str]  # of the column that holds the value


@dataclass(frozen=True)
class Rule:
    broken: Condition  # of those before it, none is
    name: str
    expected: str


@dataclass(frozen=True)
class ValueSql:
    sure: Condition
    rules: tuple[Rule, ...]
    doubtful: Condition = lambda _: "false"


def value_sql(annotation: Any, metadata: Sequence[Any] = ()) -> ValueSql:
    """Of a type that is not optional; for those, see `without_none`."""
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = [*inner, *metadata]
    metadata = [part for mark in metadata for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    unknown = [mark for mark in metadata for name in NOT_KNOWN if getattr(mark, name, None) is not None]
    found = None if unknown else _validated(annotation, metadata) or _plain(annotation, metadata)
    if found is None:
        raise TypeError(f"no SQL is known for {annotation} with {list(metadata)}: teach it to {__name__}")
    return found


def _validated(annotation: Any, metadata: Sequence[Any]) -> ValueSql | None:
    """Of types that are ours, known by their validators."""
    told = _Told(annotation, metadata)
    amounts = [mark.func for mark in metadata if isinstance(getattr(mark, "func", None), Amount)]
    if annotation is Any and amounts:
        return _amount(told, amounts[0])
    if annotation is AwareDatetime and tuple(metadata) == get_args(UtcDatetime)[1:]:
        return _time(told)
    if annotation == dict[str, Any] and tuple(metadata) == get_args(Properties)[1:]:
        return _simple(told, _is_object)
    return None


def _plain(annotation: Any, metadata: Sequence[Any]) -> ValueSql | None:
    told, kind = _Told(annotation, metadata), get_origin(annotation) or annotation
    if any(hasattr(mark, "func") for mark in metadata):
        return None
    if kind is Literal:
        return _word(told, get_args(annotation))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _word(told, kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _simple(told, _is_object)
    simple: dict[Any, Callable[[], ValueSql]] = {
        str: lambda: _text(told, metadata),
        int: lambda: _number(told, metadata, _is_whole, "bigint"),
        float: lambda: _number(told, metadata, _is_number, "double"),
        bool: lambda: _simple(told, lambda v: f"{v} in ('true', 'false')"),
        dict: lambda: _simple(told, _is_object),
        list: lambda: _simple(told, lambda v: _starts(v, "[")),
    }
    return simple[kind]() if kind in simple else None


def without_none(annotation: Any) -> tuple[Any, bool]:
    """The type, and whether null will do, too."""
    parts = get_args(annotation)
    if NoneType in parts and get_origin(annotation) is not Annotated:
        (inner,) = (part for part in parts if part is not NoneType)
        return inner, True
    return annotation, False


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def plain_text(column: str) -> str:
    """The text inside the quotes; right only where nothing is escaped."""
    return f"substring(nullif({column}, 'null'), 2, length({column}) - 2)"


class _Told:
    """What pydantic says when a type is given a wrong value: its rule and its words."""

    def __init__(self, annotation: Any, metadata: Sequence[Any]) -> None:
        whole: Any = Annotated[annotation, *metadata] if metadata else annotation
        model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        self._adapter: TypeAdapter[Any] = TypeAdapter(whole, config=None if model else ConfigDict(strict=True))

    def rule(self, broken: Condition, wrong: str) -> Rule:
        try:
            self._adapter.validate_json(wrong)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            return Rule(broken, fault["type"], fault["msg"])
        raise TypeError(f"{wrong} was to be wrong, and is not")


def _simple(told: _Told, right: Condition) -> ValueSql:
    return ValueSql(right, (told.rule(lambda v: f"not ({right(v)})", "1"),))


def _word(told: _Told, words: Iterable[str]) -> ValueSql:
    quoted_words = ", ".join(quoted(json.dumps(str(word), ensure_ascii=False)) for word in words)
    return ValueSql(lambda v: f"{v} in ({quoted_words})", (told.rule(lambda v: f"{v} not in ({quoted_words})", "0"),))


def _text(told: _Told, metadata: Sequence[Any]) -> ValueSql:
    shortest, longest = _limit(metadata, "min_length"), _limit(metadata, "max_length")
    pattern: str | None = _limit(metadata, "pattern")
    if pattern and not _readable(pattern):
        return ValueSql(lambda _: "false", (), lambda _: "true")
    rules = [told.rule(lambda v: f"not {_starts(v, QUOTE)}", "1")]
    sure: list[Condition] = [lambda v: _starts(v, QUOTE), lambda v: f"not contains({v}, '\\')"]
    doubtful: Condition = lambda _: "false"  # noqa: E731
    if shortest:
        rules.append(told.rule(lambda v: f"length({v}) < {shortest + 2}", '""'))
        sure.append(lambda v: f"strlen({v}) >= {shortest + 2}")
    if longest:
        rules.append(told.rule(lambda v: f"length({v}) > {longest + 2}", json.dumps("x" * (longest + 1))))
        sure.append(lambda v: f"strlen({v}) <= {longest + 2}")  # bytes are never fewer than characters
    # without a backslash there is no control character either
    if pattern and pattern != NO_CONTROL_CHARACTER_PATTERN:
        words = PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
        found = _pattern(pattern)
        rules.append(Rule(lambda v: f"not {found(v)}", words.type, words.message()))
        sure.append(found)
        if "\\" in pattern:  # \d, \w and \s are those of Unicode here and of ASCII there
            sure.append(lambda v: f"strlen({v}) = length({v})")
            doubtful = lambda v: f"strlen({v}) <> length({v})"  # noqa: E731
    return ValueSql(_all(sure), tuple(rules), doubtful)


@cache
def _readable(pattern: str) -> bool:
    """DuckDB knows fewer patterns than pydantic: no count above 1000, for one."""
    try:
        duckdb.execute("select regexp_matches('', ?)", [pattern])
    except duckdb.Error:
        return False
    return True


def _pattern(pattern: str) -> Condition:
    whole = pattern.startswith("^") and pattern.endswith("$") and not set(pattern) & set("|\\")
    if whole:  # half the time of a search
        return lambda v: f"regexp_full_match({v}, {quoted(QUOTE + pattern[1:-1] + QUOTE)})"
    return lambda v: f"regexp_matches({plain_text(v)}, {quoted(pattern)})"


def _number(told: _Told, metadata: Sequence[Any], right: Condition, type_: str) -> ValueSql:
    least, most = _limit(metadata, "ge"), _limit(metadata, "le")
    value: Condition = lambda v: f"try_cast({v} as {type_})"  # noqa: E731
    rules = [told.rule(lambda v: f"not ({right(v)})", '"?"')]
    sure = [right]
    if least is not None:
        rules.append(told.rule(lambda v: f"{value(v)} < {least}::{type_}", str(least - 1)))
        sure.append(lambda v: f"{value(v)} >= {least}::{type_}")
    if most is not None:
        rules.append(told.rule(lambda v: f"{value(v)} > {most}::{type_}", str(most + 1)))
        sure.append(lambda v: f"{value(v)} <= {most}::{type_}")
    return ValueSql(_all(sure), tuple(rules))


def _amount(told: _Told, amount: Amount) -> ValueSql:
    text = f"'{QUOTE}{AMOUNT_PATTERN[1:-1]}{QUOTE}'"
    right: Condition = lambda v: (  # noqa: E731
        f"case when {_is_number(v)} then abs(try_cast({v} as double)) < {AMOUNT_LIMIT}::double"
        f" else regexp_full_match({v}, {text}) end"
    )
    value: Condition = lambda v: f"try_cast(trim({v}, '{QUOTE}') as decimal(38, 20))"  # noqa: E731
    rules = [told.rule(lambda v: f"not ({right(v)})", "true")]
    sure = [right]
    for limit, sign, other, step in ((amount.minimum, "<", ">=", -1), (amount.maximum, ">", "<=", 1)):
        if limit is not None:
            rules.append(told.rule(_compared(value, sign, limit), str(limit + step)))
            sure.append(_compared(value, other, limit))
    return ValueSql(_all(sure), tuple(rules))


def _is_number(v: str) -> str:
    return f"contains('-0123456789', {v}[1])"


def _is_whole(v: str) -> str:
    return f"{_is_number(v)} and not contains({v}, '.')"


def _compared(value: Condition, sign: str, limit: Decimal) -> Condition:
    return lambda v: f"{value(v)} {sign} {limit:f}"


def _time(told: _Told) -> ValueSql:
    form = RFC_3339_PATTERN[1:-1]
    exact = form.replace("{1,9}", "{1,6}")
    moment: Condition = lambda v: f"try_cast({plain_text(v)} as timestamptz)"  # noqa: E731
    within = f"between {EARLIEST_YEAR} and {LATEST_YEAR}"
    return ValueSql(
        # years at the rim are looked at exactly, later
        lambda v: (
            f"regexp_full_match({v}, '{QUOTE}{exact}{QUOTE}') and {v} > '{QUOTE}{EARLIEST_YEAR + 1}'"
            f" and {v} < '{QUOTE}{LATEST_YEAR}' and {moment(v)} is not null"
        ),
        (
            told.rule(lambda v: f"not {_starts(v, QUOTE)}", "1"),
            told.rule(lambda v: f"not regexp_full_match({v}, '{QUOTE}{form}{QUOTE}')", '"?"'),
            told.rule(lambda v: f"{moment(v)} is null", '"2026-02-30T00:00:00Z"'),
            told.rule(lambda v: f"year({moment(v)}) not {within}", '"0001-01-01T00:00:00Z"'),
        ),
        # more digits than microseconds; a year that Python does not know; an hour of the last one
        lambda v: f"regexp_matches({v}, '^{QUOTE}(0000|9999)-|[.][0-9]{{7}}')",
    )


def _starts(column: str, sign: str) -> str:
    return f"starts_with({column}, '{sign}')"


def _limit(metadata: Sequence[Any], name: str) -> Any:
    found = [limit for mark in metadata if (limit := getattr(mark, name, None)) is not None]
    return found[0] if found else None


def _is_object(v: str) -> str:
    return _starts(v, "{")


def _all(conditions: Sequence[Condition]) -> Condition:
    return lambda v: " and ".join(condition(v) for condition in conditions)
