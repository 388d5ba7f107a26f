"""What a format is: a pure function from one record to one line of the contract, and the names of its fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from analytics_dagster.formats.raw_json import Text


@dataclass(frozen=True)
class Format:
    name: str  # as in a file's name: <any>.<name>.ndjson
    # (a record as JSON text, the tenant that its folder or its key claims) -> the event as one line of JSON.
    # The same record must give the same line whenever it comes. Raises UnmappedError.
    line: Callable[[Text, str | None], bytes]
    # the contract's fields -> the producer's, for the reasons of refused records
    producer_fields: Mapping[str, str] = field(default_factory=dict)

    def told_as(self, contract_field: str) -> str:
        return self.producer_fields.get(contract_field, contract_field)
