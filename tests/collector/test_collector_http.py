"""What a producer meets: the real server in this process, posted to over loopback."""

import gzip
import json
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from collector_client import Client, basic, event, while_serving, written

from analytics_dagster.collector import (
    LandingFiles,
    app,
    bodies,
    create_key,
    group_commit,
    list_keys,
    revoke_key,
    server,
)
from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas import AnalyticsEvent
from analytics_dagster.settings import load_settings
from analytics_dagster.tenancy import moving


@pytest.fixture
def serving(chosen, warehouse, tenants):  # noqa: ARG001 - the tenants are registered
    """Runs a client's work against a collector; settings can be said otherwise."""

    def run(work, files=None, **settings):
        given = {"state_dir": chosen.state_dir, "collector_port": 0, "collector_refresh_seconds": 0.1}
        return while_serving(load_settings(**given, **settings), warehouse, work, files)

    return run


def test_native_forms_become_lines_of_the_keys_tenant(serving, key, landing):
    def work(port):
        with Client(port, key) as client:
            spread_out = json.dumps(event("pretty"), indent=2).encode()
            two_lines = b"\n" + json.dumps(event("l1")).encode() + b"\r\n\n" + json.dumps(event("l2")).encode() + b"\n"
            return [
                client.post("/v1/events", event("one", tenant_id="acme")),
                client.post("/v1/events", [event("a1"), event("a2")], Content_Type="text/plain"),
                client.post("/v1/events", spread_out),
                client.post("/v1/events", two_lines, Content_Type="application/x-ndjson"),
                client.post("/v1/events", gzip.compress(json.dumps(event("zip")).encode()), Content_Encoding="gzip"),
                client.post("/v1/events", [], Content_Encoding="identity"),
            ]

    answers = serving(work)
    assert [(a.status, a.json["accepted"]) for a in answers] == [(200, n) for n in (1, 2, 1, 2, 1, 0)]
    found = written(landing)
    assert [e["metadata"]["event_id"] for e in found] == ["one", "a1", "a2", "pretty", "l1", "l2", "zip"]
    assert {e["metadata"]["tenant_id"] for e in found} == {"acme"}
    assert [path.parent.name for path in landing.rglob("*.ndjson")] == ["acme"]


def test_a_key_can_come_in_three_ways(serving, tenants, key, landing):
    other = create_key(tenants, "zeta")

    def work(port):
        with Client(port) as client:
            return [
                client.post("/v1/events", event("1"), Authorization=f"bearer {key}"),
                client.post("/v1/events", event("2"), Authorization=basic(other)),
                client.post("/v1/events", {"write_key": other, "events": [event("3")]}, Content_Type="text/plain"),
                client.post("/v1/track", {"writeKey": key, "event": "Played", "messageId": "4"}),
            ]

    assert [answer.status for answer in serving(work)] == [200] * 4
    assert {e["metadata"]["event_id"]: e["metadata"]["tenant_id"] for e in written(landing)} == {
        "1": "acme",
        "2": "zeta",
        "3": "zeta",
        "4": "acme",
    }


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, event(), 401),
        ({}, {"write_key": "adk_wrong", "events": [event()]}, 401),
        ({"Authorization": "Bearer adk_wrong"}, event(), 401),
        ({"Authorization": "Basic %%%"}, event(), 401),
        ({"Authorization": "Basic /w=="}, event(), 401),
        ({"Authorization": "Digest x"}, event(), 401),
        ({"Authorization": "Bearer \xff"}, event(), 401),
    ],
)
def test_without_a_good_key_nothing_is_kept(serving, landing, headers, body, status):
    def work(port):
        with Client(port) as client:
            return client.post("/v1/events", body, **headers)

    answer = serving(work)
    assert answer.status == status
    assert "key" in answer.json["error"] or "Authorization" in answer.json["error"]
    assert written(landing) == []


