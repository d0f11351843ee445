"""The whole span tree of an operation equals a text file. UPDATE_GOLDEN=1 writes the files again."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mem0
import pytest

from mem0_telemetry.cli import span_tree
from mem0_telemetry.cli.harness import fake_models

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Application
    from opentelemetry.sdk.trace import ReadableSpan

GOLDEN = Path(__file__).parent / "golden"
ALICE = {"user_id": "alice"}
pytestmark = pytest.mark.usefixtures("entities")
BEFORE = "Miso the cat lives in Lisbon."
TEXT = "Pilar walks the dog. Miso watches from Lisbon."


def everything(span: ReadableSpan) -> str:
    """Return the contents of a span as text, without ids."""
    words = [f"[{span.kind.name}]"]
    if span.status.description:
        words.append(f"{span.status.status_code.name}: {span.status.description}")
    words += [f"{key}={value}" for key, value in (span.attributes or {}).items()]
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", " ".join(words))


def check(name: str, spans: list[ReadableSpan]) -> None:
    """Check that the span tree equals its file."""
    tree = "".join(f"{line}\n" for line in span_tree.lines(spans, describe=everything))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(tree)
    assert tree == path.read_text()


def add(memory: Any) -> Any:
    """Add with inference."""
    return memory.add(TEXT, user_id="alice")


def search(memory: Any) -> Any:
    """Search."""
    return memory.search("Where does Miso live, Lisbon?", filters=ALICE)


def failing_add(memory: Any) -> Any:
    """Add with a model that is unreachable."""
    memory.llm = Unreachable(memory.llm.config)
    return memory.add(TEXT, user_id="alice")


class Unreachable(fake_models.EchoLLM):
    """A model whose provider does not answer."""

    def generate_response(self, *_: Any, **__: Any) -> str:
        """Raise `TimeoutError`."""
        raise TimeoutError


@pytest.mark.parametrize("call", [add, search, failing_add])
def test_sync(instrumented: Application, memory: mem0.Memory, call: Callable[[Any], Any]) -> None:
    """A call of `Memory` gives the span tree of its file."""
    memory.add(BEFORE, user_id="alice")
    instrumented.spans()
    try:
        call(memory)
    except mem0.exceptions.LLMError:
        assert call is failing_add
    check(f"{call.__name__}_sync", instrumented.spans())


@pytest.mark.parametrize("call", [add, search, failing_add])
def test_async(instrumented: Application, async_memory: mem0.AsyncMemory, call: Callable[[Any], Any]) -> None:
    """A call of `AsyncMemory`, which works in threads, gives the span tree of its file."""

    async def session() -> None:
        await async_memory.add(BEFORE, user_id="alice")
        instrumented.spans()
        try:
            await call(async_memory)
        except mem0.exceptions.LLMError:
            assert call is failing_add

    asyncio.run(session())
    check(f"{call.__name__}_async", instrumented.spans())
