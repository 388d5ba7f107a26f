"""How an intention is written down: one event of the contract, one JSON object, one line."""

import json
from datetime import timezone
from random import Random
from typing import TypedDict

from analytics_dagster.sample.clock import ZULU, iso
from analytics_dagster.sample.life import Intent
from analytics_dagster.sample.people import Person
from analytics_dagster.sample.wording import Properties
from analytics_dagster.schemas import AnalyticsChannelType as Channel


class Wire(TypedDict):
    metadata: dict[str, object]
    event_type: str
    event_name: str
    properties: Properties


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def wire(intent: Intent, tenant_id: str, person: Person | None, event_id: str, offset: timezone = ZULU) -> Wire:
    """The event as its producer writes it: phones tell local time, backends leave out what is empty."""
    metadata: dict[str, object] = {"event_id": event_id, "tenant_id": tenant_id, "source": intent.source}
    phone = intent.source is Channel.MOBILE_APP
    metadata["timestamp"] = iso(intent.at, offset) if phone else iso(intent.at)
    backend = intent.source is Channel.BACKEND
    if person is not None:
        if person.user_id is not None or not backend:
            metadata["user_id"] = person.user_id
        if person.anonymous_id is not None and not (backend and person.user_id):
            metadata["anonymous_id"] = person.anonymous_id
    if not backend:
        metadata["is_test"] = False
    return {
        "metadata": metadata,
        "event_type": intent.type,
        "event_name": intent.name,
        "properties": intent.properties,
    }


def line(event: object) -> bytes:
    return _encode(event).encode() + b"\n"


def uuid(rng: Random) -> str:
    """A version 4 UUID from the given random numbers."""
    digits = f"{(rng.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
