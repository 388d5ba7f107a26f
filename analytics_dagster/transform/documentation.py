"""The site of dbt's documentation: every model, column, test and exposure with its lineage, as one HTML file.

It asks the warehouse for what is there, so it belongs to a deployment and not to a build.
"""

import tempfile
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import PROJECT_ROOT
from analytics_dagster.transform.arguments import documentation_arguments
from analytics_dagster.transform.build import dbt_environment
from analytics_dagster.transform.runner import invoke
from analytics_dagster.warehouse import WarehouseUrl
from analytics_dagster.warehouse.connection import place


def document(url: WarehouseUrl, page: Path) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=page.parent, prefix=".dbt-docs-") as folder:
        outcome = invoke(
            documentation_arguments(project_dir=PROJECT_ROOT / "dbt_project", target_dir=Path(folder)),
            environment=dbt_environment(url),
        )
        if not outcome.success:
            raise AnalyticsError(
                f"dbt could not document the project: {outcome.exception or 'it does not compile'}",
                where=place(url),
                remedy="deploy first: analytics-dagster prepare",
            )
        (Path(folder) / "static_index.html").replace(page)
