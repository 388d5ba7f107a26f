"""One call of dbt in this process: 1 s where a command takes 4.5, and no child is left behind when we are killed.

What belongs here: the process-wide state that dbt needs (environment, warnings) and its restoration. What does
not: what to run and what the results mean.
"""

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

OnEvent = Callable[["EventMsg"], None]

# the environment and dbt's own flags and loggers belong to the whole process
_one_call = threading.Lock()


def invoke(
    arguments: list[str],
    *,
    environment: Mapping[str, str],
    manifest: "Manifest | None" = None,
    on_event: OnEvent | None = None,
) -> "dbtRunnerResult":
    with _one_call, _environment(environment), warnings.catch_warnings():
        # dbt and its libraries warn about one another's deprecations, which nobody here can act on
        warnings.simplefilter("ignore", DeprecationWarning)
        from dbt.cli.main import dbtRunner  # noqa: PLC0415 - takes two seconds to import

        return dbtRunner(manifest=manifest, callbacks=[on_event] if on_event else []).invoke(arguments)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
