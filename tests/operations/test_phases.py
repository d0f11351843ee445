"""Inside an operation, each call from Mem0 to one of its components is a child span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import mem0
import pytest
from mem0.configs.rerankers.base import BaseRerankerConfig
from mem0.reranker.base import BaseReranker
from mem0.utils.factory import RerankerFactory
from mem0.vector_stores.base import VectorStoreBase
from opentelemetry.trace import StatusCode

from mem0_telemetry import operations
from mem0_telemetry.cli.harness import fake_models

if TYPE_CHECKING:
    from conftest import Application
    from opentelemetry.sdk.trace import ReadableSpan


ALICE = {"user_id": "alice"}
OPERATION = "gen_ai.operation.name"


def named(spans: list[ReadableSpan], name: str) -> list[dict[str, Any]]:
    """Return the attributes of the spans with one name."""
    return [dict(span.attributes or {}) for span in spans if span.name == name]


def test_the_phases_of_an_add(instrumented: Application, memory: mem0.Memory) -> None:
    """An `add` has phases for the embedder, the model, the vector store and the history, with their attributes."""
    memory.add("I like green tea. My cat is called Miso.", user_id="alice")

    spans = instrumented.spans()
    root = spans[0].context.span_id
    assert {span.parent.span_id for span in spans[1:] if span.parent} == {root}
    assert named(spans, "mem0.embed") == [
        {
            "gen_ai.provider.name": "fake",
            "gen_ai.request.model": "hash-32",
            "gen_ai.embeddings.dimension.count": 32,
            "mem0.embed.text.count": count,
            "mem0.embed.action": action,
        }
        for count, action in [(1, "search"), (2, "add")]
    ]
    assert named(spans, "mem0.llm.generate") == [
        {
            "gen_ai.provider.name": "fake",
            "gen_ai.request.model": "echo-1",
        }
    ]
    assert named(spans, "mem0.vector_store.insert") == [
        {
            "db.system.name": "qdrant",
            "db.operation.name": "insert",
            "db.collection.name": "memories",
            "db.operation.batch.size": 2,
        }
    ]
    assert named(spans, "mem0.history.write") == [
        {"db.system.name": "sqlite", "db.operation.name": "batch_add_history", "db.operation.batch.size": 2}
    ]


def test_only_operations_have_durations(instrumented: Application, memory: mem0.Memory) -> None:
    """Phases are not measured: the instrumentation of the models does that."""
    memory.add("I like green tea.", user_id="alice")
    assert [point.count for point in instrumented.durations()] == [1]


def test_phases_carry_no_operation_name(instrumented: Application, memory: mem0.Memory) -> None:
    """Only the operation has `gen_ai.operation.name`, so a query counts a model call once, on its own CLIENT span."""
    memory.add("I like green tea.", user_id="alice")
    named_by_operation = [span for span in instrumented.spans() if OPERATION in (span.attributes or {})]
    assert [span.name for span in named_by_operation] == ["upsert_memory"]


def test_components_outside_an_operation(instrumented: Application, memory: mem0.Memory) -> None:
    """A component that the application itself calls outside an operation gives no span."""
    memory.get_all(filters=ALICE)
    instrumented.spans()

    memory.embedding_model.embed("tea", "add")
    memory.vector_store.list(filters={}, top_k=1)

    assert instrumented.spans() == []


def test_a_phase_that_mem0_recovers_from(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed call is a failed phase, but an operation that recovers from it has not failed."""

    class Unbatched(fake_models.HashEmbedder):
        def embed_batch(self, *_: Any, **__: Any) -> Any:
            raise ConnectionError("no batches for alice")

    monkeypatch.setattr(memory, "embedding_model", Unbatched(memory.embedding_model.config))
    memory.add("I like green tea.", user_id="alice")

    spans = instrumented.spans()
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert [span.name for span in failed] == ["mem0.embed"]
    assert (failed[0].attributes or {})["error.type"] == "ConnectionError"
    assert failed[0].status.description == "raised in tests.operations.test_phases.embed_batch"


