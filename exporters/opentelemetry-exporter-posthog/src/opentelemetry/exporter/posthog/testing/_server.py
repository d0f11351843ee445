# SPDX-License-Identifier: Apache-2.0
"""A fake PostHog on 127.0.0.1, which can also act as any other HTTP server."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections import deque
from dataclasses import dataclass, field
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request; by default the one that PostHog gives to a valid batch."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b'{"status":"Ok"}'
    delay: float = 0.0
    """Seconds before the server answers; stopping the server ends the wait."""
    stall: bool = False
    """Read the request and never answer."""
    drop: bool = False
    """Read the request, then close the connection without an answer."""
    reset: bool = False
    """Reset the connection, before the server reads the body unless a function computed this answer."""
    drip: float = 0.0
    """Seconds between two bytes of the answer; 0 sends all of it at once."""
    truncate: bool = False
    """Close the connection in the middle of the answer's body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedRequest:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names are in lower case; the last value of a repeated header counts."""
    raw_body: bytes
    """The bytes on the wire."""
    body: bytes
    """The body after decompression."""

    def json(self) -> Any:
        """Return the decoded body.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in a POST request to `/batch/`; empty if PostHog could not read it."""
        if self.method != "POST" or self.path.partition("?")[0].rstrip("/").rpartition("/")[2] != "batch":
            return []
        try:
            batch = self.json()["batch"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return []
        return [event for event in batch if isinstance(event, dict)] if isinstance(batch, list) else []


class CaptureServer:
    """Records every request, and answers with 200 or as configured. Context manager; thread-safe.

    The server listens on 127.0.0.1, prints nothing, and accepts any path: `/batch/` like PostHog, `/v1/logs` like
    an OTLP receiver. If an answer of `answer` resets the connection, the request is recorded without its body.

    Args:
        tls: serve HTTPS with this context.
        port: the port to listen on; 0 picks a free one.
        keep: keep the requests. Pass False for a long-running server whose user only calls `next_request`.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0, keep: bool = True) -> None:
        self._keep = keep
        self._unread: deque[CapturedRequest] = deque()
        self._arrived = threading.Condition()
        self._requests: list[CapturedRequest] = []
        self._events: list[dict[str, Any]] = []
        self._answers: deque[Answer] = deque()
        self._default: Answer | Callable[[CapturedRequest], Answer] = Answer()
        self._closing = threading.Event()
        self._server = _Server(port, self, tls)
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; for use without `with`."""
        self._thread.start()

    def stop(self) -> None:
        """End all waits and stop listening; an open connection stays until the client closes it. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's base URL, without a trailing slash."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._server.server_address[1])

    @property
    def requests(self) -> list[CapturedRequest]:
        """The requests so far, in the order in which the server read them."""
        with self._arrived:
            return list(self._requests)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all POST requests to `/batch/` so far, with repeats, whatever the answers were."""
        with self._arrived:
            return list(self._events)

    def answer(self, *answers: Answer) -> None:
        """Answer the next requests with `answers`, one each, and later requests as before."""
        with self._arrived:
            self._answers.extend(answers)

    def answer_always(self, answer: Answer | Callable[[CapturedRequest], Answer]) -> None:
        """Answer each request without an own `answer` with this one, or with the result of this function.

        The server calls the function after it has recorded the request, on the thread of the connection.
        """
        with self._arrived:
            self._default = answer

    def wait_for(self, n_events: int, timeout: float) -> bool:
        """Wait until `n_events` events have arrived at `/batch/`. Return False after `timeout` seconds."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self._events) >= n_events, timeout)

    def wait_for_requests(self, n_requests: int, timeout: float) -> bool:
        """Wait until `n_requests` requests have arrived. Return False after `timeout` seconds."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self._requests) >= n_requests, timeout)

    def next_request(self) -> CapturedRequest:
        """Wait for the next request, and return it. Only for `keep=False`."""
        with self._arrived:
            while not self._unread:
                self._arrived.wait(1.0)  # on Windows, Ctrl-C does not interrupt a wait without a timeout
            return self._unread.popleft()

    def _next_answer(self) -> Answer | Callable[[CapturedRequest], Answer]:
        with self._arrived:
            return self._answers.popleft() if self._answers else self._default

    def _record(self, request: CapturedRequest) -> None:
        with self._arrived:
            if self._keep:
                self._requests.append(request)
                self._events.extend(request.events)
            else:
                self._unread.append(request)
            self._arrived.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, capture: CaptureServer, tls: ssl.SSLContext | None) -> None:
        self.capture = capture
        self._tls = tls
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without the name lookup that `HTTPServer` makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Make the TLS handshake on the thread of the connection."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: tests break connections on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # as inherited
        """Record the request, then answer it."""
        capture = self.server.capture
        chosen = capture._next_answer()  # noqa: SLF001  # the same module
        raw_body = b"" if isinstance(chosen, Answer) and chosen.reset else self._read_body()
        request = CapturedRequest(
            method=self.command,
            path=self.path,
            headers=MappingProxyType({name.lower(): value for name, value in self.headers.items()}),
            raw_body=raw_body,
            body=_decompressed(raw_body, self.headers.get("Content-Encoding", "")),
        )
        capture._record(request)  # noqa: SLF001  # the same module
        answer = chosen if isinstance(chosen, Answer) else chosen(request)
        self.close_connection = answer.drop or answer.stall or answer.truncate or answer.reset
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if answer.stall or answer.delay:
            capture._closing.wait(None if answer.stall else answer.delay)  # noqa: SLF001  # the same module
        if not (answer.drop or answer.stall):
            self._send(answer)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_POST  # noqa: N815  # as inherited

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as inherited
        """Print nothing."""

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.status in {204, 304} or self.command == "HEAD" else answer.body
        headers = {"Content-Type": "application/json", **answer.headers}
        if answer.status not in {204, 304}:
            headers["Content-Length"] = str(len(body))
        head = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        sent_body = body[: len(body) // 2] if answer.truncate else body
        message = "\r\n".join([*head, "", ""]).encode("latin-1") + sent_body
        if not answer.drip:
            self.wfile.write(message)
            return
        for byte in message:
            self.wfile.write(bytes([byte]))
            if self.server.capture._closing.wait(answer.drip):  # noqa: SLF001  # the same module
                return


def _decompressed(raw_body: bytes, encoding: str) -> bytes:
    """Undo gzip, even without a `Content-Encoding` header, as PostHog does."""
    if encoding.lower() == "gzip" or raw_body[:2] == b"\x1f\x8b":
        try:
            return zlib.decompress(raw_body, _GZIP)
        except zlib.error:
            return raw_body
    return raw_body
