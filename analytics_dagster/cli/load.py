"""`load`: somebody's files or standard input into the landing folder, and from there into the warehouse at once."""

import io
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import psycopg
import typer

from analytics_dagster.cli.console import errors, out, print_json, table
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.formats import FORMATS
from analytics_dagster.ingest.landing import pending_files
from analytics_dagster.ingest.naming import Container
from analytics_dagster.ingest.report import LoadReport
from analytics_dagster.schemas.event_files import load_event_contracts
from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import connect

if TYPE_CHECKING:
    from analytics_dagster.ingest.sources import Source

INCOMPLETE = 4
ABOUT_LINES = {"line_too_long"}  # the file itself was read
Format = StrEnum("Format", {name.upper(): name for name in FORMATS})  # type: ignore[misc]  # from the registry

SEEN = "select path from raw.batches where content_sha256 = %s"


@dataclass
class _File:
    """What became of one file."""

    source: str
    path: str | None = None  # below the landing folder
    seen_before_as: str | None = None
    problem: str | None = None


def register(app: typer.Typer) -> None:
    app.command()(load)


def load(
    paths: Annotated[list[str], typer.Argument(metavar="PATH... | -", help="Files, folders, or - for standard input.")],
    *,
    tenant: Annotated[str | None, typer.Option(help="Whose events these are; without it, each event says so.")] = None,
    chosen_format: Annotated[
        Format | None, typer.Option("--format", help="What the records are; else the name tells, else native.")
    ] = None,
    container: Annotated[
        Container | None, typer.Option(help="How they are packed; else the name tells; ndjson for standard input.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The loading day; today in UTC by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Take events in: check, deduplicate and account them. The marts follow with the next `run`.

    Exit codes: 0 every file was read (refused events are in quarantine); 4 a file could not be read, or not to its
    end, everything else is loaded; 1 nothing is loaded.
    """
    from analytics_dagster.ingest.loading import load_day
    from analytics_dagster.ingest.sources import STDIN, sources_of

    if paths.count(STDIN) > 1:
        raise typer.BadParameter("standard input can be read once", param_hint="PATH")
    load_on = day.date() if day else datetime.now(UTC).date()
    with errors.status("Starting the warehouse"):
        chosen, url = prepared()
    pending_files(chosen.landing_dir, load_on)  # a folder that cannot be used is told before anything is copied
    stdin = cast("io.BufferedReader", sys.stdin.buffer)
    found = list(sources_of(paths, stdin, chosen_format and chosen_format.value, container))
    with connect(url, autocommit=True) as connection, errors.status("Loading"):
        _require_tenants(connection, tenant)
        files = [_taken_in(connection, chosen, source, load_on, tenant) for source in found]
        new = {file.path for file in files if file.path}
        registry = load_event_contracts(chosen.events_dir)
        report = load_day(connection, chosen.landing_dir, load_on, registry) if new else LoadReport(load_on)
    for file in files:
        told = [p.message for p in report.problems if p.path == file.path and p.rule not in ABOUT_LINES]
        file.problem = file.problem or "; ".join(told) or None
    if as_json:
        print_json(_as_json(files, report))
    else:
        _print(files, report)
    raise typer.Exit(INCOMPLETE if any(file.problem for file in files) else 0)


def _require_tenants(connection: psycopg.Connection, tenant: str | None) -> None:
    known = [name for (name,) in connection.execute("select tenant_id from tenancy.tenants order by 1")]
    if not known:
        raise AnalyticsError(
            "no tenant is registered",
            remedy="describe each in a file of the folder ANALYTICS_TENANTS_DIR, then: analytics-dagster prepare",
        )
    if tenant is not None and tenant not in known:
        raise AnalyticsError(f"no tenant {tenant!r}", remedy=f"known: {', '.join(known)}")


def _taken_in(
    connection: psycopg.Connection, chosen: Settings, source: "Source", day: date, tenant: str | None
) -> _File:
    from analytics_dagster.ingest.depositing import deposit

    file = _File(source.shown)
    if source.naming is None:
        file.problem = f"is not loaded: {source.problem}"
        return file
    landing = chosen.landing_dir.resolve()
    if source.path and source.path.resolve().is_relative_to(landing):
        file.problem = "is in the landing folder already: analytics-dagster run loads it"
        return file
    try:
        with source.path.open("rb") if source.path else sys.stdin.buffer as opened:
            taken = deposit(opened, source.stem, source.naming, chosen.landing_dir, day, tenant)
    except OSError as error:
        file.problem = f"cannot be copied: {error.strerror}"
        return file
    known = connection.execute(SEEN, [taken.sha256]).fetchone()
    if known is None:
        file.path = taken.name
    else:
        file.seen_before_as = known[0]
        if taken.is_new:
            taken.path.unlink()
    return file


def _as_json(files: list[_File], report: LoadReport) -> dict[str, Any]:
    return {
        "day": report.day,
        "files": [asdict(file) for file in files],
        "tenants": {tenant_id: asdict(tally) for tenant_id, tally in report.tenants.items()},
        "problems": [asdict(problem) for problem in report.problems],
    }


def _print(files: list[_File], report: LoadReport) -> None:
    for file in files:
        if file.problem:
            errors.print(f"{file.source} {file.problem}", style="red", markup=False, highlight=False, soft_wrap=True)
        elif file.seen_before_as:
            out.print(
                f"{file.source}: seen before, as {file.seen_before_as}; nothing to do",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    ours = {file.path for file in files}
    for problem in report.problems:
        if problem.path not in ours or problem.rule in ABOUT_LINES:
            errors.print(str(problem), style="yellow", markup=False, highlight=False, soft_wrap=True)
    if not report.tenants:
        return
    rows = [
        (tenant_id, tally.received, tally.accepted, tally.duplicate, tally.quarantined)
        for tenant_id, tally in report.tenants.items()
    ]
    out.print(table(f"Loaded on {report.day}", ["tenant", "received", "accepted", "duplicate", "quarantined"], rows))
    if report.total.quarantined:
        out.print("\nWhy events are in quarantine:  analytics-dagster quarantine list", highlight=False)
    out.print("\nNext: analytics-dagster run builds the marts; an open UI does it by itself.", highlight=False)
