"""Experiments in files: `experiments/*.yaml`, one in each. The name of a file is free, because two tenants may each
have an experiment of one name.
"""

from collections.abc import Sequence
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.experiments import Experiment
from analytics_dagster.schemas.yaml_files import Declared, advice, contract_in


class ExperimentFileError(AnalyticsError):
    """One or more experiment files cannot be used as they are."""


FILES = Declared(
    "experiment", "ANALYTICS_EXPERIMENTS_DIR", "docs/experiments.md and the other files", ExperimentFileError
)


def load_experiments(folder: Path) -> dict[str, Experiment]:
    """The experiments of a folder, by the name of their file; no folder or an empty one has none."""
    experiments = dict(FILES.one_in_each(folder, _read)) if folder.exists() else {}
    if faults := _declared_twice(experiments):
        FILES.refuse(folder, faults)
    return experiments


def _read(path: Path) -> tuple[str, Experiment] | list[str]:
    read = contract_in(path, Experiment, _advice)
    return read if isinstance(read, list) else (path.stem, read)


def _declared_twice(experiments: dict[str, Experiment]) -> list[str]:
    """What two files say of one tenant, or of one kind."""
    first: dict[tuple[str, str], str] = {}
    faults = []
    for file, experiment in experiments.items():
        for whose in [*(f"kind {kind}" for kind in experiment.kinds), *(f"tenant {t}" for t in experiment.tenants)]:
            other = first.setdefault((experiment.experiment, whose), file)
            if other != file:
                faults.append(
                    f"{file}.yaml: experiment: {other}.yaml declares {experiment.experiment!r} of {whose}, too:"
                    " keep one of them"
                )
    return faults


def _advice(location: Sequence[int | str], rule: str, message: str) -> str:
    return advice(location, rule, message, whole="file", known=Experiment.model_fields)
