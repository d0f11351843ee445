"""Work in Mem0's thread pool, or in a task, belongs to its operation until the operation ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import weakref
from typing import TYPE_CHECKING, Any

import mem0
import mem0.memory.main
import pytest
from opentelemetry.trace import get_current_span

if TYPE_CHECKING:
    from conftest import Application

pytestmark = pytest.mark.interpreter

ALICE = {"user_id": "alice"}


@pytest.mark.usefixtures("entities")
def test_work_in_mem0s_thread_pool_belongs_to_its_operation(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`search` queries the entity store in its own pool. Those calls are below its span and have its context."""
    seen: list[tuple[str | None, int]] = []
    request = contextvars.ContextVar[str | None]("request", default=None)
    memory.add("Miso lives in Lisbon.", user_id="alice")
    instrumented.spans()
    instrumented_search = type(memory.vector_store).search

    def search(self: Any, **kwargs: Any) -> Any:
        seen.append((request.get(), get_current_span().get_span_context().span_id))
        return instrumented_search(self, **kwargs)

    monkeypatch.setattr(type(memory.vector_store), "search", search)
    request.set("mine")
    memory.search("Miso Lisbon", filters=ALICE)

    spans = instrumented.spans()
    entity_searches = [
        span
        for span in spans
        if span.name == "mem0.vector_store.search"
        and (span.attributes or {})["db.collection.name"] == "memories_entities"
    ]
    assert len(entity_searches) == 2
    assert {span.parent.span_id for span in entity_searches if span.parent} == {spans[0].context.span_id}
    assert {who for who, _ in seen} == {"mine"}


def test_other_thread_pools_are_left_alone(instrumented: Application) -> None:
    """Only Mem0's own name for the pool class changes; all other names of the module stay."""
    del instrumented
    view = mem0.memory.main.concurrent
    assert view is not concurrent
    assert view.futures.as_completed is concurrent.futures.as_completed
    assert issubclass(view.futures.ThreadPoolExecutor, concurrent.futures.ThreadPoolExecutor)
    assert concurrent.futures.ThreadPoolExecutor.__module__ == "concurrent.futures.thread"
    with view.futures.ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(contextvars.copy_context().run, lambda: 1).result() == 1
        assert [*pool.map(str, [1])] == ["1"]


def test_a_task_that_outlives_its_operation(
    instrumented: Application, async_memory: mem0.AsyncMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that outlives its operation keeps no result alive, and its own calls of Mem0 are new operations."""
    tasks: list[asyncio.Task[Any]] = []
    found: list[weakref.ref[Found]] = []

    class Found(list[Any]):
        """A result that supports weak references."""

    async def session() -> None:
        release = asyncio.Event()

        async def later() -> None:
            await release.wait()
            async_memory.embedding_model.embed("outside", "search")
            await async_memory.get_all(filters=ALICE)

        async def search(*_: Any, **__: Any) -> Found:
            tasks.append(asyncio.create_task(later()))
            result = Found()
            found.append(weakref.ref(result))
            return result

        monkeypatch.setattr(async_memory, "_search_vector_store", search)
        await async_memory.search("tea", filters=ALICE)
        gc.collect()
        assert found[0]() is None
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(session())
    names = [span.name for span in instrumented.spans()]
    assert names == ["search_memory", "list_memory", "mem0.vector_store.list"]
