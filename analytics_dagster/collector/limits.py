"""How fast one write key may post: a token bucket that lets a request of any size begin, then makes it wait.

A batch is never split and never too large to pass: it may take the bucket below zero, and the next request
waits until the debt is paid.
"""

import time
from collections.abc import Callable

BURST_SECONDS = 2


class TokenBucket:
    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._now = now
        self._tokens = per_second * BURST_SECONDS
        self._filled_at = now()

    def wait(self) -> float:
        """Seconds until the next request may pass; 0: it may now."""
        now = self._now()
        self._tokens = min(self._rate * BURST_SECONDS, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return 0.0 if self._tokens > 0 else -self._tokens / self._rate + 1 / self._rate

    def take(self, events: int) -> None:
        self._tokens -= events
