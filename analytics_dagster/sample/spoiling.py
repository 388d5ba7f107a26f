"""What an incident is, and how it is written down: small changes of an event, and the list of all incidents of a kind.

Which incidents there are is in `accidents` and `accidents_of_payments`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Any

Event = dict[str, Any]  # as on the wire; JSON
Line = Event | bytes  # bytes: broken before anything happened to it


@dataclass(frozen=True)
class Scene:
    load_day: date
    tenant_id: str
    currency: str
    rng: Random


Strike = Callable[[Sequence[Line], Scene], list[Line]]


@dataclass(frozen=True)
class Incident:
    """A pure function from a day's lines to those that arrive instead."""

    name: str
    description: str
    measures: frozenset[str]  # of the gate; at least one of them tells
    strike: Strike


@dataclass
class Catalogue:
    """Incidents, listed where they are written down."""

    _incidents: list[Incident] = field(default_factory=list)

    def __call__(self, description: str, measures: str) -> Callable[[Strike], Strike]:
        def listed(strike: Strike) -> Strike:
            self._incidents.append(Incident(strike.__name__, description, frozenset(measures.split()), strike))
            return strike

        return listed

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._incidents)


def each(lines: Sequence[Line], change: Callable[[Event], Event]) -> list[Line]:
    return [one if isinstance(one, bytes) else change(one) for one in lines]


def told(event: Event, **metadata: object) -> Event:
    """With other metadata; what is None is left out."""
    kept = {**event["metadata"], **metadata}
    return {**event, "metadata": {key: value for key, value in kept.items() if value is not None}}


def at(event: Event) -> datetime:
    return datetime.fromisoformat(event["metadata"]["timestamp"]).astimezone(UTC)


def moved(event: Event, moment: datetime) -> Event:
    return told(event, timestamp=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def actor(event: Event) -> str:
    return str(event["metadata"].get("user_id") or event["metadata"].get("anonymous_id") or "")