def test_a_phase_that_fails_the_operation(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase has the component's own exception, and the operation the one that Mem0 raises for it."""

    class Refusing(fake_models.EchoLLM):
        def generate_response(self, messages: Any, **_: Any) -> str:
            raise ConnectionError(messages)

    monkeypatch.setattr(memory, "llm", Refusing(memory.llm.config))
    with pytest.raises(mem0.exceptions.LLMError):
        memory.add("I like green tea.", user_id="alice")

    spans = {span.name: span for span in instrumented.spans()}
    assert (spans["mem0.llm.generate"].attributes or {})["error.type"] == "ConnectionError"
    assert (spans["upsert_memory"].attributes or {})["error.type"] == "mem0.exceptions.LLMError"


def test_an_override_that_calls_super_is_one_phase(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A component that calls itself, through `super()` or for a batch, gives one span."""

    class Twice(fake_models.HashEmbedder):
        def embed(self, text: str, memory_action: str | None = None) -> list[float]:
            return super().embed(text, memory_action)

    monkeypatch.setattr(memory, "embedding_model", Twice(memory.embedding_model.config))
    memory.search("tea", filters=ALICE)
    assert len(named(instrumented.spans(), "mem0.embed")) == 1
    memory.add("I like green tea. My cat is called Miso.", user_id="alice")
    assert len(named(instrumented.spans(), "mem0.embed")) == 2


def test_a_component_of_the_applications_own(instrumented: Application, memory: mem0.Memory) -> None:
    """An object with the interface's methods is a component. If Mem0 does not know its class, it has no provider."""

    class Own:
        def embed(self, text: str, memory_action: str) -> list[float]:
            del text, memory_action
            return [1.0] * fake_models.DIMENSIONS

    memory.embedding_model = Own()
    memory.search("tea", filters=ALICE)

    (attributes,) = named(instrumented.spans(), "mem0.embed")
    assert "gen_ai.provider.name" not in attributes
    assert attributes["gen_ai.embeddings.dimension.count"] == fake_models.DIMENSIONS
    operations.remove()
    assert not hasattr(Own.embed, "__wrapped__")


def test_a_batch_of_no_texts_has_no_dimension(instrumented: Application, memory: mem0.Memory) -> None:
    """An embedder that is asked for no vectors has a phase without the number of dimensions."""

    class Batching(fake_models.HashEmbedder):
        def embed(self, text: str, memory_action: str | None = None) -> list[float]:
            memory.vector_store.embedder.embed_batch([])
            return super().embed(text, memory_action)

    memory.vector_store.embedder = fake_models.HashEmbedder()
    memory.embedding_model = Batching(memory.embedding_model.config)
    memory.search("tea", filters=ALICE)
    inner = named(instrumented.spans(), "mem0.embed")[1]
    assert inner["mem0.embed.text.count"] == 0
    assert "gen_ai.embeddings.dimension.count" not in inner


def test_a_mock_is_left_alone(instrumented: Application, memory: mem0.Memory) -> None:
    """A mock, which creates its methods at run time, has no phases and works as before."""
    memory.llm = MagicMock()
    memory.llm.generate_response.return_value = '{"memory": []}'

    assert memory.add("I like green tea.", user_id="alice") == {"results": []}
    assert named(instrumented.spans(), "mem0.llm.generate") == []


def test_a_reranker_is_a_phase(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reranker's span has the number of documents. A model that the reranker calls is a span below it."""

    class Reranker(BaseReranker):
        def __init__(self, llm: Any) -> None:
            self.config = BaseRerankerConfig(model="rank-1")
            self.llm = llm

        def rerank(self, query: str, documents: list[Any], top_k: int | None = None) -> list[Any]:
            self.llm.generate_response([{"role": "user", "content": query}])
            return documents[:top_k]

    path = f"{Reranker.__module__}.{Reranker.__qualname__}"
    monkeypatch.setitem(RerankerFactory.provider_to_class, "own", (path, BaseRerankerConfig))
    memory.reranker = Reranker(memory.llm)
    memory.add("I like green tea.", user_id="alice", infer=False)
    instrumented.spans()
    memory.search("tea", filters=ALICE, rerank=True)

    spans = {span.name: span for span in instrumented.spans()}
    assert dict(spans["mem0.rerank"].attributes or {}) == {
        "gen_ai.provider.name": "own",
        "gen_ai.request.model": "rank-1",
        "mem0.rerank.document.count": 1,
    }
    parent = spans["mem0.llm.generate"].parent
    assert parent is not None
    assert parent.span_id == spans["mem0.rerank"].context.span_id


def test_an_unsupported_method_is_no_phase(instrumented: Application, memory: mem0.Memory) -> None:
    """A store without keyword search inherits a method that does nothing, which gives no span."""
    store = type(memory.vector_store)
    own_keyword_search = store.keyword_search

    class WithoutKeywords(VectorStoreBase):
        """The real store without `keyword_search`."""

    for name in {*vars(store), *vars(VectorStoreBase)} - {"keyword_search", "__dict__", "__weakref__"}:
        setattr(WithoutKeywords, name, vars(store).get(name, vars(VectorStoreBase).get(name)))
    WithoutKeywords.__abstractmethods__ = frozenset()
    without = WithoutKeywords.__new__(WithoutKeywords)
    vars(without).update(vars(memory.vector_store))
    memory.vector_store = without
    memory.search("tea", filters=ALICE)

    spans = instrumented.spans()
    assert len(named(spans, "mem0.vector_store.search")) == 1
    assert named(spans, "mem0.vector_store.keyword_search") == []
    assert own_keyword_search is store.keyword_search


def test_the_properties_of_components_are_not_run(instrumented: Application, memory: mem0.Memory) -> None:
    """A span's attributes come from the component's instance dictionary; no property of the component runs."""

    class Touchy(fake_models.HashEmbedder):
        @property
        def collection_name(self) -> str:
            raise AssertionError

    class TouchyConfig:
        @property
        def model(self) -> str:
            raise AssertionError

    touchy = Touchy()
    vars(touchy)["config"] = TouchyConfig()
    memory.embedding_model = touchy
    memory.search("tea", filters=ALICE)

    (attributes,) = named(instrumented.spans(), "mem0.embed")
    assert "gen_ai.request.model" not in attributes


def test_a_component_inside_a_component(instrumented: Application, memory: mem0.Memory) -> None:
    """A component class first seen inside an operation is instrumented from then on, including its own methods."""
    memory.search("tea", filters=ALICE)
    instrumented.spans()

    class Inner(fake_models.HashEmbedder):
        def embed(self, text: str, memory_action: Any = None) -> list[float]:
            return super().embed(text, memory_action)

    inner = Inner()

    class Outer:
        def embed(self, *arguments: Any) -> list[float]:
            return super(Inner, inner).embed(*arguments) and inner.embed(*arguments)

    memory.embedding_model = Outer()
    memory.search("tea", filters=ALICE)
    found = named(instrumented.spans(), "mem0.embed")
    assert [attributes.get("gen_ai.provider.name") for attributes in found] == [None, "fake", "fake"]
    assert hasattr(vars(Inner)["embed"], "__wrapped__")
