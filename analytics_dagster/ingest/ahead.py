"""Reading and checking overlap with writing: an iterator that is always one step ahead, in a thread of its own.

One step and no more, so that memory stays that of two chunks.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


@contextmanager
def one_ahead(source: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """What `source` raises is raised where the item would have been taken; leaving waits for the step under way."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest-ahead") as executor:

        def items() -> Iterator[Item]:
            coming = executor.submit(next, source, _END)
            while (item := coming.result()) is not _END:
                coming = executor.submit(next, source, _END)
                yield item  # type: ignore[misc]  # the end was told apart above

        yield items()
