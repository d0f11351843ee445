"""The demonstration's stand-ins, taught the formats of both generations of Mem0, and a graph store for 1.x.

The graph store is Mem0's own class on Kuzu, a database that runs inside the process: nothing of it is replaced.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mem0.utils.factory import EmbedderFactory, LlmFactory

from mem0_telemetry.cli.demo import standins

if TYPE_CHECKING:
    from pathlib import Path

RELATION: Final = {"source": "ginevra", "relationship": "drinks", "destination": "gyokuro"}
_ANSWERS: Final[dict[str, Any]] = {
    "extract_entities": [
        {"entity": "Ginevra", "entity_type": "person"},
        {"entity": "gyokuro", "entity_type": "tea"},
    ],
    "establish_relationships": [RELATION],
}
"""What the language model answers to the tools of Mem0's graph stores."""


class Embedder(standins.HashEmbedder):
    """As in the demonstration, but it says how many dimensions it has: Kuzu's tables are made of that."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.config.embedding_dims = standins.DIMENSIONS


class LanguageModel(standins.EchoLLM):
    """As in the demonstration, and for Mem0 1.x: every message is a fact, every fact is new, one relation is found."""

    def generate_response(
        self, messages: list[dict[str, str]], tools: Any = None, tool_choice: str = "auto", **kwargs: Any
    ) -> Any:
        """Answer in the format that the prompt asks for."""
        if tools:
            return {"content": "", "tool_calls": _tool_calls(tools[0]["function"]["name"])}
        prompt = messages[-1]["content"]
        if "response_format" not in kwargs or "## New Messages" in prompt:
            return super().generate_response(messages, tools, tool_choice, **kwargs)
        if prompt.startswith("Input:\n"):
            self._facts = [line.partition(": ")[2] for line in prompt.splitlines()[1:] if ": " in line]
            return json.dumps({"facts": self._facts})
        return json.dumps({"memory": [{"id": "0", "text": fact, "event": "ADD"} for fact in self._facts]})


def _tool_calls(tool: str) -> list[dict[str, Any]]:
    return [{"name": tool, "arguments": {"entities": _ANSWERS[tool]}}] if tool in _ANSWERS else []


def configuration(directory: Path, *, collection: str, graph: bool) -> dict[str, Any]:
    """Return a configuration that keeps everything in one directory; `graph` is for Mem0 1.x."""
    config = standins.configuration(directory, collection=collection)
    EmbedderFactory.provider_to_class[standins.PROVIDER] = f"{__name__}.Embedder"
    LlmFactory.register_provider(standins.PROVIDER, f"{__name__}.LanguageModel")
    if graph:
        config["graph_store"] = {"provider": "kuzu", "config": {"db": str(directory / "kuzu")}}
    return config
