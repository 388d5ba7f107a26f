"""The parsed dbt project: made when the project changed, read by every run, good for any database.

What belongs here: when to parse and where the result lies. What does not: running models (build.py) and deciding
which of them are out of date (versions.py).
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.settings import Settings
from analytics_dagster.transform.arguments import dbt_arguments
from analytics_dagster.transform.runner import invoke

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

GENERATED = {"target", "logs", "dbt_packages"}


class DbtProjectError(AnalyticsError):
    """The dbt project cannot be read or does not parse."""


def ensure_manifest(settings: Settings) -> Path:
    """The manifest of the project as it is now; parsed only when the project or dbt changed since the last time."""
    target = settings.dbt_target_dir
    manifest, mark = target / "manifest.json", target / "manifest.fingerprint"
    wanted = project_fingerprint(settings.dbt_project_dir)
    target.mkdir(parents=True, exist_ok=True)
    with _locked(target / "manifest.lock"):
        if manifest.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
            return manifest
        mark.unlink(missing_ok=True)
        aside = Path(tempfile.mkdtemp(prefix="parse-", dir=target))
        try:
            _parse(settings.dbt_project_dir, aside)
            (aside / "manifest.json").replace(manifest)
            (aside / "manifest.fingerprint").write_text(wanted, encoding="utf-8")
            (aside / "manifest.fingerprint").replace(mark)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return manifest


def project_fingerprint(project_dir: Path) -> str:
    """Changes with any file of the project and with the version of dbt."""
    if not (project_dir / "dbt_project.yml").is_file():
        raise DbtProjectError(
            "there is no dbt project", where=str(project_dir), remedy="set ANALYTICS_HOME to the project's folder"
        )
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-postgres')}".encode())
    for file in _project_files(project_dir):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"\n{file.relative_to(project_dir).as_posix()} {content}".encode())
    return digest.hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def manifest_for(content: dict[str, Any], database: str) -> "Manifest":
    """What dbt runs from. Parsing writes the database into every relation; this puts the one of this run there."""
    from dbt.artifacts.schemas.manifest import WritableManifest  # noqa: PLC0415 - takes two seconds to import
    from dbt.contracts.graph.manifest import Manifest  # noqa: PLC0415

    resources = [*content["nodes"].values(), *content["sources"].values(), *content["unit_tests"].values()]
    for resource in resources:
        if "database" in resource:
            resource["database"] = database
        if resource.get("relation_name"):
            name = resource.get("alias") or resource["identifier"]
            resource["relation_name"] = f'"{database}"."{resource["schema"]}"."{name}"'
    return Manifest.from_writable_manifest(WritableManifest.from_dict(content))


def _parse(project_dir: Path, target_dir: Path) -> None:
    outcome = invoke(dbt_arguments("parse", project_dir=project_dir, target_dir=target_dir), environment={})
    if not outcome.success:
        raise DbtProjectError(
            f"the dbt project does not parse: {outcome.exception}",
            where=str(project_dir),
            remedy="correct the file that is named; `dbt parse` in that folder says the same",
        )


def _project_files(project_dir: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(project_dir):
        folders[:] = sorted(name for name in folders if name not in GENERATED and not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
