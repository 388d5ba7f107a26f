"""`run`: simulate the sample if there is nothing else, then everything that is due, then say what is there."""

import typer

from analytics_dagster.cli.console import errors, out, print_json
from analytics_dagster.cli.launching import launch
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.cli.summary import summary
from analytics_dagster.first_day import remember_first_day
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.overview import overview
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import connect


def register(app: typer.Typer) -> None:
    app.command()(run)


def run(
    *,
    as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON."),
) -> None:
    """Load what has landed, judge it, build the marts, train, score and report. Repeating it is safe."""
    from analytics_dagster.transform import ensure_manifest

    with errors.status("Starting the warehouse"):
        chosen, url = prepared()
    _provide_sample(chosen)
    landed = pending_files(chosen.landing_dir).names
    if landed:
        remember_first_day(chosen, min(day for day, _ in landed))
    with errors.status("Reading the dbt project"):
        ensure_manifest(chosen)
    done = launch("run", chosen)
    with connect(url) as connection:
        data = overview(connection)
    if as_json:
        print_json(data.as_json())
    else:
        out.print(summary(data, chosen))
    raise typer.Exit(0 if done else 1)


def _provide_sample(chosen: Settings) -> None:
    from rich.progress import Progress

    from analytics_dagster.sample.provide import provide_sample

    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("Simulating sample tenants", total=None)
        provide_sample(chosen, lambda done, total: progress.update(task, completed=done, total=total))
