"""The little of Mem0's hosted API that its clients call, on a loopback port."""

from __future__ import annotations

from typing import Any, Final

from mem0_telemetry.cli.demo.loopback import JSONServer

RECORD: Final = {
    "id": "m1",
    "memory": "likes green tea",
    "score": 0.9,
    "user_id": "alice",
    "metadata": {"source": "chat"},
}
PROJECT: Final = "project-1"


class PlatformStub(JSONServer):
    """The API, while the `with` block lasts; `url` is what a client's `host` is set to."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Answer as the API does, whatever it is told."""
        del body
        if method == "GET":
            return _read(path)
        if method == "POST":
            if path.startswith("/v3/memories/add/"):
                return 200, {"results": [{"event_id": "e1", "status": "PENDING"}]}
            return 200, {"count": 1, "results": [RECORD]}
        return 200, {"message": "updated" if method == "PUT" else "deleted"}


def _read(path: str) -> tuple[int, Any]:
    if path.startswith("/v1/ping/"):
        return 200, {"org_id": "org-1", "project_id": PROJECT, "user_email": "someone@example.com"}
    if "/history/" in path:
        return 200, [{"id": "h1"}]
    if path.startswith("/v1/entities/"):
        return 200, {"results": [{"type": "user", "name": "alice"}]}
    if path.startswith("/v1/memories/missing/"):
        return 404, {"detail": "no memory of alice"}
    return 200, RECORD
