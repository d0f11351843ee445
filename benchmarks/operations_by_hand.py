"""Record the spans and measurements of Mem0's operations with handwritten wrappers."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def embedding(self: Any, text: str, action: str) -> dict[str, Any]:
    """Return the attributes of an embedder's span."""
    del text
    return {
        "gen_ai.provider.name": "fake",
        "gen_ai.request.model": self.config.model,
        "mem0.embed.text.count": 1,
        "mem0.embed.action": action,
    }


def embed_batch(self: Any, texts: list[str], action: str) -> Any:
    """Embed a batch of one text."""
    (text,) = texts
    return [self.embed(text, action)]


def generation(self: Any, *_: Any, **__: Any) -> dict[str, Any]:
    """Return the attributes of a language model's span."""
    return {"gen_ai.provider.name": "fake", "gen_ai.request.model": self.config.model}


def query(operation: str) -> Callable[..., dict[str, Any]]:
    """Return a function that returns the attributes of a vector store's span."""

    def given(self: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return {
            "db.system.name": "qdrant",
            "db.operation.name": operation,
            "db.collection.name": self.collection_name,
        }

    return given


def statement(operation: str) -> Callable[..., dict[str, Any]]:
    """Return a function that returns the attributes of the history's span."""
    return lambda *_, **__: {"db.system.name": "sqlite", "db.operation.name": operation}


def write(memory: Any) -> None:
    """Wrap the methods of one memory and of its components by hand."""
    from opentelemetry import metrics, trace

    tracer = trace.get_tracer("by hand")
    histogram = metrics.get_meter("by hand").create_histogram("gen_ai.client.operation.duration", unit="s")

    def operation(
        method: str, name: str, count: Callable[[Any], int], given: Callable[..., dict[str, str]]
    ) -> None:
        original = getattr(type(memory), method)

        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            attributes = {
                "gen_ai.operation.name": name,
                "code.function.name": f"mem0.memory.main.Memory.{method}",
                "gen_ai.memory.store.id": self.collection_name,
                **given(*args),
            }
            try:
                with tracer.start_as_current_span(name, attributes=attributes) as span:
                    result = original(self, *args, **kwargs)
                    span.set_attribute("gen_ai.memory.record.count", count(result))
                    return result
            finally:
                histogram.record(time.perf_counter() - began, {"gen_ai.operation.name": name})

        setattr(type(memory), method, call)

    def phase(component: Any, method: str, name: str, given: Callable[..., Any], found: str = "") -> None:
        original = getattr(type(component), method)

        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(name, attributes=given(self, *args, **kwargs)) as span:
                result = original(self, *args, **kwargs)
                if found and result is not None:
                    span.set_attribute(found, len(result))
                return result

        setattr(type(component), method, call)

    rows = "db.response.returned_rows"
    operation("get", "get_memory", lambda _: 0, lambda identity: {"gen_ai.memory.record.id": identity})
    operation("search", "search_memory", lambda result: len(result["results"]), lambda _: {})
    operation("add", "upsert_memory", lambda result: len(result["results"]), lambda _: {})
    phase(memory.embedding_model, "embed", "mem0.embed", embedding, "gen_ai.embeddings.dimension.count")
    type(memory.embedding_model).embed_batch = embed_batch
    phase(memory.llm, "generate_response", "mem0.llm.generate", generation)
    for method in ("search", "keyword_search"):
        phase(memory.vector_store, method, f"mem0.vector_store.{method}", query(method), rows)
    phase(memory.vector_store, "insert", "mem0.vector_store.insert", query("insert"))
    phase(memory.db, "batch_add_history", "mem0.history.write", statement("batch_add_history"))
    phase(memory.db, "save_messages", "mem0.messages.write", statement("save_messages"))
    phase(memory.db, "get_last_messages", "mem0.messages.read", statement("get_last_messages"), rows)
