"""A fake of the part of OpenAI's API that Mem0 calls, on a loopback port: embeddings, and one extracted memory."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from mem0_telemetry.cli.harness.fake_servers import as_json
from opentelemetry.exporter.posthog.testing import Answer, CapturedRequest, CaptureServer

MEMORY: Final = "Prefers green tea"
"""The memory that the model extracts from any text."""

_DIMENSIONS: Final = 1536  # as Mem0's default model has
_USAGE: Final = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class FakeOpenAI(CaptureServer):
    """The API, while the `with` block lasts."""

    def __init__(self) -> None:
        super().__init__()
        self.answer_always(_answer)

    @property
    def url(self) -> str:
        """Return the value for `OPENAI_BASE_URL`."""
        return f"{super().url}/v1"


def _answer(request: CapturedRequest) -> Answer:
    asked = request.json()
    answer = _embeddings(asked["input"]) if request.path.endswith("/embeddings") else _completion()
    return as_json({"model": asked["model"], "usage": _USAGE, **answer})


def _embeddings(texts: list[str]) -> dict[str, Any]:
    found = [
        {"object": "embedding", "index": index, "embedding": _vector(text)}
        for index, text in enumerate(texts)
    ]
    return {"object": "list", "data": found}


def _vector(text: str) -> list[float]:
    vector = [0.1] * _DIMENSIONS  # This makes any two texts similar.
    for word in re.findall(r"\w+", text.lower()):
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:2], "big") % _DIMENSIONS] += 1.0
    return vector


def _completion() -> dict[str, Any]:
    content = json.dumps({"memory": [{"text": MEMORY, "attributed_to": "user"}]})
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "chat-1", "object": "chat.completion", "created": 1, "choices": [choice]}
