"""The words that dbt is called with: a pure function, so that a test can say what a run will do.

What belongs here: flags and selection. What does not: calling dbt (build.py), and the address of the warehouse, which
goes through the environment because a command line is visible to everybody on the machine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Command = Literal["parse", "run", "build", "test"]

# what a daily run may touch: tables that restate in place; views and their dependents are made by `prepare`
INCREMENTAL = ("config.materialized:incremental",)


def dbt_arguments(
    command: Command,
    *,
    project_dir: Path,
    target_dir: Path,
    select: Sequence[str] = (),
    full_refresh: bool = False,
    unit_tests: bool = False,
) -> list[str]:
    """One quiet call of dbt that writes to `target_dir` and nowhere else."""
    arguments = [command, *_quietly_in(project_dir, target_dir)]
    if command == "parse":
        return [*arguments, "--no-partial-parse"]
    arguments.append("--no-write-json")  # the results are returned; a file would be overwritten by the next run
    if select:
        arguments += ["--select", *select]
    if full_refresh:
        if command == "test":
            raise ValueError("a test refreshes nothing")
        arguments.append("--full-refresh")
    if command == "build" and not unit_tests:
        # unit tests prove the code, not the data: they belong to the test suite
        arguments += ["--exclude-resource-type", "unit_test"]
    return arguments


def documentation_arguments(*, project_dir: Path, target_dir: Path) -> list[str]:
    """All of the site in one file, static_index.html."""
    return ["docs", "generate", "--static", *_quietly_in(project_dir, target_dir)]


def _quietly_in(project_dir: Path, target_dir: Path) -> list[str]:
    return [
        *("--project-dir", str(project_dir)),
        *("--profiles-dir", str(project_dir)),
        *("--target-path", str(target_dir)),
        *("--log-path", str(target_dir)),
        *("--log-level", "none"),
        *("--log-level-file", "none"),
        "--no-send-anonymous-usage-stats",
        "--no-version-check",
        "--no-use-colors",
    ]
