"""`quality propose`: bounds learned from the history of the loads, for a person to take on or not."""

from pathlib import Path
from typing import Annotated

import typer

from analytics_dagster.cli.console import errors, out, plain, table
from analytics_dagster.cli.preparation import prepared


def register(quality: typer.Typer) -> None:
    quality.command()(propose)


def propose(
    *,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite, such as raw_events.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the suites with the proposed bounds there.")
    ] = None,
) -> None:
    """Learn bounds from the loads that passed, and show them beside those of the suites. Nothing is changed by it."""
    from analytics_dagster.documents import write
    from analytics_dagster.quality.learning import good_loads
    from analytics_dagster.quality.proposing import own_thresholds, propose
    from analytics_dagster.quality.suite_text import number, with_bounds
    from analytics_dagster.quality.suites import MARTS_SUITE, read_suites
    from analytics_dagster.quality.thresholds import thresholds
    from analytics_dagster.warehouse import connect

    chosen, url = prepared()
    suites = [one for one in read_suites(chosen.expectations_dir) if one.name != MARTS_SUITE]
    if suite is not None and suite not in {one.name for one in suites}:
        known = ", ".join(one.name for one in suites)
        raise typer.BadParameter(f"there is no suite {plain(suite)}; known are {known}", param_hint="--suite")
    asked = [one for one in suites if suite in (None, one.name)]
    with errors.status("Learning from the loads that passed"), connect(url) as connection:
        proposals = propose(good_loads(connection), asked, thresholds(connection))
    columns = ["expectation", "bound", "now", "proposed", "loads", "fail now", "would fail"]
    rows = [(p.key, p.bound, number(p.now), number(p.proposed), p.loads, p.fail_now, p.would_fail) for p in proposals]
    out.print(table("Bounds, learned from the loads that passed", columns, rows))
    for tenant_id, own in sorted(own_thresholds(proposals).items()):
        out.print(f"\n{plain(tenant_id)} differs from the others; for its file in tenants/:", markup=False)
        lines = [
            f"  {key}: {{{', '.join(f'{bound}: {number(value)}' for bound, value in sorted(bounds.items()))}}}"
            for key, bounds in sorted(own.items())
        ]
        out.print("\n".join(["quality:", *lines]), markup=False, highlight=False, soft_wrap=True)
    if output is None:
        return
    for one in asked:
        bounds: dict[tuple[str, str], float] = {
            (p.expectation, p.bound): p.proposed for p in proposals if p.suite == one.name
        }
        text = with_bounds(one.file.read_text(encoding="utf-8"), bounds, where=str(one.file))
        errors.print(f"written: {write(output / one.file.name, text).path}", markup=False, soft_wrap=True)
