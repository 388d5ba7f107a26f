"""The body of a request: complete, in time, within its limits, unzipped. Knows ASGI's messages, not events."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from analytics_dagster.collector.refusal import RefusedError, invalid, unavailable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

BODY_SECONDS = 15.0
DRAINED = 8  # times the limit that is read and dropped, so that the sender reads the answer and not a reset
GZIP = 31  # zlib's word for: a gzip header and nothing else


class DisconnectedError(Exception):
    """Nobody is left to answer."""


class BodyReader:
    """Counts what all requests together hold in memory before their events are queued."""

    def __init__(self, *, max_bytes: int, budget_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._budget = budget_bytes

    async def read(self, receive: Receive, encoding: bytes | None) -> bytes:
        message = await self._next(receive)
        body = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(receive, body)
        if len(body) > self._max_bytes:
            raise self._too_large()
        return unzipped(body, encoding, self._max_bytes)

    async def _rest(self, receive: Receive, first: bytes) -> bytes:
        parts, size, more = [first], len(first), True
        held = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    if size > self._max_bytes:
                        parts = []
                    else:
                        held += len(parts[-1])
                        self._budget -= len(parts[-1])
                    if self._budget < 0:
                        raise unavailable("too many bodies are being received", 1)
                    if not more or size > self._max_bytes * DRAINED:
                        break
                    message = await self._next(receive)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
        except TimeoutError:
            raise RefusedError(408, f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None
        finally:
            self._budget += held
        if size > self._max_bytes:
            raise self._too_large()
        return b"".join(parts)

    async def _next(self, receive: Receive) -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        return message

    def _too_large(self) -> RefusedError:
        return too_large("the body", self._max_bytes)


def too_large(what: str, limit: int, where: str | None = None) -> RefusedError:
    return RefusedError(413, f"{what} is larger than {limit:,} bytes", where=where, remedy="send less at once")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return value
    return None


def unzipped(body: bytes, encoding: bytes | None, limit: int) -> bytes:
    """At most `limit` bytes, however little was sent."""
    if encoding is None or encoding.lower() == b"identity":
        return body
    if encoding.lower() != b"gzip":
        raise RefusedError(415, "this Content-Encoding is not known", remedy="send it plain or as gzip")
    stream = zlib.decompressobj(wbits=GZIP)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error:
        raise invalid("is not gzip") from None
    if len(plain) > limit:
        raise too_large("the unzipped body", limit)
    if not stream.eof or stream.unused_data:
        raise invalid("is not one whole gzip stream")
    return plain
