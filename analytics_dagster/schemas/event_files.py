"""The event registry in files: `events/*.yaml`, each with one event or a list of them.

All faults of all files are told at once, each with file, event and field. What a contract is belongs to
`event_contract`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.event_contract import EventContract, EventRegistry, PropertyContract


class EventFileError(AnalyticsError):
    """One or more event files cannot be used as they are."""


def load_event_contracts(folder: Path) -> EventRegistry:
    """The contracts of a folder, by name; an empty folder has none."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise EventFileError(
            f"the folder of the event files cannot be read: {error.strerror}",
            where=str(folder),
            remedy="create it, or correct ANALYTICS_EVENTS_DIR",
        ) from None
    faults = [f"{path.name}: rename it to {path.stem}.yaml" for path in paths if path.suffix == ".yml"]
    contracts: list[EventContract] = []
    places: dict[tuple[str, str], str] = {}
    for path in paths:
        if path.suffix != ".yaml":
            continue
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
        count = "an event file cannot" if len(faults) == 1 else f"{len(faults)} faults in event files that cannot"
        raise EventFileError(
            f"{count} be used: " + "; ".join(faults),
            where=str(folder),
            remedy="correct each of them; docs/events.md and the other files of the folder show every field",
        )
    return EventRegistry(tuple(sorted(contracts, key=lambda contract: (contract.event_name, contract.scope))))


def _read(path: Path) -> Iterator[EventContract | str]:
    """The contracts of a file, or its faults."""
    try:
        # aliases could make a small file huge once it is written out below: no file needs them
        text = path.read_text(encoding="utf-8-sig")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            yield "holds an alias (*name): write it out"
            return
        content = yaml.safe_load(text)
    except OSError as error:
        yield f"cannot be read ({error.strerror}): give the user of this process the right to"
        return
    except UnicodeDecodeError:
        yield "is not UTF-8: save it as UTF-8"
        return
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        yield f"is not plain YAML: {' '.join(str(error).split())}: correct this place"
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
    field = ".".join(str(part) for part in location) or "(event)"
    if rule == "missing":
        return f"{field}: is missing: add it"
    if rule == "extra_forbidden":
        model = PropertyContract if location[0] == "properties" else EventContract
        known = ", ".join(model.model_fields)
        return f"{field}: is not a field here: remove it, or use one of {known}"
    return f"{field}: {message[:1].lower()}{message[1:]}"
