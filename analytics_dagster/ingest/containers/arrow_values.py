"""Arrow's values -> what JSON can say: times as RFC 3339, money as text, bytes as base64, structs without nulls."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class UnreadableValue:
    """Text that is not UTF-8, a time beyond the calendar, two equal keys: what no JSON could hold."""

    shown: str
    expected: str

    def __str__(self) -> str:
        return self.shown


def values_of(column: pa.Array) -> Iterator[Any]:
    plain = _plain(column.type)
    try:
        yield from [plain(value) for value in column.to_pylist()]
    except (ValueError, OverflowError, LookupError, pa.ArrowException):
        # one value spoils the column: look at each
        yield from (_alone(scalar, plain) for scalar in column)


def _alone(scalar: pa.Scalar, plain: Callable[[Any], Any]) -> Any:
    try:
        return plain(scalar.as_py())
    except (ValueError, OverflowError, LookupError, pa.ArrowException) as error:
        return UnreadableValue(_shown(scalar), f"a value that can be read; {error}")


def _shown(scalar: pa.Scalar) -> str:
    if hasattr(scalar, "as_buffer"):  # text, as the bytes that it is
        return bytes(scalar.as_buffer()).decode("utf-8", "backslashreplace")
    return str(getattr(scalar, "value", scalar.type))  # of a time the number, of what is nested the type


def _plain(kind: pa.DataType) -> Callable[[Any], Any]:  # noqa: PLR0911 - one line for each kind
    """A function for the values of a type; null stays null."""
    if isinstance(kind, pa.BaseExtensionType):
        return _scalar
    if pa.types.is_struct(kind):
        inner = {kind.field(place).name: _plain(kind.field(place).type) for place in range(kind.num_fields)}
        # a column has every field in every row: null is how it says that there is none
        return _unless_null(lambda row: {name: inner[name](v) for name, v in row.items() if v is not None})
    if pa.types.is_map(kind):
        item = _plain(kind.item_type)
        return _unless_null(lambda pairs: _mapping(pairs, item))
    if pa.types.is_nested(kind) and hasattr(kind, "value_type"):
        item = _plain(kind.value_type)
        return _unless_null(lambda values: [item(value) for value in values])
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        return _as_it_is
    return _scalar


def _as_it_is(value: Any) -> Any:
    return value


def _unless_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _mapping(pairs: list[tuple[Any, Any]], item: Callable[[Any], Any]) -> dict[str, Any]:
    found = {str(_scalar(key)): item(value) for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("each key once in its map")
    return found


def _scalar(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return format(value, "f")
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)
