"""Any kind of callable on a component, or in place of Mem0's own methods, is called as without instrumentation."""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import cloudpickle
import mem0
import pytest
import wrapt

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Application

ALICE = {"user_id": "alice"}


def embed(text: str, memory_action: str | None = None) -> list[float]:
    """Return the length of a text as its vector."""
    del memory_action
    return [float(len(text))]


class CallMe:
    """A callable object."""

    def __call__(self, text: str, memory_action: str | None = None) -> list[float]:
        """Embed a text."""
        return embed(text, memory_action)


class ClassMethod:
    """A class with a class method."""

    @classmethod
    def embed(cls, text: str, memory_action: str | None = None) -> list[float]:
        """Embed a text."""
        return embed(text, memory_action)


def with_spec() -> mock.Mock:
    """Return a mock that claims to be a function."""
    return mock.Mock(spec=embed, side_effect=embed)


@pytest.mark.parametrize(
    "attribute",
    [
        functools.partial(embed),
        CallMe(),
        CallMe().__call__,
        len,
        operator.itemgetter(0),
        str,
        with_spec(),
        mock.MagicMock(side_effect=embed),
        staticmethod(embed),
        vars(ClassMethod)["embed"],
        property(lambda _: embed),
        functools.partialmethod(lambda _, text: embed(text)),
        wrapt.FunctionWrapper(staticmethod(embed), lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs)),
        functools.lru_cache(lambda _, text: embed(text)),
    ],
    ids=lambda attribute: type(attribute).__name__,
)
def test_a_callable_on_a_component(instrumented: Application, memory: mem0.Memory, attribute: Any) -> None:
    """It gets the same arguments as before, through the object and through the class."""
    store = type("Embedder", (), {"embed": attribute})
    before = store().embed("abc")
    try:
        of_class: Any = store.embed("abc")  # type: ignore[attr-defined]
    except TypeError:
        of_class = TypeError

    memory.embedding_model = store()
    memory.get_all(filters=ALICE)

    assert instrumented.operation_span().name == "list_memory"
    assert store().embed("abc") == before
    if of_class is not TypeError:
        assert store.embed("abc") == of_class  # type: ignore[attr-defined]


def test_a_cached_method_keeps_its_cache(instrumented: Application, memory: mem0.Memory) -> None:
    """A method under `functools.lru_cache` is a phase, and keeps its attributes such as `cache_info`."""

    class Embedder:
        @functools.lru_cache  # noqa: B019  # the test needs it
        def embed(self, text: str, memory_action: str) -> list[float]:
            del text, memory_action
            return [1.0] * 32

    memory.embedding_model = Embedder()
    memory.search("tea", filters=ALICE)
    assert "mem0.embed" in {span.name for span in instrumented.spans()}
    assert Embedder.embed.cache_info().misses == 1


def test_a_wrapt_proxy_gets_its_instance(instrumented: Application, memory: mem0.Memory) -> None:
    """Another instrumentation's `wrapt` wrapper inside ours gets the instance of the call."""
    instances: list[object] = []

    class Embedder:
        @wrapt.decorator
        def noting(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:  # noqa: N805
            instances.append(instance)
            return wrapped(*args, **kwargs)

        @noting
        def embed(self, text: str, memory_action: str) -> list[float]:
            del text, memory_action
            return [1.0] * 32

    memory.embedding_model = Embedder()
    memory.search("tea", filters=ALICE)
    assert instances == [memory.embedding_model]
    assert "mem0.embed" in {span.name for span in instrumented.spans()}


def test_a_component_whose_class_has_no_hash(instrumented: Application, memory: mem0.Memory) -> None:
    """A component whose metaclass defines `==` but no hash is recorded like any other, and the operation succeeds."""

    class Meta(type):
        __hash__ = None

        def __eq__(cls, other: object) -> bool:
            raise RuntimeError

    class Embedder(metaclass=Meta):
        def embed(self, text: str, memory_action: str) -> list[float]:
            del text, memory_action
            return [1.0] * 32

    memory.embedding_model = Embedder()
    memory.search("tea", filters=ALICE)
    spans = {span.name: span for span in instrumented.spans()}
    assert {"search_memory", "mem0.embed", "mem0.vector_store.search"} <= set(spans)
    assert {span.status.is_unset for span in spans.values()} == {True}


def test_a_mock_in_place_of_mem0s_method(application: Application, memory: mem0.Memory) -> None:
    """A mock that a test set on `Memory` is called without the instance, as before."""
    with mock.patch.object(mem0.Memory, "history", return_value=[]) as history:
        application.instrument()
        memory.history("x")
        history.assert_called_once_with("x")


def test_a_component_is_copied_and_pickled_as_before(instrumented: Application, memory: mem0.Memory) -> None:
    """A component's methods can be copied and pickled, and each access returns the same function."""
    memory.search("tea", filters=ALICE)
    embedder = memory.embedding_model
    method = type(embedder).embed
    assert hasattr(method, "__wrapped__")
    assert instrumented.operation_span().name == "search_memory"
    for twin in (copy.copy(method), copy.deepcopy(method), pickle.loads(pickle.dumps(method))):  # noqa: S301
        assert twin is method
    for bound in (copy.deepcopy(embedder.embed), pickle.loads(pickle.dumps(embedder.embed))):  # noqa: S301
        assert bound("tea", "add") == embedder.embed("tea", "add")


@pytest.mark.parametrize("missing", ["mem0_telemetry", "opentelemetry", "mem0"])
def test_a_component_is_unpickled_without_a_package(
    instrumented: Application, memory: mem0.Memory, tmp_path: Path, missing: str
) -> None:
    """A class that cloudpickle pickles by value after an operation used it can be loaded without this package."""
    source = inspect.cleandoc(
        """
        class Embedder:
            def embed(self, text, memory_action=None):
                return [1.0] * 32
        """
    )
    main = {"__name__": "__main__"}
    exec(source, main)  # noqa: S102  # a class of `__main__`, which is pickled by value
    cls: Any = main["Embedder"]
    memory.embedding_model = cls()
    memory.search("tea", filters=ALICE)
    assert "mem0.embed" in {span.name for span in instrumented.spans()}
    (tmp_path / "pickle").write_bytes(cloudpickle.dumps(cls))

    program = f"import sys; sys.modules[{missing!r}] = None; import pickle; "
    program += "print(len(pickle.load(open('pickle', 'rb'))().embed('x')))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("32\n", "")
