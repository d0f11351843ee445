# SPDX-License-Identifier: Apache-2.0
"""Fake servers on loopback ports: any that answers with JSON, and the parts of Mem0's hosted API that are called."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

PROJECT: Final = "project-1"
_RECORD: Final = {"id": "m1", "memory": "likes green tea", "score": 0.9, "user_id": "alice"}


class JSONServer(ThreadingHTTPServer):
    """A server in a thread, until the end of the `with` block."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status, and what is sent as JSON. Called on a thread for each connection."""
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        """Return where a client finds it, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: JSONServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # as inherited
        """Read the request, and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, value = self.server.answer(self.command, self.path, body)
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815  # as inherited

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Print nothing."""


class FakePlatform(JSONServer):
    """Mem0's hosted API; `url` is what a client's `host` is set to."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:  # noqa: ARG002
        """Answer as the API does, whatever it is told."""
        if method == "GET":
            return _read(path)
        if path.startswith("/v3/memories/add/"):
            return 200, {"results": [{"event_id": "e1", "status": "PENDING"}]}
        if method == "POST":
            return 200, {"count": 1, "results": [_RECORD]}
        return 200, {"message": "done"}


def _read(path: str) -> tuple[int, Any]:
    if path.startswith("/v1/ping/"):
        return 200, {"org_id": "org-1", "project_id": PROJECT, "user_email": "someone@example.com"}
    if "/history/" in path:
        return 200, [{"id": "h1"}]
    if path.startswith("/v1/entities/"):
        return 200, {"results": [{"type": "user", "name": "alice"}]}
    if path.startswith("/v1/memories/missing/"):
        return 404, {"detail": "no memory of alice"}
    return 200, _RECORD
