"""Reading and checking overlap with writing: iterators that are ahead of their reader, in threads of their own.

A few steps and no more, so that memory stays that of a few chunks. What a step raises is raised where its item would
have been taken; leaving waits for the steps under way.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
_END = object()


@contextmanager
def one_ahead(source: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The next item of `source`, while this one is worked on."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest-ahead") as executor:

        def items() -> Iterator[Item]:
            coming = executor.submit(next, source, _END)
            while (item := coming.result()) is not _END:
                coming = executor.submit(next, source, _END)
                yield item  # type: ignore[misc]  # the end was told apart above

        yield items()


@contextmanager
def made_ahead(make: Callable[[Item], Made], source: Iterator[Item], workers: int) -> Iterator[Iterator[Made]]:
    """What is made of each item, in the order of the items, several at the same time."""
    executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ingest-make")

    def made() -> Iterator[Made]:
        under_way: deque[Future[Made]] = deque()
        for item in source:
            under_way.append(executor.submit(make, item))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    try:
        yield made()
    finally:
        executor.shutdown(cancel_futures=True)
