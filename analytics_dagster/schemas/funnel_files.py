"""Funnels in files: `funnels/*.yaml`, one in each, named after it."""

import json
from pathlib import Path

from pydantic import ValidationError

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.funnels import Funnel, FunnelStep
from analytics_dagster.schemas.yaml_files import Declared, FileFaultError, advice, content_of


class FunnelFileError(AnalyticsError):
    """One or more funnel files cannot be used as they are."""


FILES = Declared("funnel", "ANALYTICS_FUNNELS_DIR", "docs/funnels.md and the other files", FunnelFileError)


def load_funnels(folder: Path) -> list[Funnel]:
    """The funnels of a folder, by name; no folder or an empty one has none."""
    return FILES.one_in_each(folder, _read) if folder.exists() else []


def _read(path: Path) -> Funnel | list[str]:
    """A funnel, or the faults of its file."""
    try:
        funnel = Funnel.model_validate_json(json.dumps(content_of(path), default=str))
    except FileFaultError as fault:
        return [str(fault)]
    except ValidationError as error:
        return [_advice(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
    except (TypeError, ValueError):  # a key that JSON does not know
        return ["has a key that is no text: put it in quotes"]
    if funnel.funnel != path.stem:
        return [f"funnel: says {funnel.funnel!r}: rename the file to {funnel.funnel}.yaml, or correct it"]
    return funnel


def _advice(location: tuple[int | str, ...], rule: str, message: str) -> str:
    model = FunnelStep if location[:1] == ("steps",) else Funnel
    return advice(location, rule, message, whole="file", known=model.model_fields)
