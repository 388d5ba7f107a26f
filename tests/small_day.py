"""One day of landing files, just enough for every room of the house: the last day of a month, for some tenants."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.tenancy import load_tenant_files

DAY = date(2026, 2, 28)
MONTH = date(2026, 2, 1)
USERS = 4
ALL_TENANTS = PROJECT_ROOT / "tenants"
SOME_TENANTS = ["bergsoft", "kirana", "tonewave"]  # of three kinds: each more costs a run a second
ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "music": ("track_play", {"track_id": "t1"}),
    "shop": ("order_placed", {"order_id": "o1"}),
    "saas": ("feature_used", {"feature": "search"}),
    "content": ("article_read", {"article_id": "a1"}),
}

Spoil = Callable[[str, dict[str, Any]], None]


def land(
    landing: Path, day: date = DAY, *, name: str = "a", spoil: Spoil | None = None, tenants_dir: Path = ALL_TENANTS
) -> None:
    """A file for each tenant; every user acts, and pays 10 a head."""
    for tenant in load_tenant_files(tenants_dir):
        folder = landing / day.isoformat() / tenant.tenant_id
        folder.mkdir(parents=True, exist_ok=True)
        events = [event for number in range(USERS) for event in _of_user(tenant, day, f"{name}{number}")]
        for event in events:
            if spoil:
                spoil(tenant.tenant_id, event)
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))


def music(day: date) -> list[dict[str, Any]]:
    """What a tenant that streams music sends on a day, in the words of tonewave."""
    (tonewave,) = (tenant for tenant in load_tenant_files(ALL_TENANTS) if tenant.tenant_id == "tonewave")
    return [event for number in range(USERS) for event in _of_user(tonewave, day, f"m{number}")]


def _of_user(tenant: TenantConfiguration, day: date, user: str) -> list[dict[str, Any]]:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)  # the same day in every time zone of the sample
    kinds = [("user_action", *ACTIONS[tenant.kind]), ("transaction", "payment_succeeded", {"amount": "10.00"})]
    return [
        {
            "metadata": {
                "event_id": f"{day}-{user}-{event_type}",
                "tenant_id": tenant.tenant_id,
                "source": "web_app",
                "timestamp": (noon + timedelta(seconds=number)).isoformat(),
                "user_id": user,
            },
            "event_type": event_type,
            "event_name": event_name,
            "properties": properties,
        }
        for number, (event_type, event_name, properties) in enumerate(kinds)
    ]
