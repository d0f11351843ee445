"""Proxies, certificates, and a `requests.Session` of the caller."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import requests
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]

pytestmark = pytest.mark.interpreter

SUCCESS = LogRecordExportResult.SUCCESS


def test_the_environments_proxy_is_used(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HTTP_PROXY` sends requests through the proxy, with its credentials; `NO_PROXY` bypasses it."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{server.port}")
    exporter = PostHogLogExporter(api_key="phc_test", host="http://posthog.example")
    assert exporter.export([make_log({"n": 1})]) is SUCCESS
    assert server.requests[0].path == "http://posthog.example/batch/"
    assert "proxy-authorization" in server.requests[0].headers
    with CaptureServer() as direct:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        PostHogLogExporter(api_key="phc_test", host=direct.url).export([make_log()])
        assert len(direct.requests) == 1
    assert len(server.requests) == 1


def test_a_slow_proxy_does_not_break_the_deadline(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export ends by its timeout if a proxy sends its answer byte by byte."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.answer_always(Answer(drip=0.2))
    exporter = PostHogLogExporter(api_key="phc_test", host="http://posthog.example", timeout=1)
    exporter.warm_up()
    began = time.monotonic()
    assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
    assert time.monotonic() - began < 15


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a self-signed certificate for 127.0.0.1; return the file with key and certificate."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[CaptureServer]:
    """Run a fake PostHog that serves HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with CaptureServer(tls=context) as running:
        yield running


def test_certificates_are_checked(tls_server: CaptureServer, make_log: MakeLog) -> None:
    """A server with an untrusted certificate gets nothing; the result is FAILURE because that can change."""
    exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, retry=False)
    assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
    assert tls_server.requests == []


def test_the_environments_ca_bundle_is_used(
    tls_server: CaptureServer, certificate: Path, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate in `REQUESTS_CA_BUNDLE`, such as a company's own, is trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, retry=False)
    assert exporter.export([make_log()]) is SUCCESS
    assert len(tls_server.events) == 1


def test_a_missing_ca_bundle_is_a_failure(
    tls_server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the CA bundle does not exist, nothing is sent; the result is FAILURE because it may appear."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, retry=False)
    assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
    assert exporter.stats.failed == 1
    assert tls_server.requests == []


@contextmanager
def tunnelling_proxy(*, drip: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of a proxy for HTTPS, and the heads of the requests that it receives."""
    heads: list[bytes] = []

    def relay(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1024)
            heads.append(head)
            host, _, port = head.split()[1].decode().rpartition(":")
            for byte in b"HTTP/1.1 200 Connection established\r\n\r\n":
                client.sendall(bytes([byte]))
                time.sleep(drip)
            with socket.create_connection((host, int(port))) as upstream:
                threading.Thread(target=relay, args=(upstream, client), daemon=True).start()
                relay(client, upstream)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://user:word@127.0.0.1:{listener.getsockname()[1]}", heads
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # else the thread could take the next server's connections
    thread.join(60)


def test_https_goes_through_a_tunnel_of_the_proxy(
    tls_server: CaptureServer, certificate: Path, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `HTTPS_PROXY`, the proxy sees the target address and its own credentials, but no event."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with tunnelling_proxy() as (proxy, heads):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, retry=False)
        assert [exporter.export([make_log()]) for _ in range(2)] == [SUCCESS, SUCCESS]
        (head,) = heads
    assert head.startswith(f"CONNECT 127.0.0.1:{tls_server.port} ".encode())
    assert b"\r\nProxy-Authorization: Basic " in head
    assert [request.path for request in tls_server.requests] == ["/batch/", "/batch/"]
    assert "proxy-authorization" not in tls_server.requests[0].headers


def test_a_slow_tunnel_does_not_break_the_deadline(
    tls_server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export ends by its timeout if a proxy opens its tunnel byte by byte."""
    with tunnelling_proxy(drip=0.5) as (proxy, _):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, timeout=1)
        exporter.warm_up()
        began = time.monotonic()
        assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
        assert time.monotonic() - began < 15


def test_a_slow_tls_server_does_not_break_the_deadline(
    tls_server: CaptureServer, certificate: Path, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export over TLS ends by its timeout if the server sends its answer byte by byte."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    tls_server.answer_always(Answer(drip=0.2))
    exporter = PostHogLogExporter(api_key="phc_test", host=tls_server.url, timeout=1)
    exporter.warm_up()
    began = time.monotonic()
    assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
    assert time.monotonic() - began < 15


def test_the_callers_session_is_used_and_left_open(server: CaptureServer, make_log: MakeLog) -> None:
    """The caller's session sends the requests, with its own headers, and is not closed."""
    closed = threading.Event()

    class Session(requests.Session):
        def close(self) -> None:
            closed.set()
            super().close()

    with Session() as session:
        session.headers["X-Company"] = "acme"
        exporter = PostHogLogExporter(api_key="phc_test", host=server.url, session=session)
        assert exporter.export([make_log()]) is SUCCESS
        exporter.shutdown()
        assert server.requests[0].headers["x-company"] == "acme"
        assert not closed.is_set()


def test_the_callers_session_follows_no_redirect_and_keeps_the_timeout(
    server: CaptureServer, make_log: MakeLog
) -> None:
    """The caller's session does not follow a redirect, and its export ends by the timeout."""
    with CaptureServer() as elsewhere, requests.Session() as session:
        server.answer(Answer(status=307, headers={"Location": f"{elsewhere.url}/batch/"}), Answer(stall=True))
        exporter = PostHogLogExporter(api_key="phc_test", host=server.url, session=session, timeout=1)
        assert exporter.export([make_log()]) is SUCCESS
        assert exporter.stats.dropped == {"redirected": 1}
        began = time.monotonic()
        assert exporter.export([make_log()]) is LogRecordExportResult.FAILURE
        assert time.monotonic() - began < 15
        assert elsewhere.requests == []


def test_a_session_that_raises_is_a_failure(make_log: MakeLog) -> None:
    """If the caller's session raises, an export returns FAILURE, counts its records and does not retry."""

    def fail(*_: object, **__: object) -> requests.Response:
        raise RuntimeError("broken")

    broken = requests.Session()
    broken.request = fail  # type: ignore[method-assign]
    exporter = PostHogLogExporter(api_key="phc_test", session=broken)
    assert exporter.export([make_log(), make_log()]) is LogRecordExportResult.FAILURE
    assert exporter.stats.failed == 2
    assert exporter.failure == "RuntimeError"
    assert exporter.stats.retried == 0, "the same would be raised again"


def test_a_failed_import_is_a_failure(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If `posthog` or `requests` cannot be imported, an export returns FAILURE and counts each record."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.posthog._sender", None)
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
    exporter.warm_up()
    assert exporter.export([make_log(), make_log(), make_log(event_name="")]) is LogRecordExportResult.FAILURE
    assert exporter.stats.failed == 3
    assert exporter.stats.dropped == {}