def test_a_revoked_key_and_a_suspended_tenant_are_refused_and_a_new_key_works_soon(serving, tenants, key):
    def work(port):
        def until(status, with_key):
            for _ in range(100):
                answer = client.post("/v1/events", [], Authorization=f"Bearer {with_key}")
                if answer.status == status:
                    return answer.json
                time.sleep(0.02)
            raise AssertionError(f"never {status}, but {answer.status}")

        with Client(port) as client:
            until(200, key)
            (info,) = list_keys(tenants)
            revoke_key(tenants, info.key_id)
            until(401, key)
            new = create_key(tenants, "acme")
            until(200, new)
            moving.suspend(tenants, "acme", actor="ada", reason=None)
            assert "is suspended" in until(403, new)["error"]
            moving.resume(tenants, "acme", actor="ada", reason=None)
            until(200, new)
            moving.offboard(tenants, "acme", actor="ada", reason="left")
            until(401, new)

    serving(work)


def test_when_the_warehouse_goes_away_the_known_keys_stay(serving, tenants, key, caplog):
    def work(port):
        tenants.execute("alter table tenancy.write_keys rename to moved")
        time.sleep(0.5)
        with Client(port, key) as client:
            return client.post("/v1/events", event())

    assert serving(work).status == 200
    told = [record for record in caplog.records if "cannot be read again" in record.message]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"3", 400, None),
        (b'{"a": NaN}', 400, None),
        (b'{"a":"\xff"}', 400, None),
        (b"[" * 5000 + b"]" * 5000, 400, None),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, None),
        (b"[1]", 400, "[0]"),
        (b'{"a":1}\n{', 400, "line 1.metadata"),
        (json.dumps(event()).encode() + b"\n\n{\n", 400, "line 3"),
        ({"write_key": 7, "events": []}, 400, "write_key"),
        ({"events": {}}, 400, "events"),
        ({"events": [event(), 5]}, 400, "events[1]"),
        ([event(), {**event(), "metadata": []}], 400, "[1].metadata"),
        ([{"metadata": {}}], 400, "[0].event_type"),
        ([{**event(), "metadata": {}}], 400, "[0].metadata.source"),
        ([event(tenant_id=5)], 400, "[0].metadata.tenant_id"),
        (event(tenant_id="zeta"), 403, "metadata.tenant_id"),
        ([event(), event(tenant_id="zeta")], 403, "[1].metadata.tenant_id"),
        (event(user_id="x" * 500), 413, None),
        ([event(), event(user_id="x" * 500)], 413, "[1]"),
        ([event()] * 20, 413, None),
    ],
)
def test_a_refusal_names_the_field_and_keeps_nothing(serving, key, landing, body, status, field):
    def work(port):
        with Client(port, key) as client:
            return client.post("/v1/events", body)

    big = isinstance(body, bytes) and len(body) > 2000
    answer = serving(work, collector_max_event_bytes=400, collector_max_body_bytes=50_000 if big else 2000)
    assert (answer.status, answer.json.get("field")) == (status, field)
    assert answer.json["success"] is False
    assert written(landing) == []


def test_bodies_too_large_or_zipped_badly(serving, key):
    bomb = gzip.compress(b" " * 1_000_000)
    good = gzip.compress(json.dumps(event()).encode())

    def work(port):
        found = []
        for body, headers in [
            (b" " * 4000, {}),
            (b" " * 200_000, {}),
            (b" " * 1_000_000, {}),
            (bomb, {"Content_Encoding": "gzip"}),
            (b"no gzip", {"Content_Encoding": "gzip"}),
            (good[:-4], {"Content_Encoding": "gzip"}),
            (good + b"x", {"Content_Encoding": "gzip"}),
            (good, {"Content_Encoding": "br"}),
        ]:
            with Client(port, key) as client:
                try:
                    found.append(client.post("/v1/events", body, **headers).status)
                except OSError:
                    found.append("reset")  # so much more than the limit is not read to its end
        return found

    statuses = serving(work, collector_max_body_bytes=40_000, collector_max_event_bytes=300)
    assert statuses[:2] == [400, 413]
    assert statuses[2] in {413, "reset"}
    assert statuses[3:] == [413, 400, 400, 400, 415]


def test_a_key_that_sends_too_fast_is_told_how_long_to_wait(serving, key):
    def work(port):
        with Client(port, key) as client:
            first = client.post("/v1/events", [event(str(n)) for n in range(50)])
            return first, client.post("/v1/events", event()), client.post("/v1/events", b"not even read")

    first, second, third = serving(work, collector_events_per_second=10)
    assert first.status == 200  # a batch is never split
    assert (second.status, third.status) == (429, 429)
    assert int(second.headers["retry-after"]) == pytest.approx(3, abs=1)


