"""The timeout of an export covers connecting to each address, sending and receiving."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter, _session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk._logs import ReadableLogRecord

    from opentelemetry.exporter.posthog.testing import CaptureServer

    MakeLog = Callable[..., ReadableLogRecord]

pytestmark = [
    pytest.mark.interpreter,
    pytest.mark.skipif(
        sys.platform != "linux", reason="only Linux leaves a connection to a full queue unanswered"
    ),
]
SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a local port that neither accepts nor refuses connections, because its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Make each host name resolve to one loopback address for each port."""
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)


def test_addresses_share_the_deadline(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with several unresponsive addresses takes one timeout in all, not one for each address."""
    exporter = PostHogLogExporter(api_key="phc_test", host="http://posthog.example", timeout=3, retry=False)
    exporter.warm_up()
    with black_hole() as port:
        resolve_to(monkeypatch, port, port, port, port)
        began = time.monotonic()
        assert exporter.export([make_log()]) is FAILURE
        assert 2.9 < time.monotonic() - began < 10


def test_a_silent_address_leaves_time_for_the_next(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address gets only a part of the timeout, so that the next can take the events."""
    monkeypatch.setattr(_session, "_CONNECT_SECONDS", 0.3)
    exporter = PostHogLogExporter(api_key="phc_test", host="http://posthog.example", timeout=20, retry=False)
    exporter.warm_up()
    with black_hole() as port:
        resolve_to(monkeypatch, port, server.port)
        began = time.monotonic()
        assert exporter.export([make_log()]) is SUCCESS
        assert time.monotonic() - began < 10


@contextmanager
def slow_reader(bytes_per_second: int) -> Iterator[str]:
    """Yield the URL of a server that reads one request at this speed and answers it."""
    done = threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(1024)
                head, _, body = received.partition(b"\r\n\r\n")
                left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
                while left > 0 and not done.wait(0.01):
                    chunk = connection.recv(bytes_per_second // 100)
                    if not chunk:
                        return
                    left -= len(chunk)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        done.set()
        thread.join(60)


@pytest.fixture
def incompressible(make_log: MakeLog, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return records of about 0.5 MB on the wire, and give clients a small send buffer."""
    connect = _session._Bounded.connect

    def connect_with_small_buffer(self: _session._Bounded) -> None:
        connect(self)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    monkeypatch.setattr(_session._Bounded, "connect", connect_with_small_buffer)
    return [make_log({"text": os.urandom(160_000).hex()}) for _ in range(3)]


def test_the_connect_limit_does_not_limit_an_upload(
    incompressible: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit for connecting does not apply to sending: an upload to a slow server succeeds."""
    monkeypatch.setattr(_session, "_CONNECT_SECONDS", 0.1)
    with slow_reader(bytes_per_second=300_000) as url:
        exporter = PostHogLogExporter(api_key="phc_test", host=url, timeout=60, retry=False)
        began = time.monotonic()
        assert exporter.export(incompressible) is SUCCESS
        assert time.monotonic() - began > 0.4


def test_an_upload_ends_with_the_deadline(incompressible: list[Any]) -> None:
    """A server that reads almost nothing delays an export no longer than its timeout."""
    with slow_reader(bytes_per_second=10_000) as url:
        exporter = PostHogLogExporter(api_key="phc_test", host=url, timeout=1, retry=False)
        exporter.warm_up()
        began = time.monotonic()
        assert exporter.export(incompressible) is FAILURE
        assert time.monotonic() - began < 10
