"""The fake server and the checker that users' tests rely on."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from typing import Any

import pytest
import requests

from opentelemetry.exporter.posthog.testing import Answer, CapturedRequest, CaptureServer, check_batch

_EVENT = {
    "event": "order.placed",
    "distinct_id": "u1",
    "uuid": "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b",
    "timestamp": "2026-01-01T00:00:00.123456Z",
    "properties": {"n": 1, "$process_person_profile": False},
}


def batch(*events: Any, **envelope: Any) -> bytes:
    """Return the body of a request."""
    return json.dumps(
        {"api_key": "phc_a", "sent_at": "2026-01-01T00:00:01Z", "batch": events, **envelope}
    ).encode()


def _exception(*frames: Any) -> dict[str, Any]:
    """Return the properties of an exception with these frames."""
    return {"$exception_list": [{"type": "E", "value": "x", "stacktrace": {"type": "raw", "frames": frames}}]}


def test_a_good_batch_has_no_violations() -> None:
    """`check_batch` accepts a batch that PostHog accepts, with and without optional fields."""
    assert check_batch(batch(_EVENT, {"event": "a", "distinct_id": 7})) == []
    assert check_batch(batch({**_EVENT, "uuid": "", "timestamp": "2026-01-01T01:00:00+01:00"})) == []
    frame = {"platform": "python", "filename": "a", "function": "f", "in_app": True}
    for properties in (_exception(), _exception(frame), {"$exception_list": [{"type": "E"}]}):
        assert check_batch(batch({**_EVENT, "event": "$exception", "properties": properties})) == []
    assert check_batch(batch({**_EVENT, "distinct_id": "''null''"})) == [], (
        "PostHog takes off one pair of quotes"
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"event": ""}, "name"),
        ({"event": None}, "name"),
        ({"event": "x" * 201}, "200"),
        ({"distinct_id": None}, "distinct_id"),
        ({"distinct_id": ""}, "mistake"),
        ({"distinct_id": "Anonymous"}, "mistake"),
        ({"distinct_id": " 'null' "}, "mistake"),
        ({"distinct_id": "ü" * 101}, "200"),
        (
            {"event": "$exception", "properties": {"$exception_list": [{"type": "E", "stacktrace": 1}]}},
            "frames",
        ),
        *(
            ({"event": "$exception", "properties": {"$exception_list": odd}}, "$exception_list")
            for odd in (7, [], [7], ["E"], [None], [{"value": "x"}], [{"type": 7}], {"type": "E"})
        ),
        *(
            (
                {
                    "event": "$exception",
                    "properties": {"$exception_list": [{"type": "E", "stacktrace": odd}]},
                },
                "frames",
            )
            for odd in ({"frames": 7}, {"frames": "abc"}, {"frames": [7]}, [7])
        ),
        ({"event": "$exception", "properties": _exception({})}, "frames"),
        (
            {"event": "$exception", "properties": _exception({"platform": "python", "filename": "a"})},
            "frames",
        ),
        *(({"distinct_id": odd}, "it has no distinct_id") for odd in (True, ["u1"])),
        ({"timestamp": "2026-01-01T00:00:00"}, "timestamp"),
        ({"uuid": "17"}, "uuid"),
        ({"uuid": 17}, "uuid"),
        ({"timestamp": 1_767_225_600}, "timestamp"),
        ({"timestamp": "2026-01-01 00:00:00"}, "timestamp"),
        ({"timestamp": "2026-13-01T00:00:00Z"}, "timestamp"),
        ({"properties": []}, "object"),
        ({"properties": {"": 1}}, "property"),
        ({"properties": {"x" * 201: 1}}, "property"),
        ({"properties": {"$geoip_disable": "true"}}, "boolean"),
        ({"properties": {"$process_person_profile": False, "$set": {}}}, "person"),
        ({"properties": {"a": "\0"}}, "NUL"),
        ({"properties": {"a": ["\ud800"]}}, "surrogate"),
        ({"properties": {"a": 2**64}}, "64 bits"),
        ({"properties": {"a": "x" * 1_000_001}}, "keeps"),
        ({"properties": {"a": '"' * 400_000}}, "keeps"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_violation_is_found(change: dict[str, Any], word: str) -> None:
    """Each rule that an event breaks is reported, with the place of the event."""
    (violation,) = check_batch(batch(_EVENT, {**_EVENT, **change}))
    assert violation.startswith("event 1: ")
    assert word in violation


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{",
        b"[" * 100_000,
        batch(),
        batch("event"),
        batch(_EVENT, api_key=None),
        batch(_EVENT, api_key="phx_personal"),
        *(batch(_EVENT, api_key=key) for key in ("k" * 65, " ", "phc_\u00fc", "phc_\0")),
        batch(_EVENT, sent_at=1),
        batch(_EVENT, historical_migration="no"),
        batch({**_EVENT, "properties": {"a": float("nan")}}),
        batch({**_EVENT, "properties": {"a": float("inf")}}),
        b'{"api_key":"phc_a","batch":[{"event":"a","distinct_id":"u1","properties":{"a":1e999}}]}',
        b'{"api_key":"phc_a","batch":[{"event":"a","event":"b","distinct_id":"u1"}]}',
        batch({**_EVENT, "properties": {"a": json.loads("[" * 130 + "]" * 130)}}),
        batch(_EVENT) + b" " * (20 * 1024 * 1024),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_whole_bodies_that_posthog_rejects(body: bytes) -> None:
    """A body that breaks the parser, the envelope or the size limit is one violation, and nothing raises."""
    assert len(check_batch(body)) == 1


def test_the_server_records_any_request(server: CaptureServer) -> None:
    """The server records method, path, headers and body of a request to any path, and answers 200."""
    assert (
        requests.post(f"{server.url}/v1/logs", data=b"otlp", headers={"X-A": "1"}, timeout=60).status_code
        == 200
    )
    assert requests.get(f"{server.url}/flags?v=2", timeout=60).status_code == 200
    first, second = server.requests
    assert (first.method, first.path, first.body, first.headers["x-a"]) == ("POST", "/v1/logs", b"otlp", "1")
    assert (second.method, second.path) == ("GET", "/flags?v=2")
    assert server.events == []


def test_the_server_decodes_bodies(server: CaptureServer) -> None:
    """Gzip is decoded even without the header, chunked bodies are read, and `/batch` may have any ending."""
    packed = gzip.compress(batch(_EVENT))
    requests.post(f"{server.url}/batch/", data=packed, timeout=60)
    requests.post(f"{server.url}/batch?x=1", data=iter([packed[:9], packed[9:]]), timeout=60)
    requests.post(f"{server.url}/batch", data=b"no json", timeout=60)
    assert server.events == [_EVENT, _EVENT]
    assert server.requests[1].raw_body == packed
    assert server.requests[1].json() == json.loads(batch(_EVENT))
    assert server.requests[2].body == b"no json"


def test_the_server_waits(server: CaptureServer) -> None:
    """`wait_for` returns True as soon as the events are there, or False after the timeout."""
    assert not server.wait_for(1, timeout=0.05)
    poster = threading.Timer(
        0.1, requests.post, [f"{server.url}/batch/"], {"data": batch(_EVENT, _EVENT), "timeout": 5}
    )
    poster.start()
    assert server.wait_for(2, timeout=60)
    poster.join()


def test_answers_come_in_turn(server: CaptureServer) -> None:
    """Each prepared answer is used once; then the default answer, which can be changed."""
    server.answer(Answer(status=503), Answer(status=418, headers={"X-A": "1"}, body=b"tea"))
    server.answer_always(Answer(status=204))
    answers = [requests.post(server.url, timeout=60) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 418, 204]
    assert (answers[1].headers["x-a"], answers[1].content) == ("1", b"tea")


def test_stopping_the_server_ends_all_answers() -> None:
    """Leaving the context ends stalled and delayed answers at once, and frees the port."""
    server = CaptureServer()
    with server:
        server.answer_always(Answer(stall=True))
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert server.wait_for_requests(1, timeout=60)
        began = time.monotonic()
    server.stop()
    client.settimeout(60)
    assert client.recv(1) == b""
    client.close()
    assert time.monotonic() - began < 30
    with CaptureServer(port=server.port) as again:
        assert again.port == server.port


def test_the_server_prints_nothing(server: CaptureServer, capfd: pytest.CaptureFixture[str]) -> None:
    """Requests, errors and broken connections print nothing."""
    server.answer(Answer(status=500), Answer(drop=True))
    requests.post(server.url, timeout=60)
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url, timeout=60)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
    assert server.wait_for_requests(2, timeout=60)
    assert capfd.readouterr() == ("", "")


def test_a_function_answers_each_request() -> None:
    """A function passed to `answer_always` sees each recorded request, of any method, and returns its answer."""

    def echo(request: CapturedRequest) -> Answer:
        return Answer(status=201, body=f"{request.method} {request.path} {request.body.decode()}".encode())

    with CaptureServer() as server:
        server.answer_always(echo)
        server.answer(Answer(status=503))
        first = requests.post(f"{server.url}/a", data=b"1", timeout=60)
        second = requests.patch(f"{server.url}/b", data=b"2", timeout=60)
        assert [request.body for request in server.requests] == [b"1", b"2"]
    assert (first.status_code, second.status_code, second.text) == (503, 201, "PATCH /b 2")
