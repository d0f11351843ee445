# SPDX-License-Identifier: Apache-2.0
"""Fake models for real Mem0: they need no key and no network, and their answers never vary."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, Final

from mem0.embeddings.base import EmbeddingBase
from mem0.llms.base import LLMBase
from mem0.utils.factory import EmbedderFactory, LlmFactory

PROVIDER: Final = "fake"
DIMENSIONS: Final = 32


class HashEmbedder(EmbeddingBase):
    """Embeds a text as the normalised counts of its words, each hashed to one of 32 dimensions."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.config.model = self.config.model or "hash-32"
        self.config.embedding_dims = DIMENSIONS

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:  # noqa: ARG002
        """Return the vector of a text; texts that share words are close."""
        vector = [0.0] * DIMENSIONS
        for word in re.findall(r"\w+", text.lower()) or [""]:
            vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
        length = math.hypot(*vector)
        return [value / length for value in vector]


class EchoLLM(LLMBase):
    """Extracts every sentence of the new messages as a memory, in the JSON that Mem0 asks for."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.config.model = self.config.model or "echo-1"
        self._sentences: list[str] = []

    def generate_response(self, messages: list[dict[str, str]], *_: Any, **options: Any) -> str:
        """Answer an extraction prompt with its new messages, any other prompt with its last message."""
        prompt = messages[-1]["content"]
        if "response_format" not in options:
            return prompt
        new_messages = prompt.partition("## New Messages\n")[2].partition("\n\n## ")[0]
        if prompt.startswith("Input:\n"):  # Mem0 1.x asks for facts first, and then what to do with each.
            new_messages = prompt
        if new_messages:
            spoken = re.findall(r"^(?:user|assistant): (.+)$", new_messages, flags=re.MULTILINE)
            self._sentences = [each for line in spoken for each in re.split(r"(?<=[.!?])\s+", line)]
        memory = [
            {"id": "0", "text": text, "event": "ADD", "attributed_to": "user"} for text in self._sentences
        ]
        return json.dumps({"facts": self._sentences, "memory": memory})


def configuration(directory: Path, *, collection: str = "memories") -> dict[str, Any]:
    """Return a `Memory.from_config` argument: these models, with embedded Qdrant and SQLite, all in one directory."""
    EmbedderFactory.provider_to_class[PROVIDER] = f"{__name__}.HashEmbedder"
    LlmFactory.register_provider(PROVIDER, f"{__name__}.EchoLLM")
    qdrant = {
        "path": str(directory / "qdrant"),
        "collection_name": collection,
        "embedding_model_dims": DIMENSIONS,
        "on_disk": True,
    }
    return {
        "embedder": {"provider": PROVIDER},
        "llm": {"provider": PROVIDER},
        "vector_store": {"provider": "qdrant", "config": qdrant},
        "history_db_path": str(directory / "history.db"),
    }
