"""Tracers that are not OpenTelemetry's patch the HTTP libraries; what they add to each request reaches nobody here."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord

    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]

SECRET = {"sentry-trace": "leaked", "Baggage": "sentry-release=leaked", "X-Datadog-Trace-Id": "leaked"}
EXPECTED = {"host", "user-agent", "accept", "accept-encoding", "connection"}
EXPECTED |= {"content-type", "content-length", "content-encoding"}


def patch_http_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Sentry does it: headers are put right after the request line."""
    putrequest = http.client.HTTPConnection.putrequest

    def putrequest_and_more(self: Any, *arguments: Any, **named: Any) -> None:
        putrequest(self, *arguments, **named)
        for name, value in SECRET.items():
            self.putheader(name, value)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", putrequest_and_more)


def patch_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    """As New Relic and others do it: headers are added to the pool's request."""
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def urlopen_with_more(self: Any, *arguments: Any, headers: Any = None, **named: Any) -> Any:
        return urlopen(self, *arguments, headers={**(headers or {}), **SECRET}, **named)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen_with_more)


def patch_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Datadog does it: headers are added to the prepared request."""
    send = requests.Session.send

    def send_with_more(self: Any, request: Any, **named: Any) -> Any:
        request.headers.update(SECRET)
        return send(self, request, **named)

    monkeypatch.setattr(requests.Session, "send", send_with_more)


@pytest.mark.parametrize("patch", [patch_http_client, patch_urllib3, patch_requests])
def test_what_tracers_add_is_left_out(
    patch: Callable[[pytest.MonkeyPatch], None],
    server: CaptureServer,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever another tracer puts its headers, the request has those that it always has, and no other."""
    patch(monkeypatch)
    assert requests.post(server.url, timeout=60).ok
    assert "sentry-trace" in server.requests[0].headers
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
    assert exporter.export([make_log()]) is LogRecordExportResult.SUCCESS
    assert set(server.requests[1].headers) == EXPECTED
