"""Events, lines and tenants by the handful."""

import json
from datetime import date
from typing import Any

import psycopg

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.event_contract import EventContract, EventRegistry

DAY = date(2026, 1, 31)


def event(event_id: str, tenant_id: str = "acme", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "event_id": event_id,
            "tenant_id": tenant_id,
            "source": "web_app",
            "timestamp": "2026-01-31T09:30:00.125+01:00",
            "user_id": "u1",
            **metadata,
        },
        "event_type": "user_action",
        "event_name": "track_play",
        "properties": {"track_id": "7", "amount": "9.99"},
    }


def lines(*events: dict[str, Any] | bytes) -> bytes:
    return b"".join((e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n" for e in events)


def tenant(tenant_id: str, **fields: Any) -> TenantConfiguration:
    fields = {
        "tenant_id": tenant_id,
        "name": tenant_id.title(),
        "kind": "music",
        "tier": "free",
        "region": "eu",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "plan": "free",
        **fields,
    }
    return TenantConfiguration.model_validate_json(json.dumps(fields))


def empty_raw(connection: psycopg.Connection) -> None:
    """As if nothing was ever loaded; the registry stays."""
    connection.execute(
        "truncate raw.events, raw.quarantine, raw.quarantine_history, raw.accounts, raw.batches, raw.replays,"
        " raw.sightings, raw.known_runs, raw.known_pages, raw.known_filters"
    )


def contract(event_name: str, **fields: Any) -> EventContract:
    """Of properties, a description is made up."""
    properties = {name: {"description": name, **rules} for name, rules in {**fields.pop("properties", {})}.items()}
    told = {"event_name": event_name, "description": event_name, "properties": properties, **fields}
    return EventContract.model_validate_json(json.dumps(told))


# each type of property with each of its rules
REGISTRY = EventRegistry(
    (
        contract(
            "full",
            properties={
                "word": {"type": "text", "required": True, "max_length": 3, "pattern": "^a"},
                "code": {"type": "text", "pattern": r"A-\d|é"},
                "kind": {"type": "text", "required": True, "one_of": ["one", "two words", "it's", 'say "x"']},
                "count": {"type": "integer", "minimum": 0, "maximum": 5},
                "share": {"type": "number", "minimum": 0.5, "maximum": 1.25},
                "amount": {"type": "money", "minimum": 0.01, "maximum": 1000},
                "flag": {"type": "boolean"},
                "at": {"type": "timestamp"},
                "thing": {"type": "object"},
                "things": {"type": "list"},
                "copy": {"type": "text"},
            },
        ),
        contract("scoped", tenants=["zeta"], properties={"word": {"type": "text", "required": True}}),
        contract("scoped", kinds=["shop"], properties={"count": {"type": "integer", "required": True}}),
        contract("scoped", properties={"flag": {"type": "boolean", "required": True}}),
        contract("bare"),
    ),
    {"acme": "shop", "zeta": "shop"},
)
