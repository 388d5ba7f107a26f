"""JSON read one level deep: what lies deeper stays the bytes that were sent.

So an event keeps its numbers, its order and its escapes as its producer wrote them, and the loader's check
judges what was sent, not what a parser made of it. msgspec does this faster than any other parser reads all.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from analytics_dagster.formats.unmapped import UnmappedError

Fields = dict[str, Raw]
Text = bytes | Raw

Decoded = TypeVar("Decoded")

NULL = b"null"
_object = msgspec.json.Decoder(Fields)
_array = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str | None)
_label = msgspec.json.Decoder(str | int | None)
_encode = msgspec.json.Encoder().encode
# a tab between tokens is a space, and inside a string it is refused like the line break that it stands for
_TABS = bytes.maketrans(b"\r\n", b"\t\t")


def fields_of(text: Text, where: str | None = None) -> Fields:
    return _decoded(_object, text, where, "is not a JSON object", "not_an_object")


def items_of(text: Text, where: str | None = None) -> list[Raw]:
    return _decoded(_array, text, where, "is not an array", "not_an_array")


def _decoded(decoder: msgspec.json.Decoder[Decoded], text: Text, where: str | None, problem: str, rule: str) -> Decoded:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise UnmappedError(problem, where, rule=rule, value=bytes(text)) from None
    except msgspec.DecodeError as error:
        raise _not_json(error, where, text) from None
    except RecursionError:
        raise UnmappedError("is nested too deeply", where, rule="nested_too_deeply") from None


def text_of(fields: Mapping[str, Raw], name: str, where: str | None = None) -> str | None:
    """A field that must be text where it is given; null counts as absent."""
    raw = fields.get(name)
    try:
        return None if raw is None else _text.decode(raw)
    except msgspec.DecodeError:
        raise UnmappedError("is not text", where or name, rule="not_text", value=bytes(raw or b"")) from None


def required_text_of(
    fields: Mapping[str, Raw], name: str, expected: str = "must be given", *, where: str | None = None
) -> str:
    found = text_of(fields, name, where)
    if not found:
        raise UnmappedError(expected, where or name, rule="missing")
    return found


def label_of(fields: Mapping[str, Raw], name: str) -> str | None:
    """An identifier: some producers send theirs as whole numbers."""
    raw = fields.get(name)
    try:
        value = None if raw is None else _label.decode(raw)
    except msgspec.DecodeError:
        raise UnmappedError(
            "is neither text nor a whole number", name, rule="not_an_identifier", value=bytes(raw or b"")
        ) from None
    return None if value is None else str(value)


def is_absent(fields: Mapping[str, Raw], name: str) -> bool:
    raw = fields.get(name)
    return raw is None or bytes(raw) == NULL


def encoded(value: object) -> bytes:
    return _encode(value)


def raw(value: object) -> Raw:
    return Raw(_encode(value))


def on_one_line(text: bytes) -> bytes:
    """The same JSON without line breaks; what is no JSON does not become it."""
    if b"\n" not in text and b"\r" not in text:
        return text
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return text.translate(_TABS)


class _RepeatedError(Exception):
    pass


def repeated_key(text: bytes) -> str | None:
    """A key that stands twice in its object, at any depth: which of two values counts is another one for every
    reader. For text that is JSON."""
    try:
        json.loads(text, object_pairs_hook=_once)
    except _RepeatedError as repeated:
        return str(repeated)
    return None


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedError(key)
            seen.add(key)


def require_utf8(text: bytes) -> None:
    if text.isascii():
        return
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise UnmappedError(f"is not UTF-8 at byte {error.start + 1}", rule="bad_utf8") from None


def _not_json(error: msgspec.DecodeError, where: str | None, text: Text) -> UnmappedError:
    """What the parser says holds a position, never a value."""
    told = str(error).removeprefix("JSON is malformed: ")
    return UnmappedError(f"is not JSON: {told}", where, rule="json_invalid", value=bytes(text))
