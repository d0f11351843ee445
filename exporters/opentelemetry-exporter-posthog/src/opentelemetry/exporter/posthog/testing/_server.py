# SPDX-License-Identifier: Apache-2.0
"""A fake PostHog, or for any receiver of POST requests, on 127.0.0.1."""

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
    """How the server answers one request; by default as PostHog does when all is well."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b'{"status":"Ok"}'
    delay: float = 0.0
    """Seconds before it answers; ends with the server."""
    stall: bool = False
    """Read the request and never answer."""
    drop: bool = False
    """Read the request, then close the connection without an answer."""
    reset: bool = False
    """Reset the connection before the request's body is read."""
    drip: float = 0.0
    """Seconds between the single bytes of the answer; 0 sends it at once."""
    truncate: bool = False
    """Close the connection in the middle of the answer's body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedRequest:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header the last."""
    raw_body: bytes
    """As on the wire."""
    body: bytes
    """After decompression."""

    def json(self) -> Any:
        """Return the decoded body.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events, where it is a POST to `/batch/` that PostHog could read."""
        if self.method != "POST" or self.path.partition("?")[0].rstrip("/").rpartition("/")[2] != "batch":
            return []
        try:
            batch = self.json()["batch"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return []
        return [event for event in batch if isinstance(event, dict)] if isinstance(batch, list) else []


class CaptureServer:
    """Records every request and answers it 200, or as told. Context manager; thread-safe.

    Listens on a free port of 127.0.0.1, prints nothing, and takes any path: `/batch/` as PostHog does,
    `/v1/logs` as an OTLP receiver. A request that it resets is recorded without its body.

    Args:
        tls: serve HTTPS with this context.
        port: a port of your own; 0 is a free one.
        keep: keep the requests. False for a server that runs long, and is asked by `next_request` only.
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
        """Begin to serve; for use without `with`."""
        self._thread.start()

    def stop(self) -> None:
        """End waits and connections, and stop serving. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at its end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def requests(self) -> list[CapturedRequest]:
        """The requests so far, in the order in which they were read."""
        with self._arrived:
            return list(self._requests)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all POST requests to `/batch/` so far, whatever was answered, repeated ones too."""
        with self._arrived:
            return list(self._events)

    def answer(self, *answers: Answer) -> None:
        """Answer the next requests by these, one each, and later ones as before."""
        with self._arrived:
            self._answers.extend(answers)

    def answer_always(self, answer: Answer | Callable[[CapturedRequest], Answer]) -> None:
        """Answer every request that no `answer` waits for by this, or by what this function returns for it.

        The function is called once the request is read and recorded, on a thread for each connection.
        """
        with self._arrived:
            self._default = answer

    def wait_for(self, n_events: int, timeout: float) -> bool:
        """Wait until `n_events` events have arrived at `/batch/`; False when `timeout` seconds are over."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self._events) >= n_events, timeout)

    def wait_for_requests(self, n_requests: int, timeout: float) -> bool:
        """Wait until `n_requests` requests have arrived; False when `timeout` seconds are over."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self._requests) >= n_requests, timeout)

    def next_request(self) -> CapturedRequest:
        """Wait for the next request that `keep=False` does not keep, and return it."""
        with self._arrived:
            while not self._unread:
                self._arrived.wait(1.0)  # a wait without end cannot be interrupted on Windows
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
        """Bind without asking the name service for a name, as `HTTPServer` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands on the connection's own thread."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent: broken connections are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # as inherited
        """Record the request, then answer as told."""
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
    """Undo gzip, also where it is not announced, as PostHog does."""
    if encoding.lower() == "gzip" or raw_body[:2] == b"\x1f\x8b":
        try:
            return zlib.decompress(raw_body, _GZIP)
        except zlib.error:
            return raw_body
    return raw_body
