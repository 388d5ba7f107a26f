"""How the commands of `quarantine` are told which entries: the options that they share, and what they choose."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from analytics_dagster.ingest.quarantine import Choice


class Status(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    ALL = "all"


def _plain(value: str | None) -> str | None:
    """A shell can hand over any bytes; PostgreSQL takes text."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not UTF-8") from None
    return value


HIGHEST = 2**63 - 1  # of PostgreSQL's bigint
Number = Annotated[int, typer.Argument(metavar="ENTRY", min=1, max=HIGHEST, help="Its number, as `list` shows.")]
Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="ENTRY", min=1, max=HIGHEST, help="Numbers of entries, as `list` shows."),
]
Tenant = Annotated[str | None, typer.Option(callback=_plain, help="Of this tenant; '(unknown)' for lines of nobody.")]
Rule = Annotated[str | None, typer.Option(callback=_plain, help="Refused by this rule, such as unknown_tenant.")]
Field = Annotated[str | None, typer.Option(callback=_plain, help="Refused for this field, such as event_name.")]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Loaded on this day or later.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Loaded on this day or earlier.")]
File = Annotated[
    str | None, typer.Option(callback=_plain, help="From files with this in their path below the landing folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Actor = Annotated[
    str | None, typer.Option(callback=_plain, help="Who does this, for the history; else your login name.")
]
Reason = Annotated[str, typer.Option(callback=_plain, help="Why these lines are given up; kept in their history.")]
ChosenStatus = Annotated[Status, typer.Option(help="In this status.")]


class Filters(NamedTuple):
    """What entries have in common; nothing said is true of every one."""

    tenant: str | None
    rule: str | None
    field: str | None
    since: datetime | None
    until: datetime | None
    file: str | None

    @property
    def say_something(self) -> bool:
        return any(self)

    def choice(self, status: Status) -> "Choice":
        from analytics_dagster.ingest import quarantine as domain

        first, last = _day(self.since), _day(self.until)
        if first and last and first > last:
            raise typer.BadParameter("is after --until", param_hint="--since")
        return domain.Choice(
            status=None if status is Status.ALL else domain.Status(status),
            tenant=self.tenant,
            rule=self.rule,
            field=self.field,
            since=first,
            until=last,
            file=self.file,
        )


def chosen(entry_ids: list[int] | None, filters: Filters, status: Status) -> "Choice":
    from analytics_dagster.ingest.quarantine import Choice

    if not entry_ids:
        return filters.choice(status)
    if filters.say_something:
        raise typer.BadParameter("entries are chosen by their numbers or by options, not by both")
    return Choice(entry_ids=tuple(sorted(set(entry_ids))))


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
