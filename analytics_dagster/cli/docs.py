"""`docs`: the site of dbt's documentation, as one file below var/."""

import typer

from analytics_dagster.cli.console import errors, out
from analytics_dagster.cli.preparation import prepared


def register(app: typer.Typer) -> None:
    app.command()(docs)


def docs() -> None:
    """Write the documentation of all models and columns, with their lineage, as one HTML file."""
    from analytics_dagster.transform.documentation import document

    with errors.status("Documenting the dbt project"):
        chosen, url = prepared()
        page = chosen.state_dir / "docs" / "index.html"
        document(url, page)
    out.print(str(page), markup=False, highlight=False, soft_wrap=True)
