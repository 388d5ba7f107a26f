"""What the collector says about its work: one line a second at most, of counts only.

No address, no key, no payload and no tenant: such a log may be kept and sent anywhere.
"""

import asyncio
import logging
from collections import Counter

log = logging.getLogger(__name__)


class AccessLog:
    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._answers: Counter[int] = Counter()
        self._events = 0
        self._bytes = 0
        self._slowest = 0.0

    def note(self, status: int, events: int, size: int, seconds: float) -> None:
        self._answers[status] += 1
        self._events += events
        self._bytes += size
        self._slowest = max(self._slowest, seconds)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.write()

    def write(self) -> None:
        if not self._answers:
            return
        answers = ", ".join(f"{count:,} x {status}" for status, count in sorted(self._answers.items()))
        log.info(
            "%s; %s events, %.1f MB; slowest %.0f ms",
            answers,
            f"{self._events:,}",
            self._bytes / 1e6,
            self._slowest * 1e3,
        )
        self._begin()
