"""Tenant files: one YAML file for each tenant, named after it; and the same fields as words of a command.

What is written to the database belongs to `registry`.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import TenantConfiguration
from analytics_dagster.schemas.kpis import CustomKpi
from analytics_dagster.schemas.quality import QualityThreshold
from analytics_dagster.schemas.yaml_files import Declared, FileFaultError, advice, content_of

# lists of things that have fields themselves, or such things by name
OF_RECORDS: dict[int | str, type[BaseModel]] = {"custom_kpis": CustomKpi, "quality": QualityThreshold}


class TenantFileError(AnalyticsError):
    """One or more tenant files cannot be used as they are."""


FILES = Declared("tenant", "ANALYTICS_TENANTS_DIR", "docs and the other files of the folder", TenantFileError)


def load_tenant_files(folder: Path) -> list[TenantConfiguration]:
    """The tenants of a folder, by tenant_id; an empty folder has none."""
    return FILES.one_in_each(folder, _read)


def read_tenant_file(path: Path) -> TenantConfiguration:
    """The tenant of one file, wherever that is."""
    outcome = _read(path)
    if isinstance(outcome, TenantConfiguration):
        return outcome
    raise TenantFileError(
        f"the tenant file cannot be used: {'; '.join(outcome)}",
        where=str(path),
        remedy="correct each of them; the runbook on adding a tenant shows every field",
    )


def configured(fields: Mapping[str, object], *, where: str) -> TenantConfiguration:
    """The tenant that these fields describe, or every fault of them."""
    try:
        return TenantConfiguration.model_validate_json(json.dumps(dict(fields)))
    except ValidationError as error:
        faults = "; ".join(_advice(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors())
        raise AnalyticsError(f"no such tenant can be: {faults}", where=where, remedy="correct each of them") from None


def from_words(words: Mapping[str, str]) -> dict[str, object]:
    """Fields as a person types them: numbers in digits, lists with commas, things by name as JSON, nothing for none."""
    kinds = TenantConfiguration.model_json_schema()["properties"]
    return {field: _value(text, kinds.get(field, {})) for field, text in words.items()}


def _value(text: str, kind: Mapping[str, Any]) -> object:
    kinds = {part.get("type") for part in [kind, *kind.get("anyOf", [])]}
    if "array" in kinds:
        return [word.strip() for word in text.split(",") if word.strip()]
    if "object" in kinds:
        with suppress(ValueError):  # the contract says what is expected
            return json.loads(text or "{}")
    if "null" in kinds and not text:
        return None
    if "integer" in kinds and re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    return text


def _read(path: Path) -> TenantConfiguration | list[str]:
    """A tenant, or the faults of its file."""
    try:
        return _tenant(content_of(path), path.stem)
    except FileFaultError as fault:
        return [str(fault)]


def _tenant(content: object, name: str) -> TenantConfiguration | list[str]:
    if not isinstance(content, dict):
        return ["holds no fields: write lines such as `tenant_id: acme`"]
    nested = [str(field) for field, value in content.items() if not _flat(value, records=field in OF_RECORDS)]
    if nested:
        return [f"{field}: holds nested values: give a plain value or a list of words" for field in nested]
    fields = {str(field): value for field, value in content.items()}
    try:
        tenant = TenantConfiguration.model_validate_json(json.dumps(fields, default=str))
    except ValidationError as error:
        return [_advice(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
    if tenant.tenant_id != name:
        return [f"tenant_id: says {tenant.tenant_id!r}: rename the file to {tenant.tenant_id}.yaml, or correct it"]
    return tenant


def _advice(location: tuple[int | str, ...], rule: str, message: str) -> str:
    within = OF_RECORDS.get(location[0]) if len(location) > 1 else None
    return advice(location, rule, message, whole="file", known=(within or TenantConfiguration).model_fields)


def _flat(value: object, *, records: bool) -> bool:
    if records:
        items = [part for item in _parts(value) for part in _parts(item)]
    else:
        items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, dict | list) for item in items)


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]
