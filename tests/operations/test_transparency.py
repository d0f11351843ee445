"""Instrumented classes of Mem0 look and behave as before, and `remove` restores them completely."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import sys
import traceback
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import mem0
import mem0.memory.main
import pytest

from mem0_telemetry import operations
from mem0_telemetry.mem0_internals import operations as tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Application

    from mem0_telemetry.cli.harness.fake_servers import FakePlatform

pytestmark = pytest.mark.interpreter

ALICE = {"user_id": "alice"}


def methods() -> Iterator[tuple[type, str, Any]]:
    """Yield every method of Mem0's classes that is an operation."""
    for module, names in tables.CLASSES.items():
        for name in names:
            cls = getattr(sys.modules[module], name)
            yield from ((cls, method, vars(cls)[method]) for method in tables.METHODS if method in vars(cls))


def appearance(function: Any) -> dict[str, Any]:
    """Return everything that introspection shows of a function."""
    return {
        "signature": inspect.signature(function),
        "full argument spec": inspect.getfullargspec(function),
        "source": inspect.getsource(function),
        "coroutine function": inspect.iscoroutinefunction(function),
        "is a function": inspect.isfunction(function),
        "doc": function.__doc__,
        "name": (function.__module__, function.__qualname__, function.__name__),
        "annotations": function.__annotations__,
        "pickle": pickle.dumps(function),
    }


def test_methods_look_the_same(application: Application) -> None:
    """Every method keeps its signature, kind, source, documentation and pickle."""
    before = {(cls, name): appearance(function) for cls, name, function in methods()}
    originals = {(cls, name): function for cls, name, function in methods()}

    application.instrument()

    assert len(before) >= 44
    for cls, name, function in methods():
        assert function is not originals[cls, name], f"{cls.__name__}.{name} is not instrumented"
        assert appearance(function) == before[cls, name]
        assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301  # pickled in the same expression


def test_removing_leaves_no_trace(application: Application, memory: mem0.Memory) -> None:
    """After `remove`, every class and module, also of components, has exactly its original attributes."""
    watched = [
        *{cls for cls, _, _ in methods()},
        mem0.memory.main,
        *(kind for part in tables.COMPONENTS for kind in type(getattr(memory, part, None)).__mro__[:-1]),
    ]
    before = [dict(vars(owner)) for owner in watched]
    finders = list(sys.meta_path)

    application.instrument()
    memory.add("I like tea.", user_id="alice")
    memory.search("tea", filters=ALICE)
    operations.remove()

    for owner, attributes in zip(watched, before, strict=True):
        now = dict(vars(owner))
        assert {name for name in now if now[name] is not attributes.get(name)} <= {"_abc_impl"}
        assert now.keys() == attributes.keys()
    assert sys.meta_path == finders
    application.spans()
    memory.add("I like tea.", user_id="alice")
    assert application.spans() == []


def test_installing_twice_changes_nothing(instrumented: Application, memory: mem0.Memory) -> None:
    """After a second `install`, each operation is still recorded once, and one `remove` is enough."""
    operations.install()
    memory.get_all(filters=ALICE)
    assert len(instrumented.operation_spans()) == 1

    operations.remove()
    operations.remove()
    memory.get_all(filters=ALICE)
    assert instrumented.spans() == []