def test_browsers_may_post_from_other_sites(serving, key):
    def work(port):
        with Client(port, key) as client:
            return [
                client.request("OPTIONS", "/v1/events", Origin="https://shop.example"),
                client.post("/v1/events", [], Origin="https://shop.example"),
                client.post("/v1/events", b"{", Origin="https://shop.example"),
                client.post("/v1/events", []),
            ]

    preflight, good, bad, plain = serving(work)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type, content-encoding"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert {a.headers["access-control-allow-origin"] for a in (preflight, good, bad)} == {"*"}
    assert "access-control-allow-origin" not in plain.headers
    assert all("access-control-allow-credentials" not in a.headers for a in (preflight, good))


def test_only_the_named_sites_when_some_are_named(serving, key):
    def work(port):
        with Client(port, key) as client:
            return [
                client.post("/v1/events", [], Origin=origin) for origin in ("https://a.example", "https://b.example")
            ]

    named, other = serving(work, collector_origins="https://a.example https://c.example")
    assert named.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == named.headers["vary"] == "origin"


def test_other_paths_and_methods(serving):
    def work(port):
        with Client(port) as client:
            asked = [
                ("GET", "/healthz"),
                ("HEAD", "/readyz"),
                ("POST", "/healthz"),
                ("GET", "/v1/events"),
                ("PUT", "/v1/track"),
                ("POST", "/"),
                ("OPTIONS", "/v1/other"),
            ]
            return [client.request(*each).status for each in asked]

    assert serving(work) == [200, 200, 405, 405, 405, 404, 404]


def test_what_sdks_of_segment_send(serving, key, landing):
    """Shapes as analytics.js, analytics-node, analytics-python and the mobile libraries post them."""
    now = "2026-01-31T09:30:00.125Z"
    web = {"library": {"name": "analytics.js", "version": "next-1.70.0"}, "page": {"path": "/"}}

    def work(port):
        with Client(port) as client:
            common = {"anonymousId": "a-1", "timestamp": now, "writeKey": key, "sentAt": now, "context": web}
            calls = [
                ("track", {"event": "Order Completed", "properties": {"amount": "9.99"}, "userId": "u1"}),
                ("identify", {"userId": "u1", "traits": {"plan": "pro"}}),
                ("page", {"name": "Home", "properties": {"path": "/"}}),
                ("screen", {"name": "Home", "properties": None}),
                ("group", {"groupId": "g1", "traits": {"employees": 5}}),
                ("alias", {"previousId": "a-0", "userId": "u1"}),
            ]
            answers = [
                client.post(f"/v1/{call}", {**common, **body, "messageId": f"ajs-{call}"}, Content_Type="text/plain")
                for call, body in calls
            ]
            batch = {
                "batch": [
                    {"type": "track", "event": "Song Played", "userId": 42, "messageId": "node-1", "timestamp": now},
                    {
                        "type": "screen",
                        "anonymousId": "m",
                        "messageId": "ios-1",
                        "originalTimestamp": now,
                        "context": {"library": {"name": "analytics-ios"}},
                    },
                ],
                "context": {"library": {"name": "analytics-node"}},
                "sentAt": now,
            }
            answers.append(client.post("/v1/batch", batch, Authorization=basic(key)))
            return answers

    answers = serving(work)
    assert [(a.status, a.json["success"]) for a in answers] == [(200, True)] * 7
    lines = written(landing)
    made = {line["metadata"]["event_id"]: AnalyticsEvent.model_validate_json(json.dumps(line)) for line in lines}
    assert {name: (e.event_type.value, e.event_name, e.metadata.source.value) for name, e in made.items()} == {
        "ajs-track": ("user_action", "order_completed", "web_app"),
        "ajs-identify": ("system", "user_identified", "web_app"),
        "ajs-page": ("page_view", "page_viewed", "web_app"),
        "ajs-screen": ("page_view", "screen_viewed", "web_app"),
        "ajs-group": ("system", "group_identified", "web_app"),
        "ajs-alias": ("system", "user_aliased", "web_app"),
        "node-1": ("user_action", "song_played", "backend"),
        "ios-1": ("page_view", "screen_viewed", "mobile_app"),
    }
    assert made["node-1"].metadata.user_id == "42"
    assert made["ajs-track"].properties["amount"] == "9.99"
    assert made["ajs-group"].properties["$segment"]["groupId"] == "g1"
    assert key not in json.dumps(lines)


