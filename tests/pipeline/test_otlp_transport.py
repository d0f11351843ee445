"""Tests of OTLP/HTTP over real sockets: slow servers, certificates, and tracers that add headers."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from mem0_telemetry.pipeline import otlp
from mem0_telemetry.pipeline.destinations import DestinationConfig
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
BATCH = [ReadableLogRecord(LogRecord(timestamp=1, event_name="mem0.add"), Resource({}))]


def exporter_to(url: str, **options: Any) -> otlp.OTLPExporter:
    """Return an exporter that posts to `url`."""
    return otlp.build(DestinationConfig("otlp", endpoint=url, protocol="http/protobuf", **options))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for 127.0.0.1, key and certificate in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    )
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True
    )
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[CaptureServer]:
    """Run a TLS server that requires a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with CaptureServer(tls=context) as running:
        yield running


def test_a_dripping_server_does_not_break_the_deadline(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export to a server that sends one byte at a time ends at the deadline, as a FAILURE."""
    monkeypatch.setattr(otlp, "_TIMEOUT", 1.0)
    server.answer(Answer(drip=0.5))  # the complete response, a 200, would take a minute
    exporter = exporter_to(server.url)
    assert exporter.export(BATCH) is FAILURE
    assert exporter.failure in {"ConnectionError", "ReadTimeout"}


def test_a_dripping_server_behind_tls_and_a_proxy(
    certificate: Path, server: CaptureServer, tls_server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline holds over TLS, and through a proxy."""
    monkeypatch.setattr(otlp, "_TIMEOUT", 1.0)
    tls_server.answer(Answer(drip=0.5))
    files = dict.fromkeys(("certificate", "client_certificate"), str(certificate))
    assert exporter_to(tls_server.url, files=files).export(BATCH) is FAILURE
    assert len(tls_server.requests) == 1
    server.answer(Answer(drip=0.5))
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert exporter_to("http://otel.example").export(BATCH) is FAILURE
    assert server.requests[0].path == "http://otel.example/"


def test_named_certificates_are_used(
    certificate: Path, tls_server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA and client certificate of the standard variables are used, whatever the value of `REQUESTS_CA_BUNDLE`."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
    ca = {"certificate": str(certificate)}
    assert exporter_to(tls_server.url).export(BATCH) is FAILURE
    assert exporter_to(tls_server.url, files=ca).export(BATCH) is FAILURE  # without a client certificate
    assert tls_server.requests == []
    own = {**ca, "client_certificate": str(certificate)}
    assert exporter_to(tls_server.url, files=own).export(BATCH) is SUCCESS
    assert exporter_to(tls_server.url, files={**own, "client_key": str(certificate)}).export(BATCH) is SUCCESS


def test_a_certificate_that_cannot_be_read(tls_server: CaptureServer, tmp_path: Path) -> None:
    """A missing certificate file is a FAILURE, because the file may come back. Nothing is sent."""
    exporter = exporter_to(tls_server.url, files={"certificate": str(tmp_path / "missing.pem")})
    assert exporter.export(BATCH) is FAILURE
    assert exporter.failure == "OSError"


def test_headers_that_tracers_add_are_removed(server: CaptureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has only the configured headers and those of HTTP, even if tracers add others in two places."""
    secret = {"sentry-trace": "leaked", "Baggage": "release=leaked", "traceparent": "leaked"}
    putrequest, send = http.client.HTTPConnection.putrequest, requests.Session.send

    def putrequest_and_more(self: Any, *arguments: Any, **named: Any) -> None:
        putrequest(self, *arguments, **named)
        for name, value in secret.items():
            self.putheader(name, value)

    def send_with_more(self: Any, request: Any, **named: Any) -> Any:
        request.headers.update(secret)
        return send(self, request, **named)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", putrequest_and_more)
    monkeypatch.setattr(requests.Session, "send", send_with_more)
    assert requests.post(server.url, timeout=60).ok
    assert "sentry-trace" in server.requests[0].headers
    assert (
        exporter_to(server.url, headers={"x-key": "k", "content-type": "text/plain"}).export(BATCH) is SUCCESS
    )
    assert set(server.requests[1].headers) == {
        *("accept", "accept-encoding", "connection", "content-length", "content-type"),
        *("host", "user-agent", "x-key"),
    }
    assert server.requests[1].headers["content-type"] == "application/x-protobuf"
