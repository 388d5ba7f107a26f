"""Which models of the warehouse were made by other code than today's: pure functions over dbt's manifest.

pipeline.built_models keeps the fingerprint of what made each relation. After a deploy `prepare` rebuilds what
differs, so that an incremental table never mixes two definitions, and the daily run creates nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Relation = tuple[str, str]  # schema, name


def fingerprints(manifest: Mapping[str, Any]) -> dict[str, str]:
    """For each model, by unique id: what decides its rows and columns, including the models that it is made from."""
    found: dict[str, str] = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model":
            _fingerprint(manifest, unique_id, found)
    return found


def models_to_make(manifest: Mapping[str, Any], built: Mapping[Relation, str]) -> list[str]:
    """All views, which cost nothing, and the tables that are missing or were made by other code.

    `built`: what exists now, with the fingerprint of what made it.
    """
    return [
        unique_id
        for unique_id, fingerprint in fingerprints(manifest).items()
        if manifest["nodes"][unique_id]["config"]["materialized"] == "view"
        or built.get(relation(manifest, unique_id)) != fingerprint
    ]


def relation(manifest: Mapping[str, Any], unique_id: str) -> Relation:
    node = manifest["nodes"][unique_id]
    return node["schema"], node["alias"]


def _fingerprint(manifest: Mapping[str, Any], unique_id: str, found: dict[str, str]) -> str:
    if unique_id not in found:
        node = manifest["nodes"][unique_id]
        upstream = sorted(name for name in node["depends_on"]["nodes"] if name.startswith("model."))
        says = [
            node["raw_code"],
            node["config"]["materialized"],
            node["config"].get("indexes"),
            node["constraints"],
            [(column["name"], column["data_type"], column["constraints"]) for column in node["columns"].values()],
            [manifest["macros"][name]["macro_sql"] for name in sorted(set(_macros(manifest, node)))],
            [_fingerprint(manifest, name, found) for name in upstream],
        ]
        found[unique_id] = hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()
    return found[unique_id]


def _macros(manifest: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[str]:
    """The project's own macros, directly and through one another; dbt's are dbt's affair."""
    own = f"macro.{manifest['metadata']['project_name']}."
    config = resource.get("config", {})
    # hooks guard rows and do not make them
    hooks = " ".join(hook["sql"] for hook in [*config.get("pre-hook", []), *config.get("post-hook", [])])
    for name in resource["depends_on"]["macros"]:
        if name.startswith(own) and f"{name.removeprefix(own)}(" not in hooks:
            yield name
            yield from _macros(manifest, manifest["macros"][name])
