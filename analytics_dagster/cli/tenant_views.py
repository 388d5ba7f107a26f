"""How tenants look on a terminal. All text of a tenant goes through `table`, which makes it harmless."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from analytics_dagster.cli.console import plain, table
from analytics_dagster.tenancy import Change
from analytics_dagster.tenancy.history import HistoryEntry
from analytics_dagster.tenancy.offboarding import Scope
from analytics_dagster.tenancy.profile import Access, Listed, Profile

KEPT = (
    "Its events, marts and documents stay until retention or an erasure takes them. Neither is built yet: nothing"
    " removes them by itself."
)


def tenants(found: Sequence[Listed]) -> Table:
    columns = ["tenant", "name", "kind", "tier", "status", "plan", "region", "declared by", "served as of"]
    return table("Tenants", columns, [tuple(vars(tenant).values()) for tenant in found])


def changes(tenant_id: str, made: Sequence[Change]) -> RenderableType:
    if not made:
        return Text("Nothing changed: it says so already.")
    return table(tenant_id, ["field", "before", "after"], [(c.field, c.before, c.after) for c in made])


def profile(found: Profile) -> Group:
    return Group(*_parts(found))


def _parts(found: Profile) -> Iterator[RenderableType]:
    origin = f"the file {found.tenant_id}.yaml" if found.origin == "file" else "a command"
    yield Text.assemble((found.tenant_id, "bold"), f"  {found.status}, declared by {origin}")
    yield Text()
    fields = [(field, _value(value)) for field, value in found.configuration.items()]
    yield table("Configuration", ["field", "value"], [*fields, ("features", _value(found.features))])
    yield Text()
    yield table(
        "Limits", ["limit", "value", "from"], [(limit.name, limit.value, limit.source) for limit in found.limits]
    )
    yield Text()
    columns = ["loading day", "received", "accepted", "duplicate", "quarantined", "larger than allowed"]
    yield table("The last loading days", columns, [tuple(vars(day).values()) for day in found.last_days])
    for breach in found.breaches:
        yield Text(f"  beyond its limit: {breach}")
    yield Text()
    yield table("Access", ["what", ""], _access(found.access))
    if found.publication:
        rows = f"{sum(found.publication.row_counts.values()):,} rows"
        when = f"{found.publication.published_at:%Y-%m-%d %H:%M:%S}"
        yield Text(f"  served as of {found.publication.as_of or '–'}: {rows}, published {when}")
    else:
        yield Text("  served: nothing")
    yield Text()
    yield table("History", ["when", "who", "what", "why", "how"], [_told(entry) for entry in found.history])


def planned(scope: Scope, *, file: Path) -> Group:
    """Before an offboarding."""
    parts: list[RenderableType] = [
        Text.assemble((scope.tenant_id, "bold"), f"  {scope.status}. Nothing was changed. Offboarding takes away:"),
        table("", ["what", ""], [*_access(scope.access), ("published", scope.published), ("partition", "its key")]),
        Text(),
        table("It leaves behind", ["table", "rows"], list(scope.rows.items())),
        Text(f"\n{KEPT}\n"),
    ]
    if file.exists():
        parts.append(Text(f"First delete {plain(str(file))}, which declares it."))
    parts.append(Text(f"To do it: analytics-dagster tenant offboard {scope.tenant_id} --yes --reason '…'"))
    return Group(*parts)


def left(scope: Scope, *, has_partition: bool) -> Group:
    """After it."""
    gone = [*_access(scope.access), ("published", scope.published), ("partition", has_partition)]
    return Group(
        Text.assemble((scope.tenant_id, "bold"), f"  {scope.status}. This is what there is now:"),
        table("", ["what", ""], gone),
        Text(),
        table("Left behind", ["table", "rows"], list(scope.rows.items())),
        Text(f"\n{KEPT}"),
    )


def _access(access: Access) -> list[tuple[str, object]]:
    reads = "reads" if access.role_reads else "sees nothing" if access.role_exists else "is not there"
    return [
        ("write keys in use", access.keys_in_use),
        ("write keys revoked", access.keys_revoked),
        (f"role {access.role}", reads),
        ("logins with that role", ", ".join(access.logins) or "–"),
    ]


def _told(entry: HistoryEntry) -> tuple[object, ...]:
    before: Mapping[str, Any] = entry.before or {}
    different = [
        f"{field}: {_value(before.get(field))} → {_value(value)}"
        for field, value in entry.after.items()
        if entry.before is not None and _value(before.get(field)) != _value(value)  # a field may be younger than it
    ]
    return f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.action, entry.reason, "; ".join(different) or "–"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "–"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_said(item)}" for key, item in value.items()) or "–"
    return str(value)


def _said(value: Any) -> str:
    """The fields of a thing that has a name, such as a threshold."""
    return ", ".join(f"{field} {item}" for field, item in value.items()) if isinstance(value, dict) else str(value)
