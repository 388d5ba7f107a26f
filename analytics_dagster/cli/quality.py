"""`quality list|show|release|scores`: who is held and why, what was judged of a load, and taking a load on as it is.

What they look like on a terminal is in `quality_views`; `docs` and `propose` have modules of their own.
"""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

import typer

from analytics_dagster.cli import quality_docs, quality_propose
from analytics_dagster.cli.console import out, print_json
from analytics_dagster.cli.preparation import actor_at, connected, prepared
from analytics_dagster.warehouse import connect

quality = typer.Typer(
    help="The quality gate: who is held and why, the verdicts of a load, releases, scores.", no_args_is_help=True
)


def _text(words: str | None) -> str | None:
    """A shell can hand over any bytes; PostgreSQL takes text."""
    try:
        (words or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not UTF-8") from None
    if words and "\0" in words:
        raise typer.BadParameter("has a zero byte")
    return words


Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.", callback=_text)]
OneTenant = Annotated[str | None, typer.Argument(metavar="[TENANT]", help="Only this one.", callback=_text)]
Day = Annotated[datetime, typer.Argument(metavar="DAY", help="The loading day.", formats=["%Y-%m-%d"])]
OneDay = Annotated[
    datetime | None,
    typer.Argument(metavar="[DAY]", help="The loading day; else the first held, or the newest.", formats=["%Y-%m-%d"]),
]
Reason = Annotated[str, typer.Option(callback=_text, help="Why it is taken on as it is; kept for ever.")]
Actor = Annotated[str | None, typer.Option(callback=_text, help="Who does this, for the record; else your login name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def register(app: typer.Typer) -> None:
    quality_docs.register(quality)
    quality_propose.register(quality)
    app.add_typer(quality, name="quality")


@quality.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show the loads that are held: why, since when, and how to go on."""
    from analytics_dagster.cli import quality_views as views
    from analytics_dagster.quality.listing import held

    with connected() as connection:
        found = held(connection)
    if as_json:
        print_json([asdict(hold) for hold in found])
        return
    for part in views.holds(found):
        out.print(part)


@quality.command()
def show(
    tenant: Tenant,
    day: OneDay = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that passed, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest verdicts of a load, those that failed first."""
    from analytics_dagster.cli import quality_views as views
    from analytics_dagster.quality.listing import verdicts

    with connected() as connection:
        load, found = verdicts(connection, tenant, _date(day))
    shown = found if everything else [verdict for verdict in found if not verdict.passed]
    if as_json:
        print_json(asdict(load) | {"judged": len(found), "verdicts": [asdict(verdict) for verdict in shown]})
        return
    for part in views.load(load, shown, judged=len(found)):
        out.print(part)


@quality.command()
def release(tenant: Tenant, day: Day, *, reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    """Take a held load on as it is. It stays released until its data changes; the next run serves it."""
    from analytics_dagster.cli import quality_views as views
    from analytics_dagster.quality.data_docs import write_for_tenants
    from analytics_dagster.quality.listing import held
    from analytics_dagster.quality.releasing import release

    if not reason.strip():
        raise typer.BadParameter("say why this load is taken on as it is", param_hint="--reason")
    chosen, url = prepared()
    with connect(url) as connection:
        done = release(connection, tenant, day.date(), actor=actor or actor_at(connection), reason=reason)
        still = [hold.load_day for hold in held(connection) if hold.tenant_id == tenant]
    write_for_tenants(url, chosen.data_docs_dir, chosen.expectations_dir, [tenant])
    if as_json:
        print_json(asdict(done) | {"still_held": still})
        return
    for part in views.released(done, still):
        out.print(part)


@quality.command()
def scores(
    tenant: OneTenant = None,
    *,
    limit: int = typer.Option(28, min=1, max=10_000, help="So many loads of the tenant, the newest first."),
    as_json: AsJson = False,
) -> None:
    """Show how good the loads are: of one tenant the newest ones, of all tenants the newest of each."""
    from analytics_dagster.cli import quality_views as views
    from analytics_dagster.quality.listing import scores

    with connected() as connection:
        found = scores(connection, tenant, limit=limit)
    if as_json:
        print_json([asdict(score) for score in found])
        return
    out.print(views.scores(found))


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
