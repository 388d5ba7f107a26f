"""A command waits for what it needs, and for nothing else."""

import subprocess
import sys

import pytest

HEAVY = {
    "dagster",
    "dbt",
    "duckdb",
    "great_expectations",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "sklearn",
    "sqlalchemy",
}


@pytest.mark.parametrize(
    "module", ["analytics_dagster.cli", "analytics_dagster.tenancy", "analytics_dagster.ingest.landing"]
)
def test_what_every_command_imports_is_light(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.split() == []
