"""Bodies -> lines, as pure functions: what Segment's calls mean, and that no body whatever breaks them."""

import json

import pytest
from collector_client import event
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.collector import native, segment
from analytics_dagster.collector.refusal import RefusedError
from analytics_dagster.formats import UnmappedError
from analytics_dagster.formats.names import event_name_of
from analytics_dagster.formats.raw_json import require_utf8
from analytics_dagster.formats.segment import CALLS, CHANNELS
from analytics_dagster.schemas import AnalyticsEvent

RECEIVED = "2026-02-03T04:05:06.789Z"

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
objects = st.dictionaries(text.filter(lambda name: name != "$segment"), values, max_size=4)
identifiers = st.text("abcdefABCDEF0123456789-", min_size=1, max_size=36)
times = st.datetimes().map(lambda t: t.replace(year=2026 if t.month != 2 or t.day < 29 else 2024).isoformat() + "Z")

messages = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CALLS)), "messageId": identifiers, "event": st.just("Order Completed")},
    optional={
        "timestamp": times,
        "originalTimestamp": times,
        "sentAt": times,
        "userId": st.none() | identifiers | st.integers(0, 10**30),
        "anonymousId": st.none() | identifiers,
        "properties": st.none() | objects,
        "traits": objects,
        "context": values,
        "integrations": objects,
        "channel": text | st.sampled_from(sorted(CHANNELS)),
        "custom": values,
    },
)


def segment_line(message, received=RECEIVED):
    return segment.line(json.dumps(message).encode(), "acme", received)


@given(messages, st.booleans())
def test_every_good_message_is_an_event_of_the_contract(message, spread_out):
    sent = json.dumps(message, indent=2 if spread_out else None, ensure_ascii=spread_out).encode()
    line = segment.line(sent, "acme", RECEIVED)
    assert b"\n" not in line
    made = AnalyticsEvent.model_validate_json(line)
    given_user = message.get("userId")
    assert made.metadata.event_id == message["messageId"]
    assert made.metadata.user_id == (None if given_user is None else str(given_user))
    assert made.metadata.anonymous_id == message.get("anonymousId")
    own = message.get(CALLS[message["type"]][2]) or {}
    kept = json.loads(line)["properties"]
    beside = kept.pop("$segment")
    assert kept == own
    for name in ("context", "integrations", "custom", "channel"):
        assert (name in beside) == (name in message)
        assert beside.get(name) == message.get(name)


@given(messages, times)
def test_a_retry_is_the_same_event_whenever_it_comes(message, sent_again):
    message = {"timestamp": "2026-01-31T09:30:00Z"} | message
    again = message | {"sentAt": sent_again}
    assert segment_line(message) == segment_line(again, "2027-01-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order Completed", "order_completed"),
        ("orderCompleted", "order_completed"),
        ("  Ärger & Größe?  ", "  Ärger & Größe?  "),  # ß has no plain letter: quarantine shows the name as it is
        ("Bestätigt", "bestatigt"),
        ("购买", "购买"),
        ("2FA enabled", "2FA enabled"),
        ("x" * 90, "x" * 90),
        ("track_play", "track_play"),
    ],
)
def test_names_of_events(name, expected):
    assert event_name_of(name) == expected


@pytest.mark.parametrize(
    ("message", "source"),
    [
        ({"context": {"library": {"name": "analytics.js"}}}, "web_app"),
        ({"context": {"library": {"name": "@segment/analytics-next"}}}, "web_app"),
        ({"context": {"library": {"name": "@segment/analytics-react-native"}}}, "mobile_app"),
        ({"context": {"library": {"name": "analytics-kotlin"}}}, "mobile_app"),
        ({"context": {"library": {"name": "analytics-python"}}}, "backend"),
        ({"context": {"library": {"name": "Analytics.NET"}}}, "backend"),
        ({"context": {"library": {"name": "mine"}}, "channel": "server"}, "backend"),
        ({"context": {"library": "mine"}, "channel": "mobile"}, "mobile_app"),
        ({"context": [], "channel": "browser"}, "web_app"),
        ({}, "api"),
    ],
)
def test_the_channel_is_known_by_the_library(message, source):
    line = segment_line({"type": "page", **message})
    assert json.loads(line)["metadata"]["source"] == source