def test_another_librarys_wrapper_survives(
    application: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another library's wrapper around ours stays after `remove`, and ours inside it records nothing."""
    application.instrument()
    ours = mem0.Memory.get_all
    calls: list[str] = []

    def theirs(self: mem0.Memory, **kwargs: Any) -> Any:
        calls.append("theirs")
        return ours(self, **kwargs)

    monkeypatch.setattr(mem0.Memory, "get_all", theirs)
    operations.remove()
    memory.get_all(filters=ALICE)
    assert (calls, application.spans()) == (["theirs"], [])

    application.instrument()
    memory.get_all(filters=ALICE)
    assert len(application.operation_spans()) == 1
    operations.remove()
    monkeypatch.undo()
    mem0.Memory.get_all = inspect.unwrap(mem0.Memory.get_all)


def test_a_subclass_that_calls_super(instrumented: Application, memory: mem0.Memory) -> None:
    """An overriding method that calls `super()` gives one operation span."""

    class Mine(mem0.Memory):
        def add(self, messages: Any, **kwargs: Any) -> Any:
            return {"mine": super().add(messages, **kwargs)}

    mine = Mine.__new__(Mine)
    vars(mine).update(vars(memory))
    assert mine.add("I like tea.", user_id="alice", infer=False)["mine"]["results"]

    assert instrumented.operation_span().name == "create_memory"


def test_an_operation_inside_another_on_the_same_object(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `Memory` that calls itself gives one operation. A call of another `Memory` is an operation inside it."""
    monkeypatch.setattr(
        memory, "_create_memory", lambda *_, **__: memory.get_all(filters=ALICE), raising=True
    )
    memory.add("I like tea.", user_id="alice", infer=False)
    assert instrumented.operation_span().name == "create_memory"

    other = mem0.Memory.__new__(mem0.Memory)
    vars(other).update(vars(memory))
    monkeypatch.setattr(memory, "_create_memory", lambda *_, **__: other.get_all(filters=ALICE))
    memory.add("I like tea.", user_id="alice", infer=False)
    spans = {span.name: span for span in instrumented.spans()}
    inner, outer = spans["list_memory"], spans["create_memory"]
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


def test_exceptions_arrive_as_they_are(instrumented: Application, memory: mem0.Memory) -> None:
    """The caller gets the original exception object, with its traceback and its cause."""
    del instrumented
    error, cause = RuntimeError("from the model"), KeyError("cause")

    def fail(*_: Any, **__: Any) -> None:
        raise error from cause

    memory.embedding_model.embed = fail
    with pytest.raises(RuntimeError) as raised:
        memory.search("tea", filters=ALICE)

    assert raised.value is error
    assert error.__cause__ is cause
    assert error.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-2:] == ["_search_vector_store", "fail"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_interruptions_pass_and_are_recorded(
    instrumented: Application, memory: mem0.Memory, kind: type[BaseException]
) -> None:
    """A `BaseException` also reaches the caller, and its operation is recorded as failed."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise kind

    memory.embedding_model.embed = interrupt
    with pytest.raises(kind):
        memory.search("tea", filters=ALICE)

    span = instrumented.operation_span()
    assert str((span.attributes or {})["error.type"]).endswith(kind.__name__)


def test_a_coroutine_that_is_never_awaited_does_nothing(
    instrumented: Application, async_memory: mem0.AsyncMemory
) -> None:
    """Calling an async method records nothing until it is awaited. The coroutine has the method's name."""
    coroutine = async_memory.search("tea", filters=ALICE)
    assert inspect.iscoroutine(coroutine)
    assert coroutine.__qualname__ == "AsyncMemory.search"
    coroutine.close()
    assert instrumented.spans() == []


def test_a_plain_function_that_returns_a_coroutine(
    application: Application, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coroutine function behind a plain function stays a plain function, and is recorded while it is awaited."""
    hidden = mem0.AsyncMemoryClient.get

    @functools.wraps(hidden)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return hidden(*args, **kwargs)

    monkeypatch.setattr(mem0.AsyncMemoryClient, "get", plain)
    application.instrument()
    assert not inspect.iscoroutinefunction(mem0.AsyncMemoryClient.get)

    async def session() -> None:
        client = mem0.AsyncMemoryClient(api_key="key", host=platform.url)
        async with aclosing(client.async_client):
            await client.get("m1")

    asyncio.run(session())
    attributes = application.operation_span().attributes or {}
    assert attributes["gen_ai.memory.record.count"] == 1
    operations.remove()
    assert mem0.AsyncMemoryClient.get is plain


def test_a_coroutine_closed_from_another_context(
    instrumented: Application, async_memory: mem0.AsyncMemory, caplog: pytest.LogCaptureFixture
) -> None:
    """A coroutine that is closed before its end ends its span, and nothing is logged."""
    started = asyncio.Event()

    async def wait(*_: Any, **__: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    async_memory._search_vector_store = wait
    loop = asyncio.new_event_loop()
    coroutine = async_memory.search("tea", filters=ALICE)
    task = loop.create_task(_first_step(coroutine))
    loop.run_until_complete(task)
    coroutine.close()
    loop.close()

    assert instrumented.operation_span().name == "search_memory"
    assert caplog.records == []


async def _first_step(coroutine: Any) -> None:
    """Run a coroutine to its first suspension inside a separate task."""
    coroutine.send(None)


def test_arguments_are_checked_by_mem0(instrumented: Application, memory: mem0.Memory) -> None:
    """A call with wrong arguments raises what Python raises for the original method."""
    with pytest.raises(TypeError, match=r"Memory\.get\(\) missing 1 required positional argument"):
        memory.get()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        mem0.Memory.get()  # type: ignore[call-arg]
    assert {span.status.is_ok for span in instrumented.spans()} == {False}
