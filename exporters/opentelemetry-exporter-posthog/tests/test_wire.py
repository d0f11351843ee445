"""Requests on the wire: path, headers, redirects and connections; no credentials, cookies or spans."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]
    MakeExporter = Callable[..., PostHogLogExporter]

SUCCESS = LogRecordExportResult.SUCCESS


def test_a_request_has_exactly_these_headers(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """An export is one POST to `/batch/`; its headers do not identify the application or its host."""
    make_exporter().export([make_log()])
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/batch/")
    headers = dict(request.headers)
    assert headers.pop("host") == f"127.0.0.1:{server.port}"
    assert headers.pop("content-length") == str(len(request.raw_body))
    assert headers == {
        "user-agent": "opentelemetry-exporter-posthog/0.1.0",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "content-encoding": "gzip",
    }


def test_posthogs_own_client_sends_the_same_fields(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """PostHog's client sends the same fields to the same path."""
    import posthog

    client = posthog.Posthog("phc_test", host=server.url, sync_mode=True)
    client.capture("order.placed", distinct_id="u1", properties={"items": 3})
    make_exporter().export([make_log({"user.id": "u1", "items": 3})])
    theirs, ours = server.requests
    assert check_batch(theirs.body) == check_batch(ours.body) == []
    assert (theirs.method, theirs.path) == (ours.method, ours.path)
    assert theirs.headers["content-type"] == ours.headers["content-type"]
    assert set(ours.json()) <= {*theirs.json(), "sent_at"}  # posthog before 7.20 names it differently
    assert set(server.events[1]) <= set(server.events[0])
    for name in ("event", "distinct_id"):
        assert server.events[1][name] == server.events[0][name]


def test_netrc_is_not_read(
    server: CaptureServer,
    make_exporter: MakeExporter,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The `default` entry of a `.netrc`, which `requests` sends to any host, is not sent to PostHog."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    make_exporter().export([make_log()])
    assert "authorization" not in server.requests[0].headers
    requests.post(server.url, timeout=60)
    assert "authorization" in server.requests[1].headers  # `requests` does read the file


def test_cookies_are_not_kept(server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog) -> None:
    """A cookie that the server sets is not sent back."""
    server.answer(Answer(headers={"Set-Cookie": "tracked=yes; Path=/"}))
    exporter = make_exporter()
    exporter.export([make_log()])
    exporter.export([make_log()])
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://\xff/", "http://127.0.0.1:99999/", "", "//", "javascript:alert(1)"]
)
def test_a_redirect_to_an_invalid_url_is_not_retried(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, location: str
) -> None:
    """A redirect to an invalid URL counts as `redirected`, and the batch is not sent again."""
    server.answer(Answer(status=301, headers={"Location": location}))
    exporter = make_exporter()
    assert exporter.export([make_log()]) is SUCCESS
    assert exporter.stats.dropped == {"redirected": 1}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, status: int
) -> None:
    """A redirect is not followed: the events are not sent to another host or port."""
    with CaptureServer() as elsewhere:
        server.answer(Answer(status=status, headers={"Location": f"{elsewhere.url}/batch/"}))
        exporter = make_exporter()
        assert exporter.export([make_log()]) is SUCCESS
        assert elsewhere.requests == []
    assert exporter.stats.dropped == {"redirected": 1}


def test_connections_are_reused(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog
) -> None:
    """Exports share one connection, whatever the server answers."""
    connects = 0
    finish = server._server.finish_request

    def count(request: Any, client_address: Any) -> None:
        nonlocal connects
        connects += 1
        finish(request, client_address)

    server._server.finish_request = count  # type: ignore[method-assign]
    server.answer(Answer(), Answer(status=400, body=b"x" * 9000), Answer(status=204))
    exporter = make_exporter()
    for _ in range(5):
        exporter.export([make_log()])
    assert len(server.requests) == 5
    assert connects == 1


def test_instrumentation_is_suppressed_while_sending(server: CaptureServer, make_log: MakeLog) -> None:
    """The context suppresses the application's HTTP instrumentation during an export, and only then."""
    seen = []

    class Session(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            seen.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
            return super().request(*arguments, **options)

    PostHogLogExporter(api_key="phc_test", host=server.url, session=Session()).export([make_log()])
    assert seen == [True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "https://us.i.posthog.com/batch/"),
        ("https://us.posthog.com", "https://us.i.posthog.com/batch/"),
        ("https://app.posthog.com/", "https://us.i.posthog.com/batch/"),
        ("https://eu.posthog.com", "https://eu.i.posthog.com/batch/"),
        ("https://eu.posthog.com/", "https://eu.i.posthog.com/batch/"),
        ("https://eu.i.posthog.com", "https://eu.i.posthog.com/batch/"),
        ("https://posthog.example/prefix/", "https://posthog.example/prefix/batch/"),
    ],
)
def test_app_hosts_are_mapped_to_ingestion_hosts(host: str, expected: str) -> None:
    """The exporter maps app hosts to ingestion hosts, like PostHog's own client."""
    exporter = PostHogLogExporter(api_key="phc_a", host=host)
    assert exporter._get_sender().url == expected


def test_a_temporary_failure_is_logged_at_debug(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A temporary failure is logged at DEBUG by this package's logger only, without keys or events."""
    caplog.set_level(logging.DEBUG)
    server.answer(Answer(status=503))
    exporter = make_exporter(retry=False)
    exporter.export([make_log({"secret": "hunter2"})])
    exporter.export([make_log({"secret": "hunter2"})])
    logged = [record for record in caplog.records if not record.name.startswith("urllib3")]
    assert {record.name for record in logged} == {"opentelemetry.exporter.posthog"}
    assert {record.levelno for record in logged} == {logging.DEBUG}
    assert "hunter2" not in caplog.text
    assert "phc_test" not in caplog.text


def test_a_refused_key_causes_one_warning(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """After HTTP 401, one WARNING for all batches names the variable, without the key."""
    server.answer_always(Answer(status=401))
    exporter = make_exporter()
    for _ in range(3):
        assert exporter.export([make_log()]) is SUCCESS
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "OTEL_EXPORTER_POSTHOG_API_KEY" in warnings[0].message
    assert "phc_test" not in caplog.text
    assert exporter.stats.dropped == {"unauthorized": 3}


def test_exports_from_many_threads(
    server: CaptureServer, make_exporter: MakeExporter, make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads may export at the same time: each event arrives once, counts add up, no warning appears."""
    server.answer_always(Answer(delay=0.02))
    exporter = make_exporter()
    results: list[LogRecordExportResult] = []

    def run(worker: int) -> None:
        results.extend(exporter.export([make_log({"n": worker * 100 + step})]) for step in range(5))

    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [SUCCESS] * 160
    assert len({event["properties"]["n"] for event in server.events}) == 160
    assert exporter.stats.exported == 160
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
