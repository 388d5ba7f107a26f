"""The contract's own form: a record is the event already."""

from analytics_dagster.formats.format import Format
from analytics_dagster.formats.raw_json import Text, on_one_line


def line(item: Text, _tenant_id: str | None) -> bytes:
    return on_one_line(bytes(item))


NATIVE = Format("native", line)
