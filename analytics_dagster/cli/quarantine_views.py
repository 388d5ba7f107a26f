"""What `quarantine` shows on a terminal: tables, lines as they came, and dumps of what is no text."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from analytics_dagster.cli.console import plain, table
from analytics_dagster.ingest.quarantine import Count, Entry, HistoryLine, Listed, ReplayReport
from analytics_dagster.ingest.quarantine.exporting import as_text

SHOWN_CHARACTERS = 4_000
SHOWN_BYTES = 256
BYTES_BEFORE_FAULT = 64
BYTES_A_LINE = 16


def counts(found: Sequence[Count]) -> RenderableType:
    if not found:
        return Text("No entry.")
    columns = ["tenant", "rule", "field", "entries", "first day", "last day"]
    rows = [(c.tenant_id, c.rule, c.field, c.entries, c.first_day, c.last_day) for c in found]
    return table("Reasons", columns, rows)


def listing(found: Sequence[Listed]) -> RenderableType:
    columns = ["entry", "tenant", "file and line", "reason", "first seen", "last seen", "times", "status"]
    rows = [
        (
            str(line.entry_id),
            line.tenant_id,
            f"{line.file}:{line.line_number}" if line.line_number else line.file,
            _reasons(line.reasons),
            f"{line.first_seen:%Y-%m-%d %H:%M}",
            f"{line.last_seen:%Y-%m-%d %H:%M}",
            line.times_seen,
            line.status,
        )
        for line in found
    ]
    return table("Entries", columns, rows)


def entry(found: Entry, history: Sequence[HistoryLine], *, full: bool) -> Iterator[RenderableType]:
    where = f"{found.file}, line {found.line_number}" if found.line_number else f"{found.file}, the whole file"
    yield Text(f"Entry {found.entry_id}, {found.status}: {plain(where)}")
    yield Text(f"tenant {plain(found.tenant_id)}, loaded on {found.load_day}")
    if len(found.entry_ids) > 1:
        others = ", ".join(str(number) for number in found.entry_ids if number != found.entry_id)
        yield Text(
            f"seen {len(found.entry_ids)} times, first {_moment(found.first_seen)}, last {_moment(found.last_seen)};"
            f" also as {others}"
        )
    else:
        yield Text(f"seen {_moment(found.first_seen)}")
    yield Text()
    columns = ["field", "rule", "value", "expected"]
    yield table("Reasons", columns, [tuple(reason.get(name) for name in columns) for reason in found.reasons])
    yield Text()
    yield Text("As it came" if found.line_number else "What was left of it", style="bold")
    yield Text(content(found.original, full=full))
    if history:
        yield Text()
        yield table(
            "History",
            ["when", "who", "what", "edited"],
            [
                (_moment(line.recorded_at), line.actor, _action(line), "yes" if line.original_before else None)
                for line in history
            ],
        )


def entry_as_json(found: Entry, history: Sequence[HistoryLine]) -> dict[str, Any]:
    shown = asdict(found)
    original = shown.pop("original")
    lines = []
    for line in history:
        told = asdict(line)
        before = told.pop("original_before")
        lines.append(told | ({} if before is None else as_text("original_before", before)))
    return shown | as_text("original", original) | {"history": lines}


def content(original: bytes, *, full: bool) -> str:
    """Text with its control characters as escapes; what is no UTF-8 as a dump from where it goes wrong."""
    try:
        text = original.decode()
    except UnicodeDecodeError as error:
        return _dump(original, error.start, full=full)
    if full or len(text) <= SHOWN_CHARACTERS:
        return plain(text)
    return f"{plain(text[:SHOWN_CHARACTERS])}\n… and {len(text) - SHOWN_CHARACTERS:,} characters more (--full)"


def replayed(report: ReplayReport) -> Iterator[RenderableType]:
    outcomes = [
        ("accepted", report.accepted),
        ("duplicate", report.duplicate),
        ("replayed before", report.replayed_before),
        ("stay open: another event has this id", report.conflicting),
        ("stay open: refused again", report.refused),
        ("stay open: about a whole file, send it again", report.whole_files),
    ]
    yield table("Replayed", ["outcome", "entries"], [outcome for outcome in outcomes if outcome[1]] or [("none", 0)])
    if report.reasons:
        yield Text()
        yield table(
            "Why they stay open",
            ["rule", "field", "entries"],
            [(rule, field, count) for (rule, field), count in report.reasons.items()],
        )
    if report.load_days:
        days = [day.isoformat() for day in report.load_days]
        which = days[0] if len(days) == 1 else f"{len(days)} from {days[0]} to {days[-1]}"
        yield Text(f"Loading days to build again: {which}. An open UI does it, or analytics-dagster run.")


def discarded(count: int, *, dry_run: bool, asked: int) -> RenderableType:
    if dry_run:
        return Text("Nothing was discarded. Repeat it with --yes to discard these.")
    before = f", {asked - count:,} had been before" if asked > count else ""
    return Text(f"{count:,} discarded{before}.")


def _dump(original: bytes, fault: int, *, full: bool) -> str:
    start = 0 if full else max(0, fault - BYTES_BEFORE_FAULT) // BYTES_A_LINE * BYTES_A_LINE
    end = len(original) if full else min(len(original), start + SHOWN_BYTES)
    lines = [f"not UTF-8 from byte {fault + 1} on; bytes {start + 1:,} to {end:,} of {len(original):,}:"]
    for offset in range(start, end, BYTES_A_LINE):
        piece = original[offset : min(offset + BYTES_A_LINE, end)]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)  # noqa: PLR2004 - ASCII
        lines.append(f"{offset:08x}  {piece.hex(' '):<{3 * BYTES_A_LINE}} {letters}")
    return "\n".join(lines)


def _reasons(reasons: Sequence[dict[str, Any]]) -> str:
    first = f"{reasons[0].get('field')}: {reasons[0].get('rule')}"
    return first if len(reasons) == 1 else f"{first} (+{len(reasons) - 1})"


def _action(line: HistoryLine) -> str:
    if line.action == "discard":
        return f"discarded: {line.detail.get('reason')}"
    rules = ", ".join(str(reason.get("rule")) for reason in line.detail.get("reasons_before", []))
    return f"replayed: {line.detail.get('outcome')}, after {rules}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
