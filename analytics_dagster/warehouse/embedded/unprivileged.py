"""A program that becomes another one without being root, because PostgreSQL refuses to run as root.

Started as a script with only the standard library: `unprivileged.py IDENTITY FOLDER PROGRAM ARGUMENT...`. A program
of its own rather than a hook between fork and exec, which is not safe in a process with threads (Dagster's).
IDENTITY is `namespace` (root outside, an ordinary user inside: every file stays root's) or `uid:gid`.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

CLONE_NEWUSER = 0x10000000
INSIDE = 65534
NO_NAMESPACE, NOT_REACHED = 111, 112  # exit codes


def main(
    identity: str, folder: str, program: str, *arguments: str
) -> NoReturn:  # pragma: no cover - becomes another program
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler would lose one that comes just before exec
    if identity == "namespace":
        enter_namespace()
    else:
        uid, gid = map(int, identity.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    for target in (Path(program), Path(folder)):
        for path in [*reversed(target.parents), target]:
            if not os.access(path, os.X_OK):
                leave(NOT_REACHED, str(path))
    os.execv(program, [program, *arguments])  # noqa: S606 - that is the purpose


def enter_namespace() -> None:
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{INSIDE} 0 1")
        Path("/proc/self/gid_map").write_text(f"{INSIDE} 0 1")
    except (OSError, AttributeError) as error:
        leave(NO_NAMESPACE, str(error))


def leave(code: int, why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    raise SystemExit(code)


if __name__ == "__main__":  # pragma: no cover
    main(*sys.argv[1:])
