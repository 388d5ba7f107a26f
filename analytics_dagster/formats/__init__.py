"""The languages that producers speak: one small module for each maps its records to the contract.

Pure functions of a record and the tenant that its transport claims; files, requests and quarantine belong to
`ingest` and `collector`, which both lean on this. Adding one: docs/formats.md.
"""

from analytics_dagster.formats.cloudevents import CLOUDEVENTS
from analytics_dagster.formats.format import Format
from analytics_dagster.formats.native import NATIVE
from analytics_dagster.formats.segment import SEGMENT
from analytics_dagster.formats.unmapped import UnmappedError

FORMATS = {known.name: known for known in (NATIVE, SEGMENT, CLOUDEVENTS)}

__all__ = ["FORMATS", "NATIVE", "Format", "UnmappedError"]
