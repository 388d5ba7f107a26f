"""A format at work: records of any format -> the same records with a line of the contract, or with reasons."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from analytics_dagster.formats import NATIVE, Format, UnmappedError
from analytics_dagster.formats.raw_json import repeated_key
from analytics_dagster.ingest.blocks import RECORD, Record, reason, unfit


def mapped(records: Iterable[Record], chosen: Format, claimed_tenant: str | None) -> Iterator[Record]:
    for record in records:
        if chosen is NATIVE:  # whatever it is, the contract's check says so
            yield Record(record.number, record.original, chosen.line(record.line, claimed_tenant))
        else:
            yield _mapped(record, chosen, claimed_tenant)


def _mapped(record: Record, chosen: Format, claimed_tenant: str | None) -> Record:
    unreadable = unfit(record.original)
    if unreadable:
        return Record(record.number, record.original, reasons=(unreadable,))
    try:
        line = chosen.line(record.line, claimed_tenant)
    except UnmappedError as error:
        return refused(record.number, record.original, error)
    # here, because the format kept one of the two
    repeated = repeated_key(record.line)
    if repeated is not None:
        why = reason(RECORD, "duplicate_key", json.dumps(repeated).encode(), "each key once in its object")
        return Record(record.number, record.original, reasons=(why,))
    return replace(record, line=line)


def refused(number: int, original: bytes, error: UnmappedError) -> Record:
    return Record(number, original, reasons=(reason(error.where or RECORD, error.rule, error.value, error.problem),))