def test_what_a_message_leaves_out_is_filled_in():
    metadata = json.loads(segment_line({"type": "track", "event": "x"}))["metadata"]
    assert metadata["timestamp"] == RECEIVED
    assert len(metadata["event_id"]) == 36
    original = segment_line({"type": "page", "originalTimestamp": "2026-01-01T00:00:00Z"})
    assert json.loads(original)["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "type"),
        ({"type": "push"}, "type"),
        ({"type": "track"}, "event"),
        ({"type": "track", "event": 5}, "event"),
        ({"type": "page", "properties": []}, "properties"),
        ({"type": "identify", "traits": "x"}, "traits"),
        ({"type": "page", "userId": 1.5}, "userId"),
        ({"type": "page", "messageId": {}}, "messageId"),
    ],
)
def test_a_message_that_is_none_names_its_field(message, field):
    with pytest.raises(UnmappedError) as caught:
        segment_line(message)
    assert caught.value.where == field


def test_a_batch_lends_its_context_to_messages_without_one():
    batch = {"batch": [{"type": "page"}, {"type": "page", "context": {"own": 1}}], "context": {"shared": 1}}
    envelope = segment.envelope_of(None, json.dumps(batch).encode())
    found = [json.loads(segment.line(item, "acme", RECEIVED)) for item in envelope.items]
    assert [e["properties"]["$segment"]["context"] for e in found] == [{"shared": 1}, {"own": 1}]
    assert len(segment.envelope_of(None, b'{"batch": [{}]}').items) == 1
    with pytest.raises(UnmappedError, match="is missing"):
        segment.envelope_of(None, b"{}")


def test_a_line_is_the_bytes_that_were_sent():
    sent = json.dumps(event(tenant_id="acme"))[:-1] + ', "big": 123456789012345678901234567890, "e": 1.0e2, "e": 2}'
    assert native.line(sent.encode(), "acme", RECEIVED) == sent.encode()
    filled = native.line(sent.replace('"acme"', "null").encode(), "acme", RECEIVED)
    assert b"123456789012345678901234567890" in filled
    assert json.loads(filled)["metadata"]["tenant_id"] == "acme"


@given(objects, st.sets(st.sampled_from(["tenant_id", "event_id", "timestamp"])), st.booleans(), st.booleans())
def test_what_an_event_leaves_out_is_filled_in(properties, left_out, as_null, spread_out):
    whole = event(tenant_id="acme") | {"properties": properties}
    sent = json.loads(json.dumps(whole))
    for name in left_out:
        sent["metadata"].pop(name)
        if as_null:
            sent["metadata"][name] = None
    line = native.line(json.dumps(sent, indent=1 if spread_out else None).encode(), "acme", RECEIVED)
    assert b"\n" not in line
    AnalyticsEvent.model_validate_json(line)
    made = json.loads(line)
    assert made["properties"] == properties
    kept = {name: value for name, value in whole["metadata"].items() if name not in left_out}
    assert {name: made["metadata"][name] for name in kept} == kept
    assert made["metadata"]["tenant_id"] == "acme"
    if "timestamp" in left_out:
        assert made["metadata"]["timestamp"] == RECEIVED


bodies = st.binary(max_size=60) | st.tuples(
    st.one_of(messages, st.lists(messages), values, st.just(event()), st.lists(st.just(event()))).map(
        lambda value: json.dumps(value).encode()
    ),
    st.integers(0, 400),
    st.binary(max_size=3),
).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :])


@given(bodies)
def test_any_body_is_lines_or_a_refusal(body):
    ways = [(native.envelope, native.line)] + [(envelope, segment.line) for envelope in segment.ENVELOPES.values()]
    for envelope, line in ways:
        refused = None
        try:
            require_utf8(body)
            made = [line(item, "acme", RECEIVED) for item in envelope(body).items]
        except (RefusedError, UnmappedError) as refusal:
            refused = refusal
        if refused:
            assert getattr(refused, "status", 400) in {400, 403}
        else:
            assert not any(b"\n" in one or b"\r" in one for one in made)
