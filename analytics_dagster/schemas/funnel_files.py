"""Funnels in files: `funnels/*.yaml`, one in each, named after it."""

from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.funnels import Funnel, FunnelStep
from analytics_dagster.schemas.yaml_files import Declared, advice, contract_in


class FunnelFileError(AnalyticsError):
    """One or more funnel files cannot be used as they are."""


FILES = Declared("funnel", "ANALYTICS_FUNNELS_DIR", "docs/funnels.md and the other files", FunnelFileError)


def load_funnels(folder: Path) -> list[Funnel]:
    """The funnels of a folder, by name; no folder or an empty one has none."""
    return FILES.one_in_each(folder, _read) if folder.exists() else []


def _read(path: Path) -> Funnel | list[str]:
    """A funnel, or the faults of its file."""
    funnel = contract_in(path, Funnel, _advice)
    if isinstance(funnel, list):
        return funnel
    if funnel.funnel != path.stem:
        return [f"funnel: says {funnel.funnel!r}: rename the file to {funnel.funnel}.yaml, or correct it"]
    return funnel


def _advice(location: tuple[int | str, ...], rule: str, message: str) -> str:
    model = FunnelStep if location[:1] == ("steps",) else Funnel
    return advice(location, rule, message, whole="file", known=model.model_fields)
