"""What coverage need not watch: on Python 3.11 it slows every line of every library down, too, dbt's by half.

Only for work whose lines of ours are measured elsewhere: the libraries', and processes that others repeat.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import pytest

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def unmeasured(call: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """The same call, with nobody watching its lines: not this thread's, and not those of threads that it starts."""

    @wraps(call)
    def unwatched(*arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        here, in_threads = sys.gettrace(), threading.gettrace()
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  # typeshed: as sys.settrace, it takes None
        try:
            return call(*arguments, **named)
        finally:
            threading.settrace(in_threads)  # type: ignore[arg-type]
            sys.settrace(here)

    return unwatched


@contextmanager
def processes_unmeasured() -> Iterator[None]:
    """Processes that are started meanwhile do not tell their coverage."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        yield
