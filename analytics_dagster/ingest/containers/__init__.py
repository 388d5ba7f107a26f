"""How records are packed into a file: NDJSON, JSON arrays, CSV, Parquet; plain, gzip or zstd.

One module for each. A container says where a record begins and ends and keeps its original; what it means is
its format's, whether it is good is `checking`'s. Memory does not grow with the file, and nothing that a file
holds stops the load: a bad record goes on as refused, a bad file gets a flaw.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from analytics_dagster.formats import FORMATS, NATIVE
from analytics_dagster.ingest.blocks import Block, Damage, Gathering, Record
from analytics_dagster.ingest.containers import csv_rows, flat, json_values, ndjson, parquet_rows
from analytics_dagster.ingest.containers.inflating import inflated, without_byte_order_mark
from analytics_dagster.ingest.containers.mapping import mapped
from analytics_dagster.ingest.naming import Container, Naming

__all__ = ["blocks_of", "record_again"]


def blocks_of(naming: Naming, file: BinaryIO, damage: Damage, claimed_tenant: str | None) -> Iterator[Block]:
    """The lines of a file, converted where they are not the contract's own."""
    chosen = FORMATS[naming.format]
    if naming.container is Container.PARQUET:
        found = parquet_rows.opened(file, damage)
        if found:
            yield from _gathered(found.records(claimed_tenant), found.told_as)
        return
    pieces = without_byte_order_mark(inflated(file, naming.compression, damage))
    match naming.container:
        case Container.NDJSON if chosen is NATIVE:
            yield from ndjson.blocks(pieces, damage)
        case Container.NDJSON:
            records = ndjson.records(ndjson.blocks(pieces, damage))
            yield from _gathered(mapped(records, chosen, claimed_tenant), chosen.told_as)
        case Container.JSON:
            yield from _gathered(mapped(json_values.records(pieces, damage), chosen, claimed_tenant), chosen.told_as)
        case Container.CSV:
            rows = csv_rows.records(ndjson.blocks(pieces, damage), damage, claimed_tenant)
            yield from _gathered(rows, flat.told_as)


def record_again(naming: Naming, original: bytes, number: int, claimed_tenant: str | None) -> Block:
    """One record from what quarantine kept of it, as if it were read from its file again."""
    chosen = FORMATS[naming.format]
    told_as: Callable[[str], str] = chosen.told_as
    match naming.container:
        case Container.NDJSON | Container.JSON:
            record = next(mapped([Record(number, original, original)], chosen, claimed_tenant))
        case Container.CSV:
            record, told_as = csv_rows.again(original, number, claimed_tenant), flat.told_as
        case Container.PARQUET:
            record, told_as = parquet_rows.again(original, number, claimed_tenant)
    gathering = Gathering(told_as)
    block = gathering.add(record) or gathering.block()
    assert block is not None  # noqa: S101 - a record was put in
    return block


def _gathered(records: Iterator[Record], told_as: Callable[[str], str]) -> Iterator[Block]:
    gathering = Gathering(told_as)
    for record in records:
        if block := gathering.add(record):
            yield block
    if block := gathering.block():
        yield block
