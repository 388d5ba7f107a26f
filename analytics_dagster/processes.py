"""What a child process does before it becomes another program."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def prepare_child() -> None:  # pragma: no cover - between fork and exec, where nothing measures
    """Listen to Ctrl-C, and end with the parent.

    A shell starts background jobs with SIGINT ignored, and children inherit that: Dagster would never hear it.
    Linux sends a SIGTERM when the parent is gone, even by kill -9; other systems have no such thing.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
