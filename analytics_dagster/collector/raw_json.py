"""JSON read one level deep: what lies deeper stays the bytes that were sent.

So an event keeps its numbers, its order and its escapes as its producer wrote them, and the loader's check
judges what was sent, not what a parser made of it. msgspec does this faster than any other parser reads all.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from analytics_dagster.collector.refusal import invalid

Fields = dict[str, Raw]
Text = bytes | Raw

NULL = b"null"
_object = msgspec.json.Decoder(Fields)
_array = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str | None)
_label = msgspec.json.Decoder(str | int | None)
_encode = msgspec.json.Encoder().encode


def fields_of(text: Text, where: str | None = None) -> Fields:
    try:
        return _object.decode(text)
    except msgspec.ValidationError:
        raise invalid("is not a JSON object", where) from None
    except msgspec.DecodeError as error:
        raise invalid(_told(error), where) from None
    except RecursionError:
        raise invalid("is nested too deeply", where) from None


def items_of(text: Text, where: str | None = None) -> list[Raw]:
    try:
        return _array.decode(text)
    except msgspec.ValidationError:
        raise invalid("is not an array", where) from None
    except msgspec.DecodeError as error:
        raise invalid(_told(error), where) from None
    except RecursionError:
        raise invalid("is nested too deeply", where) from None


def text_of(fields: Mapping[str, Raw], name: str, where: str | None = None) -> str | None:
    """A field that must be text where it is given; null counts as absent."""
    raw = fields.get(name)
    try:
        return None if raw is None else _text.decode(raw)
    except msgspec.DecodeError:
        raise invalid("is not text", where or name) from None


def label_of(fields: Mapping[str, Raw], name: str) -> str | None:
    """An identifier: some producers send theirs as whole numbers."""
    raw = fields.get(name)
    try:
        value = None if raw is None else _label.decode(raw)
    except msgspec.DecodeError:
        raise invalid("is neither text nor a whole number", name) from None
    return None if value is None else str(value)


def is_absent(fields: Mapping[str, Raw], name: str) -> bool:
    raw = fields.get(name)
    return raw is None or bytes(raw) == NULL


def encoded(value: object) -> bytes:
    return _encode(value)


def raw(value: object) -> Raw:
    return Raw(_encode(value))


def on_one_line(text: bytes) -> bytes:
    """Inside valid JSON a bare line break stands between tokens only, where a space says the same."""
    if b"\n" in text or b"\r" in text:
        text = text.replace(b"\n", b" ").replace(b"\r", b" ")
    return text


def require_utf8(body: bytes) -> None:
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"is not UTF-8 at byte {error.start + 1}") from None


def _told(error: msgspec.DecodeError) -> str:
    """What the parser says holds a position, never a value."""
    return f"is not JSON: {str(error).removeprefix('JSON is malformed: ')}"
