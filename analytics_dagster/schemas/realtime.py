"""Streams: events on their way, in batches, over sockets, and the figures of the stream itself.

The event that travels is `analytics.AnalyticsEvent`; how a broker is spoken to is not said here.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from analytics_dagster.schemas._parts import Checksum, Count, Line, Record, TimeRange, TraceContext, checksum, refusal
from analytics_dagster.schemas.analytics import AnalyticsEvent
from analytics_dagster.schemas.base import Contract, Identifier, Properties, TenantId, UtcDatetime, new_id, utc_now

LARGEST_BATCH = 10_000
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False, description="Seconds.")]


class StreamingChannel(StrEnum):
    """The kinds of transport that a stream comes by."""

    WEBSOCKET = "websocket"
    SERVER_SENT_EVENTS = "server_sent_events"
    HTTP_COLLECTOR = "http_collector"
    KAFKA = "kafka"
    KINESIS = "kinesis"
    PUBSUB = "pubsub"


class StreamEvent(Record):
    """An event at its place in a stream: (stream, partition, offset) is read once."""

    channel: StreamingChannel
    stream: Line = Field(description="The topic or the path.")
    tenant_id: TenantId = Field(description="The claim of the transport; the event's own must be the same.")
    partition: int = Field(default=0, ge=0)
    offset: Count = Field(description="Position in the partition, ascending.")
    received_at: UtcDatetime = Field(default_factory=utc_now, description="When we had it, in UTC.")
    event: AnalyticsEvent
    trace: TraceContext | None = None

    @model_validator(mode="after")
    def _own_tenant(self) -> Self:
        if self.tenant_id != self.event.metadata.tenant_id:
            raise refusal(self, "tenant_id", "be the tenant of the event", rule="tenant_mismatch")
        return self

    @property
    def lag(self) -> timedelta:
        """From happening to arriving; never negative, for a producer's clock may be ahead."""
        return max(self.received_at - self.event.metadata.timestamp, timedelta(0))


class EventBatch(Record):
    """A run of one partition, handed over as a whole: what is missing or changed on the way is noticed."""

    batch_id: Identifier = Field(default_factory=new_id)
    sealed_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    events: tuple[StreamEvent, ...] = Field(min_length=1, max_length=LARGEST_BATCH)
    event_count: int = Field(ge=1, le=LARGEST_BATCH, description="As sent: it must be what arrives.")
    checksum: Checksum = Field(description="SHA-256 over the checksums of the events, in order.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({(item.channel, item.stream, item.partition, item.tenant_id) for item in self.events}) > 1:
            raise refusal(self, "events", "be of one tenant and one partition of one stream")
        if any(later.offset <= earlier.offset for earlier, later in pairwise(self.events)):
            raise refusal(self, "events", "have ascending offsets")
        if self.event_count != len(self.events):
            raise refusal(self, "event_count", f"be {len(self.events)}, the number of events")
        if self.checksum != _sealed(self.events):
            raise refusal(self, "checksum", "be that of the events")
        return self

    @classmethod
    def of(cls, events: Sequence[StreamEvent]) -> Self:
        """Seal events into a batch."""
        return cls(events=tuple(events), event_count=len(events), checksum=_sealed(events))

    @property
    def tenant_id(self) -> str:
        return self.events[0].tenant_id

    @property
    def offsets(self) -> tuple[int, int]:
        """The first and the last: a consumer commits the last."""
        return self.events[0].offset, self.events[-1].offset


class _Seal(Contract):
    checksums: tuple[str, ...]


def _sealed(events: Sequence[StreamEvent]) -> str:
    return checksum(_Seal(checksums=tuple(checksum(event) for event in events)))


class RealtimeMetrics(Contract):
    """A stream over a time; the books balance here as they do for files."""

    channel: StreamingChannel
    stream: Line
    tenant_id: TenantId | None = Field(default=None, description="Whose events; none: everybody's.")
    window: TimeRange
    received: Count = Field(description="Events: accepted + duplicate + quarantined.")
    accepted: Count
    duplicate: Count
    quarantined: Count
    received_bytes: Count
    active_users: Count = Field(description="Distinct actors of accepted events.")
    lag_p50_seconds: Seconds
    lag_p99_seconds: Seconds
    lag_max_seconds: Seconds
    backlog: Count = Field(description="Events behind the head of the stream when the time ended.")

    @model_validator(mode="after")
    def _balances(self) -> Self:
        outcomes = self.accepted + self.duplicate + self.quarantined
        if self.received != outcomes:
            raise refusal(self, "received", f"be {outcomes}: accepted + duplicate + quarantined")
        if self.active_users > self.accepted:
            raise refusal(self, "active_users", "be at most the accepted events")
        if self.lag_p99_seconds < self.lag_p50_seconds:
            raise refusal(self, "lag_p99_seconds", "be at least lag_p50_seconds")
        if self.lag_max_seconds < self.lag_p99_seconds:
            raise refusal(self, "lag_max_seconds", "be at least lag_p99_seconds")
        return self

    @property
    def events_per_second(self) -> float:
        return self.received / self.window.duration.total_seconds()


class WebSocketEventKind(StrEnum):
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    DATA = "data"
    HEARTBEAT = "heartbeat"
    ERROR = "error"
    CLOSE = "close"


# 1004 to 1006 and 1015 never go over the wire; 1016 to 2999 mean nothing yet
CLOSE_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))

# What each kind of message carries beside its envelope: exactly this.
CARRIES: dict[WebSocketEventKind, frozenset[str]] = {
    WebSocketEventKind.SUBSCRIBE: frozenset({"topic"}),
    WebSocketEventKind.UNSUBSCRIBE: frozenset({"topic"}),
    WebSocketEventKind.DATA: frozenset({"topic", "payload"}),
    WebSocketEventKind.HEARTBEAT: frozenset(),
    WebSocketEventKind.ERROR: frozenset({"reason"}),
    WebSocketEventKind.CLOSE: frozenset({"reason", "close_code"}),
}


class WebSocketEvent(Record):
    """One message on a live connection; a gap in `sequence` tells the reader to ask again."""

    connection_id: Identifier
    tenant_id: TenantId
    user_id: Identifier | None = Field(default=None, description="Who is connected, if it is a person.")
    sequence: Count = Field(description="Ascending by 1 within the connection and direction.")
    kind: WebSocketEventKind
    sent_at: UtcDatetime = Field(default_factory=utc_now, description="In UTC.")
    topic: Line | None = Field(default=None, description="Such as kpi/active_users.")
    payload: Properties | None = None
    reason: Line | None = None
    close_code: int | None = Field(default=None, description="RFC 6455: 1000 is a normal end, 4000 to 4999 are ours.")

    @model_validator(mode="after")
    def _carries(self) -> Self:
        wanted = CARRIES[self.kind]
        for field in ("topic", "payload", "reason", "close_code"):
            if (getattr(self, field) is not None) != (field in wanted):
                raise refusal(self, field, f"{'be there' if field in wanted else 'be empty'} for {self.kind}")
        if self.close_code is not None and not any(self.close_code in codes for codes in CLOSE_CODES):
            raise refusal(self, "close_code", "be a code that may be sent (RFC 6455, 7.4)")
        return self
