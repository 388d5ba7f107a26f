"""Funnels in files: `funnels/*.yaml`, one in each, named after it. All faults of all files are told at once."""

import json
from pathlib import Path

import yaml
from pydantic import ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.funnels import Funnel


class FunnelFileError(AnalyticsError):
    """One or more funnel files cannot be used as they are."""


def load_funnels(folder: Path) -> list[Funnel]:
    """The funnels of a folder, by name; no folder or an empty one has none."""
    paths = sorted(path for path in folder.glob("*.y*ml") if not path.name.startswith("."))
    faults = [f"{path.name}: rename it to {path.stem}.yaml" for path in paths if path.suffix != ".yaml"]
    funnels = []
    for path in paths:
        outcome = _read(path)
        if isinstance(outcome, Funnel):
            funnels.append(outcome)
        else:
            faults += [f"{path.name}: {fault}" for fault in outcome]
    if faults:
        raise FunnelFileError(
            f"{len(faults)} faults in funnel files that cannot be used: {'; '.join(faults)}",
            where=str(folder),
            remedy="correct each of them; docs/funnels.md shows every field",
        )
    return funnels


def _read(path: Path) -> Funnel | list[str]:
    """A funnel, or the faults of its file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        funnel = Funnel.model_validate_json(json.dumps(content, default=str))
    except OSError as error:
        return [f"cannot be read ({error.strerror}): give the user of this process the right to"]
    except ValidationError as error:
        return [
            f"{'.'.join(str(part) for part in fault['loc']) or '(file)'}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
            for fault in error.errors()
        ]
    except (yaml.YAMLError, ValueError, TypeError) as error:  # TypeError: a key that JSON does not know
        return [f"is not plain YAML: {' '.join(str(error).split())}: correct this place"]
    if funnel.funnel != path.stem:
        return [f"funnel: says {funnel.funnel!r}: rename the file to {funnel.funnel}.yaml, or correct it"]
    return funnel
