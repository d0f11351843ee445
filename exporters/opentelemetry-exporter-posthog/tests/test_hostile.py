"""Servers that send malformed or endless answers, or hang up: exact bytes over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord

    MakeLog = Callable[..., ReadableLogRecord]

SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_TIMEOUT = 1.2
"""Seconds for one export: enough for attempts at 0 and 0.5 seconds, plus or minus jitter."""
_MOST_BYTES = 32 * 1024 * 1024
"""As much as the buffers between two sockets may hold; a client that reads on gets far more."""


class ByteServer:
    """A server that answers each request with the same bytes, then hangs up, or sends `endless` for ever."""

    def __init__(self, answer: bytes, *, endless: bytes = b"", unread: bool = False) -> None:
        self._answer = answer
        self._endless = endless
        self._unread = unread
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.bytes_sent = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting connections: a thread left in `accept` could take those of the next server."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            self._read_request(connection)
            connection.sendall(self._answer)
            while self._endless:
                connection.sendall(self._endless)
                self.bytes_sent += len(self._endless)
            connection.shutdown(socket.SHUT_WR)
            while self._unread and connection.recv(65_536):
                pass

    def _read_request(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(1024)
        head, _, body = received.partition(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0]) - len(body)
        while left > 0 and not self._unread:
            left -= len(connection.recv(65_536))


@contextmanager
def serving(answer: bytes, *, endless: bytes = b"", unread: bool = False) -> Iterator[ByteServer]:
    """Yield a server that sends `answer` to each request; with `unread`, right after the headers."""
    server = ByteServer(answer, endless=endless, unread=unread)
    try:
        yield server
    finally:
        server.close()


@dataclass(frozen=True)
class Case:
    """The bytes that a server sends, and the expected outcome."""

    name: str
    answer: bytes
    endless: bytes = b""
    result: LogRecordExportResult = FAILURE
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the id of the test."""
        return self.name


_LONG = b"x" * 65_536
CASES = [
    Case("closed without an answer", b""),
    Case("cut in the status line", b"HTTP/1.1 20"),
    Case("500, cut in the headers", b"HTTP/1.1 500 No\r\nContent-Le"),
    Case("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n"),
    Case("not HTTP, endless", b"", _LONG),
    Case("status that is not a number", b"HTTP/1.1 abc OK\r\n\r\n"),
    Case("status 999", b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"),
    Case("endless header", b"HTTP/1.1 200 OK\r\nX: ", _LONG),
    Case("endless headers", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 9999),
    # The client reads these until its deadline; small sends stay below `_MOST_BYTES` on a fast machine.
    Case("endless 100", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    Case("500, endless", b"HTTP/1.1 500 No\r\n\r\n", _LONG),
    Case("500, bad gzip", b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    Case("200, cut in the headers", b"HTTP/1.1 200 OK\r\nContent-Le", result=SUCCESS),
    Case("200, endless", b"HTTP/1.1 200 OK\r\n\r\n", _LONG, SUCCESS),
    Case("200, bad chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", result=SUCCESS),
    Case("200, bad length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", result=SUCCESS),
    Case("200, bad gzip", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{}", result=SUCCESS),
    Case("400, endless", b"HTTP/1.1 400 No\r\n\r\n", _LONG, SUCCESS, {"rejected": 1}),
    Case("301, endless", b"HTTP/1.1 301 No\r\nLocation: /\r\n\r\n", _LONG, SUCCESS, {"redirected": 1}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hostile_answers(make_log: MakeLog, case: Case) -> None:
    """Whatever a server sends, an export ends in time, stops reading early, and counts its record."""
    timeout = _TIMEOUT if case.result is FAILURE else 40
    with serving(case.answer, endless=case.endless) as server:
        exporter = PostHogLogExporter(api_key="phc_test", host=server.url, timeout=timeout)
        exporter.warm_up()
        began = time.monotonic()
        result = exporter.export([make_log()])
        seconds = time.monotonic() - began
        stats = exporter.stats
        print(f"| {case} | {stats.retried + 1} | {seconds:.1f} s | {result.name} |")  # noqa: T201
        exporter.shutdown()
        assert result is case.result
        assert seconds < 20
        assert stats.dropped == case.dropped
        assert stats.exported + stats.failed + sum(stats.dropped.values()) == 1
        assert server.connections == stats.retried + 1
        assert server.bytes_sent < _MOST_BYTES


def test_a_connection_closed_between_exports_is_replaced(make_log: MakeLog) -> None:
    """If the server closes the idle connection, the next export opens a new one: no failure, no retry."""
    with serving(_OK) as server:
        exporter = PostHogLogExporter(api_key="phc_test", host=server.url, retry=False)
        for _ in range(3):
            assert exporter.export([make_log()]) is SUCCESS
            time.sleep(0.1)
        assert server.connections == 3
        assert exporter.stats.exported == 3


def test_a_413_during_the_upload_splits_the_batch(make_log: MakeLog) -> None:
    """If the server answers 413 after the headers of a large request, the batch is split, not repeated."""
    refusal = b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with serving(refusal, unread=True) as server:
        exporter = PostHogLogExporter(api_key="phc_test", host=server.url)
        assert exporter.export([make_log({"n": n, "text": "x" * 50_000}) for n in range(4)]) is SUCCESS
        assert server.connections == 7
        assert exporter.stats.dropped == {"too_large": 4}
        assert exporter.stats.retried == 0


def test_shutdown_at_any_moment_ends_the_exports(make_log: MakeLog) -> None:
    """Whenever `shutdown` runs, the exports of several threads end at once, and each record is counted."""
    with serving(_OK) as server:
        for round_ in range(20):
            exporter = PostHogLogExporter(api_key="phc_test", host=server.url, timeout=600)
            records = [make_log({"n": n}) for n in range(1100)]
            threads = [threading.Thread(target=exporter.export, args=(records,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(round_ * 0.003)
            exporter.shutdown()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
            assert exporter.stats.exported + exporter.stats.failed == 3300
