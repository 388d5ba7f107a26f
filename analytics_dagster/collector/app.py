"""The ASGI application: a request becomes durable lines of its key's tenant, or a refusal that says why.

Bare ASGI: an empty Starlette endpoint was measured at 15 µs, as much as all that is done here for an event
(16 µs, without the disk), and ten paths with one way through most of them need no framework.
"""

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from math import ceil

from analytics_dagster.collector import native, segment
from analytics_dagster.collector.access_log import AccessLog
from analytics_dagster.collector.bodies import BodyReader, DisconnectedError, Message, Receive, header, too_large
from analytics_dagster.collector.envelope import Envelope
from analytics_dagster.collector.group_commit import GroupCommit
from analytics_dagster.collector.keys import KeyRing, WriteKey
from analytics_dagster.collector.refusal import RefusedError, invalid, unavailable
from analytics_dagster.formats import UnmappedError
from analytics_dagster.formats.raw_json import Text, encoded, require_utf8

Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Line = Callable[[Text, str, str], bytes]

MOST_IN_FLIGHT = 4096

ROUTES: dict[str, tuple[Callable[[bytes], Envelope], Line]] = {
    "/v1/events": (native.envelope, native.line),
    **{path: (envelope, segment.line) for path, envelope in segment.ENVELOPES.items()},
}


class Collector:
    def __init__(
        self, keys: KeyRing, commits: GroupCommit, bodies: BodyReader, *, max_event_bytes: int, origins: Iterable[str]
    ) -> None:
        self._keys = keys
        self._commits = commits
        self._bodies = bodies
        self._max_event_bytes = max_event_bytes
        self._origins = frozenset(origin.encode() for origin in origins)
        self._in_flight = 0
        self.access_log = AccessLog()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"a collector has no {scope['type']}")
        started = time.perf_counter()
        events = size = 0
        extra: Headers = []
        self._in_flight += 1
        try:
            if scope["method"] == "POST" and scope["path"] in ROUTES:
                events, size = await self._collect(scope, receive)
                status, content = 200, b'{"success":true,"accepted":%d}' % events
            else:
                status, content, extra = self._answer(scope)
        except RefusedError as refusal:
            status, content = refusal.status, encoded(refusal.as_json())
            if refusal.retry_after is not None:
                extra = [(b"retry-after", b"%d" % refusal.retry_after)]
            if status in {408, 413}:
                extra = [*extra, (b"connection", b"close")]
        except DisconnectedError:
            return
        finally:
            self._in_flight -= 1
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
            *self._cors(scope["headers"]),
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        self.access_log.note(status, events, size, time.perf_counter() - started)

    async def _collect(self, scope: Message, receive: Receive) -> tuple[int, int]:
        """How many events are on the disk now, in how many bytes."""
        if self._in_flight > MOST_IN_FLIGHT:
            raise unavailable("too many requests at once", 1)
        headers = scope["headers"]
        read, line = ROUTES[scope["path"]]
        body = await self._bodies.read(receive, header(headers, b"content-encoding"))
        given = _key_of(header(headers, b"authorization"))
        key = self._key(given) if given else None  # a key that is wrong is refused before anything is parsed
        try:
            require_utf8(body)
            envelope = read(body)
        except UnmappedError as unmapped:
            raise invalid(unmapped.problem, unmapped.where) from None
        key = key or self._key(envelope.write_key)
        now = datetime.now(UTC)
        received = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
        lines = [
            self._line(line, item, key.tenant_id, received, envelope, index)
            for index, item in enumerate(envelope.items)
        ]
        if not lines:
            return 0, 0
        lines.append(b"")
        joined = b"\n".join(lines)
        key.bucket.take(len(lines) - 1)
        await self._commits.write(key.tenant_id, joined)
        return len(lines) - 1, len(joined)

    def _key(self, given: str | None) -> WriteKey:
        if given is None:
            raise RefusedError(401, "no write key", remedy="send it as the user of Basic auth, or as a Bearer token")
        key = self._keys.find(given)
        if key is None:
            raise RefusedError(401, "this write key is not known, or revoked")
        if not key.tenant_active:
            raise RefusedError(
                403,
                "the tenant of this write key is suspended, and does not collect at present",
                remedy="ask the operator of the platform; nothing of this request was kept",
            )
        wait = key.bucket.wait()
        if wait:
            raise RefusedError(429, "this write key sends too fast", remedy="wait", retry_after=ceil(wait))
        return key

    def _line(self, line: Line, item: Text, tenant_id: str, received: str, envelope: Envelope, index: int) -> bytes:
        try:
            made = line(item, tenant_id, received)
        except UnmappedError as unmapped:
            raise invalid(unmapped.problem, unmapped.where).below(envelope.place_of(index)) from None
        except RefusedError as refusal:
            raise refusal.below(envelope.place_of(index)) from None
        if len(made) > self._max_event_bytes:
            raise too_large("the event", self._max_event_bytes, envelope.place_of(index) or None)
        return made

    def _answer(self, scope: Message) -> tuple[int, bytes, Headers]:
        """Everything that is not a post of events."""
        path, method = scope["path"], scope["method"]
        if path in ROUTES:
            allowed = b"POST, OPTIONS"
            if method == "OPTIONS":
                return (
                    204,
                    b"",
                    [
                        (b"access-control-allow-methods", allowed),
                        (b"access-control-allow-headers", b"authorization, content-type, content-encoding"),
                        (b"access-control-max-age", b"86400"),
                    ],
                )
        elif path in {"/healthz", "/readyz"}:
            allowed = b"GET, HEAD"
            if method in {"GET", "HEAD"}:
                problem = self._commits.problem() if path == "/readyz" else None
                if problem:
                    raise unavailable(problem, 1)
                return 200, b'{"status":"ok"}', []
        else:
            raise RefusedError(404, "there is nothing here", remedy=f"post to one of {', '.join(sorted(ROUTES))}")
        return 405, encoded({"success": False, "error": "this method is not for this path"}), [(b"allow", allowed)]

    def _cors(self, headers: Headers) -> Headers:
        """Keys are no cookies: a page of another site can send nothing that it does not know itself."""
        origin = header(headers, b"origin")
        if origin is None:
            return []
        if b"*" in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        if origin in self._origins:
            return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        return [(b"vary", b"origin")]


def _key_of(authorization: bytes | None) -> str | None:
    if not authorization:
        return None
    kind, _, value = authorization.strip().partition(b" ")
    try:
        if kind.lower() == b"bearer":
            return value.strip().decode()
        if kind.lower() == b"basic":
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise RefusedError(401, "the Authorization header cannot be read", remedy="send Basic or Bearer")
