"""What a body held, before anybody knows whose it is: the events, and the write key if it came inside."""

from collections.abc import Sequence
from dataclasses import dataclass

from analytics_dagster.formats.raw_json import Text


@dataclass(frozen=True, slots=True)
class Envelope:
    write_key: str | None
    items: Sequence[Text]
    place: str  # of an item in the body, such as `batch[{}]`
    numbers: Sequence[int] | None = None  # where the items do not count from 0

    def place_of(self, index: int) -> str:
        return self.place.format(self.numbers[index] if self.numbers else index)
