"""The overview as a person reads it after a run."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from analytics_dagster.cli.console import table
from analytics_dagster.overview import Overview, Received
from analytics_dagster.settings import Settings

MOST_HOLDS = 10


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
    if overview.held:
        yield Text("\nHeld back", style="bold")
        for hold in overview.held[:MOST_HOLDS]:
            yield Text(f"  {hold.tenant_id}, load of {hold.load_day}: {'; '.join(hold.reasons)}")
        if len(overview.held) > MOST_HOLDS:
            yield Text(f"  … and {len(overview.held) - MOST_HOLDS} more: analytics-dagster status --json")
    if overview.beyond_limits:
        yield Text("\nBeyond their limits", style="bold")
        for breach in overview.beyond_limits[:MOST_HOLDS]:
            yield Text(f"  {breach}")
        if len(overview.beyond_limits) > MOST_HOLDS:
            yield Text(f"  … and {len(overview.beyond_limits) - MOST_HOLDS} more: analytics-dagster status --json")
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


def _served(tenant: Received) -> object:
    """As of which day, or why nothing is."""
    return tenant.status if tenant.status in {"suspended", "offboarded"} else tenant.as_of or "–"
