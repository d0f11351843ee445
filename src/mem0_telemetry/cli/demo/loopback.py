"""What stand-ins for other people's services are made of: a server on a loopback port that answers with JSON."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class JSONServer(ABC):
    """A server in a thread while the `with` block lasts."""

    @abstractmethod
    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status, and what is sent as JSON. Called on a thread for each connection."""

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where a client finds it, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


class _Server(ThreadingHTTPServer):
    def __init__(self, stand_in: JSONServer) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # as inherited
        """Read the request, and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, value = self.server.stand_in.answer(self.command, self.path, body)
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815  # as inherited

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Stay quiet."""
