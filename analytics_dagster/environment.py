"""What a process of Dagster, dbt or MLflow needs to know before it starts.

`analytics-dagster` sets it for itself and for every process that it starts; a deployment gets the same from
`analytics-dagster exec`.
"""

import os

from analytics_dagster.settings import Settings
from analytics_dagster.warehouse import WarehouseUrl

# the project must run on a closed network, and nobody asked to be counted
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def process_environment(settings: Settings, url: WarehouseUrl) -> dict[str, str]:
    return {
        **TELEMETRY_OFF,
        "ANALYTICS_HOME": str(settings.home),
        "ANALYTICS_DAGSTER_STORAGE_URL": url.sqlalchemy(driver="psycopg2", schema="dagster"),
        "DAGSTER_HOME": str(settings.dagster_home),
        # one statement for many events: a run over 90 days writes thousands
        "DAGSTER_EVENT_BATCH_SIZE": "100",
        # two OpenMP teams on two busy cores stall each other for half a second at a time
        "OMP_NUM_THREADS": "1",
    }


def prepare_dagster_home(settings: Settings) -> None:
    """Dagster reads dagster.yaml from its home; the home is below var/ so that nothing else is written beside us."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    link = settings.dagster_home / "dagster.yaml"
    original = settings.home / "dagster.yaml"
    if not (link.exists() and link.samefile(original)):
        fresh = link.with_name(f".dagster.yaml.{os.getpid()}")
        fresh.symlink_to(original)
        fresh.replace(link)
