"""The overview as a person reads it after a run."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from analytics_dagster.cli.console import table
from analytics_dagster.overview import Held, Overview, Received, Waiting
from analytics_dagster.settings import Settings

MOST_LINES = 10


def summary(overview: Overview, chosen: Settings) -> Group:
    return Group(*_parts(overview, chosen))


def _parts(overview: Overview, chosen: Settings) -> Iterator[RenderableType]:
    yield table(
        "Events received",
        ["tenant", "kind", "received", "accepted", "duplicate", "quarantined", "held loads", "served as of"],
        [
            (r.tenant_id, r.kind, r.received, r.accepted, r.duplicate, r.quarantined, r.held_loads, _served(r))
            for r in overview.received
        ],
    )
    yield from _section("Held back", [*map(_held, overview.held)])
    yield from _section("Waiting", [*map(_waiting, overview.waiting)])
    yield from _section("Beyond their limits", [*map(str, overview.beyond_limits)])
    if overview.headlines:
        yield Text()
        yield table(
            "The last 28 days",
            ["tenant", "daily active users", "sessions", "action", "actions", "revenue", "currency", "likely to leave"],
            [
                (
                    h.tenant_id,
                    None if h.daily_active_users is None else float(h.daily_active_users),
                    h.sessions,
                    h.action or "–",
                    h.actions,
                    None if h.revenue is None else float(h.revenue),
                    h.currency,
                    h.likely_to_leave,
                )
                for h in overview.headlines
            ],
        )
    yield Text()
    yield Text.assemble(("Where to look next", "bold"))
    yield Text("  make ui                                       the asset graph, runs, schedules and checks")
    yield Text("  .venv/bin/analytics-dagster sql               the warehouse, in psql")
    yield Text(f"  {chosen.reports_dir}  billing and compliance reports")


def _section(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    if lines:
        yield Text(f"\n{title}", style="bold")
        yield from (Text(f"  {line}") for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield Text(f"  … and {len(lines) - MOST_LINES} more: analytics-dagster status --json")


def _held(load: Held) -> str:
    return f"{load.tenant_id}, load of {load.load_day}, since {load.held_at:%Y-%m-%d %H:%M}: {'; '.join(load.reasons)}"


def _waiting(behind: Waiting) -> str:
    return f"{behind.tenant_id}, {behind.loads} load{'s' if behind.loads > 1 else ''}: {behind.reason}"


def _served(tenant: Received) -> object:
    """As of which day, or why nothing is."""
    return tenant.status if tenant.status in {"suspended", "offboarded"} else tenant.as_of or "–"
