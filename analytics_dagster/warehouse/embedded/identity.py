"""As which user the embedded PostgreSQL runs. It refuses root, so root runs it as somebody else.

First choice: a user namespace, in which root's files seem to be an ordinary user's; nothing is chowned and the folder
may be anywhere. Where the kernel forbids that (containers): the user `nobody`. The owner of an existing data folder
has decided already.
"""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from analytics_dagster.errors import WarehouseError
from analytics_dagster.warehouse.embedded import unprivileged

REACHABLE = (
    "run it as the owner of that folder, or set ANALYTICS_STATE_DIR to a folder that every user may enter, "
    "such as /var/lib/analytics-dagster (and install the project in one)"
)


@dataclass(frozen=True)
class Identity:
    uid: int  # who owns the files
    gid: int
    wrapper: str | None = None  # the first argument of `unprivileged`, or nothing to change

    def command(self, folder: Path, program: Path, *arguments: str) -> list[str]:
        """How to start `program`, which works in `folder`, as this user."""
        if self.wrapper is None:
            return [str(program), *arguments]
        script = str(Path(unprivileged.__file__))
        return [sys.executable, "-I", "-S", script, self.wrapper, str(folder), str(program), *arguments]


def nobody() -> Identity:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(65534, 65534, "65534:65534")
    return Identity(entry.pw_uid, entry.pw_gid, f"{entry.pw_uid}:{entry.pw_gid}")


def choose(data: Path, postgres: Path, *, namespaces: bool = True) -> Identity:
    """The user that runs `postgres` on the data folder, proven to reach both."""
    uid = os.geteuid()
    owner = data.stat() if data.exists() else None
    if uid != 0:
        if owner and owner.st_uid != uid:
            raise WarehouseError(
                f"the data folder belongs to {_name(owner.st_uid)}, and this is {_name(uid)}",
                where=str(data),
                remedy=f"run it as {_name(owner.st_uid)}, or set ANALYTICS_STATE_DIR to a folder of your own",
            )
        return Identity(uid, os.getegid())
    if owner and owner.st_uid != 0:
        identity = Identity(owner.st_uid, owner.st_gid, f"{owner.st_uid}:{owner.st_gid}")
    elif namespaces and _works(in_namespace := Identity(0, 0, "namespace"), data, postgres):
        return in_namespace
    elif owner:
        raise WarehouseError(
            "PostgreSQL refuses to run as root, root owns the data folder, and this kernel allows no user namespaces",
            where=str(data),
            remedy=f"give the folder to an ordinary user, for example: chown -R {_name(nobody().uid)} '{data}'",
        )
    else:
        identity = nobody()
    _works(identity, data, postgres)
    return identity


def _works(identity: Identity, data: Path, postgres: Path) -> bool:
    probe = subprocess.run(
        identity.command(data.parent, postgres, "--version"), capture_output=True, text=True, check=False
    )
    if probe.returncode == unprivileged.NOT_REACHED:
        raise WarehouseError(
            f"PostgreSQL refuses to run as root, and {_name(identity.uid)} without root's rights cannot enter "
            f"{probe.stderr.strip()}",
            remedy=REACHABLE,
        )
    if probe.returncode not in {0, unprivileged.NO_NAMESPACE}:
        raise WarehouseError(
            "PostgreSQL's programs do not run here",
            where=str(postgres),
            remedy=f"use a server of your own (ANALYTICS_WAREHOUSE_URL). They say: {probe.stderr.strip()}",
        )
    return probe.returncode == 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
