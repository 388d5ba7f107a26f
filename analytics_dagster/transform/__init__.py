"""How dbt is called: its arguments are a pure function, its results are typed, one build runs at a time."""

from analytics_dagster.transform.build import build, prepare
from analytics_dagster.transform.manifest import ensure_manifest, project_fingerprint
from analytics_dagster.transform.progress import forget_models, mark_built, newest_changes
from analytics_dagster.transform.results import BuildFailedError, BuildResult, NodeResult
from analytics_dagster.transform.scope import clear_scope, settle_fronts, write_scope

__all__ = [
    "BuildFailedError",
    "BuildResult",
    "NodeResult",
    "build",
    "clear_scope",
    "ensure_manifest",
    "forget_models",
    "mark_built",
    "newest_changes",
    "prepare",
    "project_fingerprint",
    "settle_fronts",
    "write_scope",
]
