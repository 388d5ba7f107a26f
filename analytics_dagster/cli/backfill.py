"""`backfill`: judge loading days again and restate what they touch, in one run; what a Dagster backfill does, too."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from analytics_dagster.cli.console import errors
from analytics_dagster.cli.launching import launch
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.first_day import first_day
from analytics_dagster.tenancy.registry import entry, unknown
from analytics_dagster.warehouse import connect

DAY = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    app.command()(backfill)


def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="The first loading day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="The last loading day; it is part of it.")],
    tenant: Annotated[list[str] | None, typer.Option(help="Restate only this tenant's marts; may be repeated.")] = None,
) -> None:
    """Load what is new of these days, judge them again, and restate the marts that they touch: in one run."""
    from analytics_dagster.transform import ensure_manifest

    with errors.status("Preparing the warehouse"):
        chosen, url = prepared()
        ensure_manifest(chosen)
    _require_loading_days(first.date(), last.date(), first_day(chosen))
    with connect(url) as connection:
        for tenant_id in tenant or ():
            if entry(connection, tenant_id) is None:
                raise unknown(connection, tenant_id)
    done = launch("backfill", chosen, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", *(tenant or ()))
    raise typer.Exit(0 if done else 1)


def _require_loading_days(first: date, last: date, begins: date) -> None:
    today = datetime.now(UTC).date()
    if not begins <= first <= last <= today:
        raise AnalyticsError(
            f"{first} to {last} are no loading days",
            where="--from, --to",
            remedy=f"they go from {begins}, the first, to {today}, today; --from is not after --to",
        )
