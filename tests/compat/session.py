"""Run a watched program whose memories have a graph store, for Mem0 1.x: `python session.py JSON`.

The graph store is Mem0's own class on Kuzu, a database that runs inside the process. No part of it is a fake.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from mem0_telemetry.cli.harness import program

if TYPE_CHECKING:
    from pathlib import Path

_ANSWERS: Final[dict[str, Any]] = {
    "extract_entities": [
        {"entity": "Ginevra", "entity_type": "person"},
        {"entity": "gyokuro", "entity_type": "tea"},
    ],
    "establish_relationships": [
        {"source": "ginevra", "relationship": "drinks", "destination": "gyokuro"},
    ],
}
"""Tool of Mem0's graph stores -> the fake language model's answer."""


def with_graph(directory: Path, *, collection: str) -> dict[str, Any]:
    """Return a configuration with a graph store; make the fake language model answer its tools."""
    from mem0_telemetry.cli.harness import fake_models  # imports mem0

    answer = fake_models.EchoLLM.generate_response

    def generate_response(
        self: Any, messages: Any, tools: Any = None, tool_choice: str = "auto", **named: Any
    ) -> Any:
        if not tools:
            return answer(self, messages, tools, tool_choice, **named)
        tool = tools[0]["function"]["name"]
        calls = [{"name": tool, "arguments": {"entities": _ANSWERS[tool]}}] if tool in _ANSWERS else []
        return {"content": "", "tool_calls": calls}

    fake_models.EchoLLM.generate_response = generate_response  # type: ignore[method-assign]
    graph = {"provider": "kuzu", "config": {"db": str(directory / "kuzu")}}
    return {**fake_models.configuration(directory, collection=collection), "graph_store": graph}


if __name__ == "__main__":
    program.run(**json.loads(sys.argv[1]), configuration=with_graph)
