"""Starts the process that runs Dagster's jobs, and draws what it reports while it works."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from analytics_dagster.cli.console import errors
from analytics_dagster.processes import prepare_child
from analytics_dagster.settings import Settings

MODULE = "analytics_dagster.defs.launch"


def launch(what: Literal["run", "deploy", "backfill"], chosen: Settings, *words: str) -> bool:
    """Run what is due, or what the words ask for; True when all of it succeeded. What Dagster prints is logged."""
    log_file = chosen.state_dir / "logs" / f"{what}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with log_file.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", MODULE, what, str(writing), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writing],
            preexec_fn=prepare_child,  # noqa: PLW1509 - two system calls, safe between fork and exec
        )
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as messages, _progress() as progress:
        _draw(progress, (json.loads(line) for line in messages))
    code = child.wait()
    if code != 0:
        errors.print(f"The log of this run: {log_file}", markup=False, highlight=False, soft_wrap=True)
        if code not in {0, 1}:
            errors.print(_last_lines(log_file), markup=False, highlight=False)
    return code == 0


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        console=errors,
    )


def _draw(progress: Progress, messages: Iterator[dict[str, Any]]) -> None:
    task = progress.add_task("loading Dagster", total=None, detail="")
    begun = False
    for message in messages:
        match message["kind"]:
            case "run_start":
                if begun:
                    task = progress.add_task("", total=None, detail="")
                begun = True
                progress.update(task, description=message["title"], total=message["steps"])
            case "step_start":
                progress.update(task, detail=message["step"])
            case "step_success":
                progress.update(task, advance=1)
            case "message":
                progress.update(task, detail=f"{message['step']}: {message['text']}"[:80])
            case "run_success":
                progress.update(task, completed=progress.tasks[-1].total, detail="")
            case "run_failure":
                progress.update(task, detail="failed")
                progress.stop_task(task)
                for reason in message["reasons"]:
                    errors.print(
                        f"{message['title']}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True
                    )
    if not begun:
        progress.update(task, description="nothing is due", total=1, completed=1)


def _last_lines(file: Path, count: int = 15) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
