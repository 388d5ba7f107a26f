"""What `quality` shows on a terminal. All text of a tenant goes through `table` or `plain`, which make it harmless."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from rich.console import RenderableType
from rich.text import Text

from analytics_dagster.cli.console import plain, table
from analytics_dagster.quality.listing import Held, LoadStanding, Scored, Told
from analytics_dagster.quality.releasing import Release


def holds(found: Sequence[Held]) -> Iterator[RenderableType]:
    if not found:
        yield Text("No load is held.")
        return
    columns = ["tenant", "load", "held since", "because", "later loads", "served as of"]
    rows = [
        (hold.tenant_id, hold.load_day, _moment(hold.held_at), _because(hold), hold.waiting_loads, hold.as_of)
        for hold in found
    ]
    yield table("Held", columns, rows)
    first = found[0]
    yield Text(
        "\nA tenant's marts stand still before its first held load; all later loads wait for it. To go on:"
        f"\n  look at it       analytics-dagster quality show {plain(first.tenant_id)} {first.load_day}"
        "\n  repair the data  send what is missing or corrected, or replay it (analytics-dagster quarantine replay):"
        "\n                   the next run judges the load again and releases it if it passes"
        f"\n  take it as it is analytics-dagster quality release {plain(first.tenant_id)} {first.load_day} --reason '…'"
    )


def load(standing: LoadStanding, shown: Sequence[Told], *, judged: int) -> Iterator[RenderableType]:
    yield Text.assemble(
        (f"{plain(standing.tenant_id)}, load of {standing.load_day}", "bold"), f"  {standing.state or 'judged'}"
    )
    if standing.held_at:
        yield Text(f"held since {_moment(standing.held_at)}")
    if standing.released_at:
        yield Text(
            f"released by {plain(standing.released_by or '')}, {_moment(standing.released_at)}:"
            f" {plain(standing.released_for or '')}"
        )
    failed = sum(not verdict.passed for verdict in shown)
    score = "" if standing.score is None else f", score {standing.score:.2f}"
    yield Text(f"{judged} expectations judged, {failed} failed{score}")
    if not shown:
        yield Text("Nothing failed; --all shows what passed.")
        return
    yield Text()
    columns = ["suite", "expectation", "severity", "expected", "observed", "", "note", "events to look at"]
    rows = [
        (
            verdict.suite,
            verdict.expectation,
            verdict.severity,
            verdict.expected,
            "nothing" if verdict.observed is None else f"{verdict.observed:.4g}",
            "passed" if verdict.passed else "failed",
            verdict.note or None,
            ", ".join(verdict.sample) or None,
        )
        for verdict in shown
    ]
    yield table("Verdicts", columns, rows)


def released(done: Release, still: Sequence[date]) -> Iterator[RenderableType]:
    yield Text(f"Released: the load of {done.load_day} of {plain(done.tenant_id)}, by {plain(done.actor)}.")
    yield Text("It was held because:")
    for reason in done.reasons:
        yield Text(f"  {plain(reason)}")
    if still and min(still) < done.load_day:
        yield Text(f"Its marts still stand before the load of {min(still)}, which is held, too.")
    else:
        until = f" to the load before {min(still)}, which is held, too," if still else ""
        yield Text(f"Its marts catch up{until} in the next build: analytics-dagster run, or an open UI.")


def scores(found: Sequence[Scored]) -> RenderableType:
    if not found:
        return Text("No load was judged yet.")
    columns = ["tenant", "load", "score", "mean of 7", "state", "judged", "critical", "warnings"]
    rows = [
        (
            line.tenant_id,
            line.load_day,
            line.score,
            line.score_7d,
            line.state,
            line.judged,
            line.failed_critical,
            line.failed_warning,
        )
        for line in found
    ]
    return table("Scores", columns, rows)


def _because(hold: Held) -> str:
    told = "; ".join(str(reason) for reason in hold.reasons)
    return told if hold.stage == "loads" else f"its marts: {told}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
