"""Records of other formats become events of the contract, the same on every repetition, or a refusal that names their
own field."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_dagster.formats import FORMATS, UnmappedError
from analytics_dagster.formats.raw_json import on_one_line, repeated_key
from analytics_dagster.schemas import AnalyticsEvent

TRACK = {"type": "track", "event": "Order Completed", "messageId": "m-1", "timestamp": "2026-01-31T09:30:00Z"}
CLOUD = {
    "specversion": "1.0",
    "id": "c-1",
    "source": "https://acme.example/mobile_app",
    "type": "com.acme.TrackPlay",
    "time": "2026-01-31T09:30:00Z",
    "subject": "u-17",
    "datacontenttype": "application/json",
    "traceparent": "00-4bf9",
    "data": {"event_type": "user_action", "is_test": True, "anonymous_id": "a-1", "properties": {"track_id": "t"}},
}

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
properties = st.dictionaries(text.filter(lambda name: not name.startswith("$")), values, max_size=4)


def line(format_name, record, tenant_id="acme"):
    sent = record if isinstance(record, bytes) else json.dumps(record).encode()
    return FORMATS[format_name].line(sent, tenant_id)


def test_a_message_of_segment():
    made = json.loads(line("segment", TRACK | {"userId": 17, "properties": {"a": 1}, "context": {"ip": "::1"}}))
    assert made == {
        "metadata": {
            "event_id": "m-1",
            "source": "api",
            "timestamp": "2026-01-31T09:30:00Z",
            "user_id": "17",
            "anonymous_id": None,
            "tenant_id": "acme",
        },
        "event_type": "user_action",
        "event_name": "order_completed",
        "properties": {
            "$segment": {"type": "track", "event": "Order Completed", "context": {"ip": "::1"}},
            "a": 1,
        },
    }


def test_a_cloud_event():
    made = line("cloudevents", CLOUD)
    assert json.loads(made) == {
        "metadata": {
            "event_id": "c-1",
            "tenant_id": "acme",
            "source": "mobile_app",
            "timestamp": "2026-01-31T09:30:00Z",
            "user_id": "u-17",
            "anonymous_id": "a-1",
            "is_test": True,
        },
        "event_type": "user_action",
        "event_name": "track_play",
        "properties": {
            "$cloudevents": {
                "source": "https://acme.example/mobile_app",
                "type": "com.acme.TrackPlay",
                "traceparent": "00-4bf9",
            },
            "track_id": "t",
        },
    }
    AnalyticsEvent.model_validate_json(made)


@pytest.mark.parametrize(
    ("changes", "tenant_id", "source"),
    [
        ({"tenantid": "zeta"}, "zeta", "mobile_app"),
        ({"source": "/services/checkout", "data": {"event_type": "transaction"}}, "acme", "backend"),
        ({"source": "urn:x/", "subject": None, "datacontenttype": "application/vnd.acme+json; v=1"}, "acme", "backend"),
    ],
)
def test_what_a_cloud_event_says_about_itself(changes, tenant_id, source):
    made = AnalyticsEvent.model_validate_json(line("cloudevents", CLOUD | changes))
    assert (made.metadata.tenant_id, made.metadata.source) == (tenant_id, source)


@pytest.mark.parametrize(
    ("format_name", "record", "field", "rule"),
    [
        ("segment", {**TRACK, "type": None}, "type", "missing"),
        ("segment", {**TRACK, "type": "push"}, "type", "unknown_call"),
        ("segment", {**TRACK, "messageId": ""}, "messageId", "missing"),
        ("segment", {**TRACK, "messageId": 5}, "messageId", "not_text"),
        ("segment", {**TRACK, "timestamp": None}, "timestamp", "missing"),
        ("segment", {**TRACK, "event": None}, "event", "missing"),
        ("segment", {**TRACK, "userId": [1]}, "userId", "not_an_identifier"),
        ("segment", {**TRACK, "properties": "x"}, "properties", "not_an_object"),
        ("segment", [], None, "not_an_object"),
        ("segment", b"{", None, "json_invalid"),
        ("segment", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "nested_too_deeply"),
        ("cloudevents", {**CLOUD, "specversion": "0.3"}, "specversion", "unknown_version"),
        ("cloudevents", {**CLOUD, "id": None}, "id", "missing"),
        ("cloudevents", {**CLOUD, "time": None}, "time", "missing"),
        ("cloudevents", {**CLOUD, "type": 1}, "type", "not_text"),
        ("cloudevents", {**CLOUD, "data": None}, "data", "missing"),
        ("cloudevents", {**CLOUD, "data": "x"}, "data", "not_an_object"),
        ("cloudevents", {**CLOUD, "data": {"track_id": 1}}, "data.track_id", "unknown_field"),
        ("cloudevents", {**CLOUD, "data": {}}, "data.event_type", "missing"),
        ("cloudevents", {**CLOUD, "data": {"event_type": 1}}, "data.event_type", "not_text"),
        (
            "cloudevents",
            {**CLOUD, "data": {"event_type": "system", "properties": []}},
            "data.properties",
            "not_an_object",
        ),
        ("cloudevents", {**CLOUD, "datacontenttype": "text/xml"}, "datacontenttype", "unknown_content"),
    ],
)
def test_a_record_without_a_mapping_names_its_own_field(format_name, record, field, rule):
    with pytest.raises(UnmappedError) as caught:
        line(format_name, record)
    assert (caught.value.where, caught.value.rule) == (field, rule)


@given(st.sampled_from(["segment", "cloudevents"]), properties, st.booleans())
def test_a_repetition_is_the_same_event(format_name, own, spread_out):
    data = {**CLOUD["data"], "properties": own}
    record = {"segment": TRACK | {"properties": own}, "cloudevents": CLOUD | {"data": data}}[format_name]
    sent = json.dumps(record, indent=1 if spread_out else None).encode()
    made = line(format_name, sent)
    assert made == line(format_name, sent)
    assert b"\n" not in made
    AnalyticsEvent.model_validate_json(made)
    assert {name: value for name, value in json.loads(made)["properties"].items() if name[0:1] != "$"} == own


def test_reasons_are_told_in_the_words_of_the_format():
    assert FORMATS["segment"].told_as("metadata.event_id") == "messageId"
    assert FORMATS["cloudevents"].told_as("metadata.timestamp") == "time"
    assert FORMATS["native"].told_as("metadata.timestamp") == "metadata.timestamp"


@pytest.mark.parametrize(
    ("text", "key"),
    [(b'{"a": 1, "b": {"a": 2}}', None), (b'{"a": 1, "a": 1}', "a"), (b'[{"x": {"b": 1, "c": 2, "b": 3}}]', "b")],
)
def test_two_equal_keys_are_found_at_any_depth(text, key):
    assert repeated_key(text) == key


@given(values, st.sampled_from([None, 1]))
def test_one_line_is_the_same_json(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert json.loads(on_one_line(text)) == value
    assert b"\n" not in on_one_line(text)


@pytest.mark.parametrize("text", [b'{"a": "x\ny"}', b"{\n", b'"\r"'])
def test_what_is_no_json_does_not_become_it_on_one_line(text):
    with pytest.raises(ValueError, match=r"Expecting|control"):
        json.loads(on_one_line(text))


def test_the_example_of_the_documents_works():
    document = Path(__file__).parents[2] / "docs/formats.md"
    [example] = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)  # noqa: S102 - our own document
    record = {"uuid": "u-1", "when": "2026-01-31T09:30:00Z", "what": "signed_in"}
    made = AnalyticsEvent.model_validate_json(names["AUDITLOG"].line(json.dumps(record).encode(), "acme"))
    assert (made.metadata.event_id, made.event_name) == ("u-1", "signed_in")
    assert names["AUDITLOG"].told_as("event_name") == "what"
