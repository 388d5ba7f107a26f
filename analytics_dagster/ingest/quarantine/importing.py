"""An export that was corrected in an editor, read back: all of it, or an error that names the line.

Where a line came from says which entry it is, besides its number: a number that was changed by mistake would put
one line's correction into another line's place.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics_dagster.errors import AnalyticsError

NUMBERS = range(1, 2**63)  # PostgreSQL's bigint
REMEDY = "correct the line, or export again; nothing was replayed"


@dataclass(frozen=True)
class Edit:
    file: str
    line: int | None
    original: bytes
    where: str  # in the export, for messages


def read_edits(export: Iterable[bytes], name: str) -> dict[int, Edit]:
    """By entry; the order of the lines means nothing, and lines may be missing."""
    edits: dict[int, Edit] = {}
    for number, content in enumerate(export, start=1):
        line = content.removeprefix(b"\xef\xbb\xbf") if number == 1 else content
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        fields = _fields(line, where)
        entry_id = fields["entry_id"]
        if entry_id not in NUMBERS:
            raise AnalyticsError(f"no entry has the number {entry_id}", where=where, remedy=REMEDY)
        if entry_id in edits:
            raise AnalyticsError(f"entry {entry_id} is there twice", where=where, remedy="keep one of them")
        edits[entry_id] = Edit(fields["file"], fields["line"], _original(fields, where), where)
    if not edits:
        raise AnalyticsError("the export holds no entry", where=name, remedy=REMEDY)
    return edits


def _fields(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"is no JSON ({error})"
        raise AnalyticsError(
            f"a line of the export {reason}; is the file cut off?", where=where, remedy=REMEDY
        ) from None
    if not isinstance(fields, dict):
        raise AnalyticsError("a line of the export is no object", where=where, remedy=REMEDY)
    for name, kinds in (("entry_id", (int,)), ("file", (str,)), ("line", (int, type(None)))):
        if name not in fields or type(fields[name]) not in kinds:
            raise AnalyticsError(f"{name} is missing or not what was exported", where=where, remedy=REMEDY)
    return fields


def _original(fields: Mapping[str, Any], where: str) -> bytes:
    text, coded = fields.get("original"), fields.get("original_base64")
    if isinstance(text, str) and coded is None:
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise AnalyticsError(
                "original holds half a character (a lone surrogate)", where=where, remedy=REMEDY
            ) from None
    if isinstance(coded, str) and text is None:
        try:
            return base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError):
            raise AnalyticsError("original_base64 is no base64", where=where, remedy=REMEDY) from None
    raise AnalyticsError("give either original or original_base64, as text", where=where, remedy=REMEDY)
