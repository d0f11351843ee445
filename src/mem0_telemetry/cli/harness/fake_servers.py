# SPDX-License-Identifier: Apache-2.0
"""A fake of Mem0's hosted API on a loopback port."""

from __future__ import annotations

import json
from typing import Any, Final

from opentelemetry.exporter.posthog.testing import Answer, CapturedRequest, CaptureServer

PROJECT: Final = "project-1"
_RECORD: Final = {"id": "m1", "memory": "likes green tea", "score": 0.9, "user_id": "alice"}


class FakePlatform(CaptureServer):
    """Mem0's hosted API; pass its `url` to a client as `host`."""

    def __init__(self) -> None:
        super().__init__()
        self.answer_always(_answer)


def as_json(value: Any, status: int = 200) -> Answer:
    """Return an answer with `value` as JSON."""
    return Answer(status=status, body=json.dumps(value).encode())


def _answer(request: CapturedRequest) -> Answer:
    """Answer as the API does, whatever the request's body is."""
    if request.method == "GET":
        return _read(request.path)
    if request.path.startswith("/v3/memories/add/"):
        return as_json({"results": [{"event_id": "e1", "status": "PENDING"}]})
    if request.method == "POST":
        return as_json({"count": 1, "results": [_RECORD]})
    return as_json({"message": "done"})


def _read(path: str) -> Answer:
    if path.startswith("/v1/ping/"):
        return as_json({"org_id": "org-1", "project_id": PROJECT, "user_email": "someone@example.com"})
    if "/history/" in path:
        return as_json([{"id": "h1"}])
    if path.startswith("/v1/entities/"):
        return as_json({"results": [{"type": "user", "name": "alice"}]})
    if path.startswith("/v1/memories/missing/"):
        return as_json({"detail": "no memory of alice"}, 404)
    return as_json(_RECORD)
