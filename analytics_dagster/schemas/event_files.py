"""The event registry in files: `events/*.yaml`, each with one event or a list of them.

What a contract is belongs to `event_contract`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.event_contract import EventContract, EventRegistry, PropertyContract
from analytics_dagster.schemas.yaml_files import Declared, FileFaultError, advice, content_of


class EventFileError(AnalyticsError):
    """One or more event files cannot be used as they are."""


FILES = Declared("event", "ANALYTICS_EVENTS_DIR", "docs/events.md and the other files of the folder", EventFileError)


def load_event_contracts(folder: Path) -> EventRegistry:
    """The contracts of a folder, by name; an empty folder has none."""
    paths, faults = FILES.paths(folder)
    contracts: list[EventContract] = []
    places: dict[tuple[str, str], str] = {}
    for path in paths:
        for outcome in _read(path):
            if isinstance(outcome, str):
                faults.append(f"{path.name}: {outcome}")
                continue
            contracts.append(outcome)
            for scope in outcome.scope or ("all tenants",):
                key = (outcome.event_name, scope)
                if key in places:
                    faults.append(f"{path.name}: {outcome.event_name}: is stated for {scope} in {places[key]} already")
                places.setdefault(key, path.name)
    if faults:
        FILES.refuse(folder, faults)
    return EventRegistry(tuple(sorted(contracts, key=lambda contract: (contract.event_name, contract.scope))))


def _read(path: Path) -> Iterator[EventContract | str]:
    """The contracts of a file, or its faults."""
    try:
        content = content_of(path)
    except FileFaultError as fault:
        yield str(fault)
        return
    for entry in content if isinstance(content, list) else [content]:
        yield from _contract(entry)


def _contract(entry: Any) -> Iterator[EventContract | str]:
    if not isinstance(entry, dict):
        yield "holds no fields: write lines such as `event_name: order_placed`"
        return
    name = f"{entry['event_name']}: " if isinstance(entry.get("event_name"), str) else ""
    try:
        yield EventContract.model_validate_json(json.dumps(entry, default=str))
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):  # a key that JSON does not know
            yield f"{name}has a key that is no text: put it in quotes"
            return
        yield from (name + _advice(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors())


def _advice(location: tuple[int | str, ...], rule: str, message: str) -> str:
    model = PropertyContract if location[:1] == ("properties",) else EventContract
    return advice(location, rule, message, whole="event", known=model.model_fields)