def test_slow_clients_are_ended_and_hold_up_nobody(serving, key, landing, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.4)

    def work(port):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as silent,
            socket.create_connection(("127.0.0.1", port), timeout=10) as half,
            socket.create_connection(("127.0.0.1", port), timeout=10) as gone,
            socket.create_connection(("127.0.0.1", port), timeout=10) as second_head,
            Client(port, key) as quick,
        ):
            second_head.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert second_head.recv(1000).startswith(b"HTTP/1.1 200 ")
            second_head.sendall(b"POST /v1/events HTTP/1.1\r\nHost:")
            head = (
                f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 100\r\n\r\n{{"
            )
            half.sendall(head.encode())
            gone.sendall(head.encode())
            gone.close()
            begin = time.perf_counter()
            assert quick.post("/v1/events", event()).status == 200
            assert time.perf_counter() - begin < 0.3
            assert silent.recv(100) == second_head.recv(100) == b""
            return half.recv(1000)

    assert serving(work).startswith(b"HTTP/1.1 408 ")
    assert len(written(landing)) == 1


def test_bodies_that_arrive_together_share_a_budget(serving, key):
    def work(port):
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 4000\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as first,
            socket.create_connection(("127.0.0.1", port), timeout=10) as second,
        ):
            first.sendall(head.encode() + b" " * 3000)
            time.sleep(0.2)
            second.sendall(head.encode() + b" " * 3000)
            return second.recv(1000)

    assert serving(work, collector_queue_bytes=5000).startswith(b"HTTP/1.1 503 ")


def test_too_many_at_once_and_a_disk_that_hangs_are_503_with_a_time_to_wait(serving, key, landing, monkeypatch):
    free = threading.Event()

    def sync(descriptor):
        free.wait(10)
        os.fdatasync(descriptor)

    monkeypatch.setattr(app, "MOST_IN_FLIGHT", 2)
    monkeypatch.setattr(group_commit, "STALLED_SECONDS", 0.1)

    def post(port, number):
        with Client(port, key) as client:
            return client.post("/v1/events", event(str(number)))

    def work(port):
        with ThreadPoolExecutor() as pool, Client(port, key) as client:
            waiting = [pool.submit(post, port, number) for number in range(2)]
            time.sleep(0.3)
            refused = client.post("/v1/events", event()), client.request("GET", "/readyz")
            free.set()
            return refused, [each.result() for each in waiting]

    refused, waited = serving(work, LandingFiles(landing, rotate_bytes=1 << 20, rotate_seconds=60, sync=sync))
    assert [(a.status, a.headers["retry-after"]) for a in refused] == [(503, "1")] * 2
    assert [a.json["error"] for a in refused] == ["too many requests at once", "the disk does not follow"]
    assert [a.status for a in waited] == [200, 200]
    assert len(written(landing)) == 2


def test_the_log_has_counts_and_no_secrets(serving, key, caplog):
    caplog.set_level(logging.DEBUG)

    def work(port):
        with Client(port, key) as client:
            client.post("/v1/events", event("secret-payload", user_id="secret-user"))
            client.post("/v1/events", b'{"secret-payload')
            for _ in range(50):
                client.post("/v1/events", event("secret-payload"))
            time.sleep(1.1)
            client.post("/v1/events", event("secret-payload"))

    serving(work)
    ours = [r for r in caplog.records if r.name.startswith("analytics_dagster") and r.levelno >= logging.INFO]
    assert len(ours) == 2
    assert "51 x 200, 1 x 400; 51 events" in ours[0].getMessage()
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "secret" not in text
    assert key not in text
    assert "127.0.0.1" not in "\n".join(record.getMessage() for record in ours)


def test_a_port_in_use_says_what_to_change(chosen):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AnalyticsError, match="COLLECTOR_PORT"):
        while_serving(chosen.model_copy(update={"collector_port": taken.getsockname()[1]}), None, lambda _port: None)
