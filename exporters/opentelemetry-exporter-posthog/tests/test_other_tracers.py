"""Tracers of other vendors patch the HTTP libraries; their headers are not in the exporter's requests."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk._logs import ReadableLogRecord

    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]

SECRET = {"sentry-trace": "leaked", "Baggage": "sentry-release=leaked", "X-Datadog-Trace-Id": "leaked"}
EXPECTED = {"host", "user-agent", "accept", "accept-encoding", "connection"}
EXPECTED |= {"content-type", "content-length", "content-encoding"}


def patch_http_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add headers right after the request line, like Sentry."""
    putrequest = http.client.HTTPConnection.putrequest

    def putrequest_and_more(self: Any, *arguments: Any, **named: Any) -> None:
        putrequest(self, *arguments, **named)
        for name, value in SECRET.items():
            self.putheader(name, value)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", putrequest_and_more)


def patch_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add headers to the pool's request, like New Relic and others."""
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def urlopen_with_more(self: Any, *arguments: Any, headers: Any = None, **named: Any) -> Any:
        return urlopen(self, *arguments, headers={**(headers or {}), **SECRET}, **named)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen_with_more)


def patch_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add headers to the prepared request, like Datadog."""
    send = requests.Session.send

    def send_with_more(self: Any, request: Any, **named: Any) -> Any:
        request.headers.update(SECRET)
        return send(self, request, **named)

    monkeypatch.setattr(requests.Session, "send", send_with_more)


@pytest.mark.parametrize("patch", [patch_http_client, patch_urllib3, patch_requests])
def test_headers_of_other_tracers_are_left_out(
    patch: Callable[[pytest.MonkeyPatch], None],
    server: CaptureServer,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever another tracer adds its headers, a request has exactly its usual headers."""
    patch(monkeypatch)
    assert requests.post(server.url, timeout=60).ok
    assert "sentry-trace" in server.requests[0].headers
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
    assert exporter.export([make_log()]) is LogRecordExportResult.SUCCESS
    assert set(server.requests[1].headers) == EXPECTED


def relay(source: socket.socket, target: socket.socket) -> None:
    """Copy data from one socket to the other."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


@contextmanager
def socks_proxy(target: int) -> Iterator[str]:
    """Yield the URL of a SOCKS5 proxy that forwards one connection to a local port."""

    def serve() -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            client.recv(262)
            client.sendall(b"\x05\x00")  # no authentication
            client.recv(262)
            client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")  # connected
            with client, socket.create_connection(("127.0.0.1", target)) as upstream:
                threading.Thread(target=relay, args=(upstream, client), daemon=True).start()
                relay(client, upstream)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socks5h://127.0.0.1:{listener.getsockname()[1]}"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def test_a_socks_proxy_adds_no_header_and_keeps_the_deadline(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a SOCKS proxy, a request has no tracer's header, and a slow answer ends by the timeout."""
    pytest.importorskip("socks")
    patch_http_client(monkeypatch)
    server.answer(Answer(), Answer(drip=0.5))
    with socks_proxy(server.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        exporter = PostHogLogExporter(
            api_key="phc_test", host="http://posthog.example", timeout=2, retry=False
        )
        exporter.warm_up()
        assert exporter.export([make_log({"n": 1})]) is LogRecordExportResult.SUCCESS
        assert exporter.export([make_log({"n": 2})]) is LogRecordExportResult.FAILURE
        exporter.shutdown()
    assert [set(request.headers) for request in server.requests] == [EXPECTED] * 2
