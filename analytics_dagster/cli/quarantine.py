"""`quarantine list|show|export|replay|discard`: refused lines, looked at, repaired and replayed, or given up.

What they look like on a terminal is in `quarantine_views`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.text import Text

from analytics_dagster.cli.console import errors, json_text, out, print_json
from analytics_dagster.cli.preparation import actor_at, connected
from analytics_dagster.cli.quarantine_options import (
    HIGHEST,
    Actor,
    AsJson,
    ChosenStatus,
    Field,
    File,
    Filters,
    Ids,
    Number,
    Reason,
    Rule,
    Since,
    Status,
    Tenant,
    Until,
    chosen,
)
from analytics_dagster.errors import AnalyticsError

STAY_OPEN = 4

quarantine = typer.Typer(
    help="Lines that were refused: look at them, repair and replay them, or discard them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def list_(
    *,
    tenant: Tenant = None,
    rule: Rule = None,
    field: Field = None,
    since: Since = None,
    until: Until = None,
    file: File = None,
    status: ChosenStatus = Status.OPEN,
    only_counts: bool = typer.Option(False, "--counts", help="Only how many there are by tenant, rule and field."),
    limit: int = typer.Option(20, min=1, help="So many lines; the same bytes of a tenant are one line."),
    before: int | None = typer.Option(None, min=1, max=HIGHEST, help="The page that begins before this entry."),
    as_json: AsJson = False,
) -> None:
    """Show refused lines, the newest first, and how many there are for each reason."""
    from analytics_dagster.cli import quarantine_views as views
    from analytics_dagster.ingest.quarantine import counts, listing

    choice = Filters(tenant, rule, field, since, until, file).choice(status)
    with connected() as connection:
        counted = counts(connection, choice)
        # one more than is shown, to know whether there are more
        found = [] if only_counts else listing(connection, choice, limit=limit + 1, before=before)
    page, more = found[:limit], len(found) > limit
    following = page[-1].entry_id if more else None
    if as_json:
        shown: dict[str, Any] = {"counts": [asdict(count) for count in counted]}
        if not only_counts:
            shown |= {"entries": [asdict(line) for line in page], "next_before": following}
        print_json(shown)
        return
    out.print(views.counts(counted))
    if page:
        out.print()
        out.print(views.listing(page))
    if following:
        out.print(f"There are more: repeat it with --before {following}", markup=False, highlight=False)


@quarantine.command()
def show(
    entry_id: Number,
    *,
    full: bool = typer.Option(False, "--full", help="The whole line, however long."),
    as_json: AsJson = False,
) -> None:
    """Show one entry wholly: the line as it came, every reason, and what was done to it."""
    from analytics_dagster.cli import quarantine_views as views
    from analytics_dagster.ingest.quarantine import entry

    with connected() as connection:
        found, history = entry(connection, entry_id)
    if as_json:
        print_json(views.entry_as_json(found, history))
        return
    for part in views.entry(found, history, full=full):
        out.print(part, soft_wrap=isinstance(part, Text))  # a line is shown as one, to be copied


@quarantine.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; - for standard output.")],
    entry_ids: Ids = None,
    *,
    tenant: Tenant = None,
    rule: Rule = None,
    field: Field = None,
    since: Since = None,
    until: Until = None,
    file: File = None,
    status: ChosenStatus = Status.OPEN,
) -> None:
    """Write entries as NDJSON. Correct `original` in an editor, and give the file to `replay --from`."""
    from analytics_dagster.ingest.quarantine import exported

    choice = chosen(entry_ids, Filters(tenant, rule, field, since, until, file), status)
    with connected() as connection, _new_file(target) as output:
        count = 0
        for count, line in enumerate(exported(connection, choice), start=1):  # noqa: B007 - the count is told below
            output.write(json_text(line).encode() + b"\n")
    errors.print(f"{count:,} entries exported", highlight=False)


@quarantine.command()
def replay(
    entry_ids: Ids = None,
    *,
    tenant: Tenant = None,
    rule: Rule = None,
    field: Field = None,
    since: Since = None,
    until: Until = None,
    file: File = None,
    edited: Annotated[
        typer.FileBinaryRead | None, typer.Option("--from", metavar="FILE", help="An edited export; - for input.")
    ] = None,
    everything: bool = typer.Option(False, "--all", help="All that are open."),
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Check lines again, by today's contract and tenants: those that pass become events of their old loading day.

    Exit code 4: it was done, and some of them stay open.
    """
    from analytics_dagster.cli import quarantine_views as views
    from analytics_dagster.ingest.quarantine import Choice, read_edits, replay
    from analytics_dagster.schemas.event_files import load_event_contracts
    from analytics_dagster.settings import settings

    filters = Filters(tenant, rule, field, since, until, file)
    ways = [bool(entry_ids), filters.say_something, edited is not None, everything]
    if sum(ways) != 1:
        raise typer.BadParameter("say which entries, in one way: by their numbers, by options, by --from, or --all")
    edits = read_edits(edited, edited.name) if edited else None
    choice = Choice(entry_ids=tuple(edits)) if edits else chosen(entry_ids, filters, Status.OPEN)
    with connected() as connection:
        registry = load_event_contracts(settings().events_dir)
        report = replay(connection, choice, actor=actor or actor_at(connection), edits=edits, registry=registry)
    if as_json:
        reasons = [{"rule": rule, "field": of, "entries": count} for (rule, of), count in report.reasons.items()]
        print_json(asdict(report) | {"reasons": reasons, "stay_open": report.stay_open})
    else:
        for part in views.replayed(report):
            out.print(part)
    raise typer.Exit(STAY_OPEN if report.stay_open else 0)


@quarantine.command()
def discard(
    entry_ids: Ids = None,
    *,
    tenant: Tenant = None,
    rule: Rule = None,
    field: Field = None,
    since: Since = None,
    until: Until = None,
    file: File = None,
    reason: Reason,
    yes: bool = typer.Option(False, "--yes", help="Do it; without, options only show what would be discarded."),
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Give entries up, for a reason. They stay in the quarantine and in the books, and are not replayed any more."""
    from analytics_dagster.cli import quarantine_views as views
    from analytics_dagster.ingest.quarantine import counts, discard

    filters = Filters(tenant, rule, field, since, until, file)
    if bool(entry_ids) == filters.say_something:
        raise typer.BadParameter("say which entries, in one way: by their numbers, or by options")
    if not reason.strip():
        raise typer.BadParameter("say why these lines are given up", param_hint="--reason")
    choice = chosen(entry_ids, filters, Status.OPEN)
    with connected() as connection:
        scope = counts(connection, choice) if filters.say_something else []
        do_it = bool(entry_ids) or yes
        discarded = discard(connection, choice, reason=reason, actor=actor or actor_at(connection)) if do_it else 0
    if as_json:
        print_json({"discarded": discarded, "dry_run": not do_it, "scope": [asdict(count) for count in scope]})
        return
    if filters.say_something:
        out.print(views.counts(scope))
    out.print(views.discarded(discarded, dry_run=not do_it, asked=len(set(entry_ids or ()))))


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """For nobody else to read, because of what is in it; and never over somebody's corrections."""
    if str(target) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise AnalyticsError(
            "the file is there already", where=str(target), remedy="take another name, or remove it"
        ) from None
    except OSError as error:
        raise AnalyticsError(f"the file cannot be written: {error.strerror}", where=str(target)) from None
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
    except BaseException:
        target.unlink()  # half an export would be taken for a whole one
        raise
