"""`quality docs`: the Data Docs, written anew from the tables."""

import typer

from analytics_dagster.cli.console import errors, out
from analytics_dagster.cli.preparation import prepared


def register(quality: typer.Typer) -> None:
    quality.command()(docs)


def docs() -> None:
    """Write the Data Docs, a static site of what the quality gate found. The runs keep it up to date themselves."""
    from analytics_dagster.quality.data_docs import write_all

    with errors.status("Writing the Data Docs"):
        chosen, url = prepared()
        written = write_all(url, chosen.data_docs_dir, chosen.expectations_dir)
    out.print(str(written.index), markup=False, highlight=False, soft_wrap=True)
