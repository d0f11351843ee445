"""Concurrent operations never mix: in threads and in asyncio tasks, every span has the right parent."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mem0
import pytest

from mem0_telemetry.cli.harness import fake_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Application

pytestmark = pytest.mark.interpreter

AT_ONCE = 6
ROUNDS = 5


class Meeting(fake_models.HashEmbedder):
    """An embedder whose first call waits until every other operation is in progress."""

    def __init__(self, config: Any, barrier: threading.Barrier) -> None:
        super().__init__(config)
        self._barrier = barrier
        self._waited = False

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Wait, then embed."""
        if not self._waited:
            self._waited = True
            self._barrier.wait(60)
        return super().embed(text, memory_action)


@pytest.fixture
def several(tmp_path: Path) -> Iterator[list[tuple[str, dict[str, Any], threading.Barrier]]]:
    """Return the collection name, the configuration and the shared barrier of several memories."""
    barrier = threading.Barrier(AT_ONCE)
    return [
        (
            f"store{number}",
            fake_models.configuration(tmp_path / str(number), collection=f"store{number}"),
            barrier,
        )
        for number in range(AT_ONCE)
    ]


def check_nothing_is_mixed(application: Application) -> None:
    """Check that each operation's parent is its own request, and each phase's parent the operation on its store."""
    spans = application.spans()
    by_id = {span.context.span_id: span for span in spans}
    operations = [span for span in spans if span.name.endswith("_memory")]
    phases = [span for span in spans if span.name.startswith("mem0.")]
    assert len(operations) == AT_ONCE * 2 * ROUNDS
    assert len(phases) > len(operations)
    for span in operations:
        assert span.parent is not None
        request = by_id[span.parent.span_id]
        assert request.name == f"request on {(span.attributes or {})['gen_ai.memory.store.id']}"
        assert span.context.trace_id == request.context.trace_id
    for span in phases:
        assert span.parent is not None
        operation = by_id[span.parent.span_id]
        assert operation in operations
        assert span.context.trace_id == operation.context.trace_id
        collection = (span.attributes or {}).get("db.collection.name")
        assert collection in {None, (operation.attributes or {})["gen_ai.memory.store.id"]}


def test_threads(instrumented: Application, several: list[Any]) -> None:
    """Spans do not mix between threads that run at the same time, each with its own request span and memory."""
    tracer = instrumented.tracer_provider.get_tracer("application")

    def work(name: str, configuration: dict[str, Any], barrier: threading.Barrier) -> None:
        memory = mem0.Memory.from_config(configuration)
        memory.embedding_model = Meeting(memory.embedding_model.config, barrier)
        with tracer.start_as_current_span(f"request on {name}"):
            for number in range(ROUNDS):
                memory.add(f"{name} number {number}.", user_id="alice")
                memory.search(name, filters={"user_id": "alice"})
        memory.vector_store.client.close()
        memory.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(work, *arguments) for arguments in several]:
            future.result()
    check_nothing_is_mixed(instrumented)


def test_asyncio_tasks(instrumented: Application, several: list[Any]) -> None:
    """Spans do not mix between tasks on one loop that wait for each other during their operations."""
    tracer = instrumented.tracer_provider.get_tracer("application")

    async def work(name: str, configuration: dict[str, Any], barrier: threading.Barrier) -> None:
        memory = mem0.AsyncMemory.from_config(configuration)
        memory.embedding_model = Meeting(memory.embedding_model.config, barrier)
        with tracer.start_as_current_span(f"request on {name}"):
            for number in range(ROUNDS):
                await memory.add(f"{name} number {number}.", user_id="alice")
                await memory.search(name, filters={"user_id": "alice"})
        memory.vector_store.client.close()
        memory.close()

    async def session() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE * 2))
        await asyncio.gather(*(work(*arguments) for arguments in several))

    asyncio.run(session())
    check_nothing_is_mixed(instrumented)


def test_many_operations_on_one_memory(instrumented: Application, async_memory: mem0.AsyncMemory) -> None:
    """Simultaneous operations on one object are separate operations, not parts of each other."""

    async def session() -> None:
        await asyncio.gather(*(async_memory.get_all(filters={"user_id": f"user{n}"}) for n in range(20)))

    asyncio.run(session())
    spans = instrumented.spans()
    operations = {span.context.span_id for span in spans if span.parent is None}
    phases = [span.parent.span_id for span in spans if span.parent is not None]
    assert len(operations) == 20
    assert sorted(phases) == sorted(operations)
