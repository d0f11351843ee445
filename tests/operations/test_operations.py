"""Each operation of the four classes gives one span and one measurement that follow the GenAI memory conventions."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import mem0
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from mem0_telemetry.cli.harness.fake_servers import PROJECT, FakePlatform
from mem0_telemetry.mem0_internals.operations import store_of
from mem0_telemetry.operations._operation import _server_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Application

ALICE = {"user_id": "alice"}
ID = "gen_ai.memory.record.id"
COUNT = "gen_ai.memory.record.count"


def added_id(memory: mem0.Memory) -> str:
    """Store one memory and return its id."""
    return str(memory.add("I like tea.", user_id="alice", infer=False)["results"][0]["id"])


def test_add_with_inference_is_an_upsert(instrumented: Application, memory: mem0.Memory) -> None:
    """`add` lets Mem0 choose what to store: `upsert_memory`, with the number of records stored."""
    memory.add("I like green tea. My cat is called Miso.", user_id="alice")

    span = instrumented.operation_span()
    assert span.name == "upsert_memory"
    assert span.kind is SpanKind.INTERNAL
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "upsert_memory",
        "code.function.name": "mem0.memory.main.Memory.add",
        "gen_ai.memory.store.id": "memories",
        COUNT: 2,
    }


def test_add_without_inference_creates(instrumented: Application, memory: mem0.Memory) -> None:
    """`add(infer=False)` stores its input unchanged, which the conventions call `create_memory`."""
    memory.add("I like green tea.", user_id="alice", infer=False)

    assert instrumented.operation_span().name == "create_memory"


def test_a_procedural_memory_is_created(instrumented: Application, memory: mem0.Memory) -> None:
    """A procedural memory is always a new record, so its operation is `create_memory` too."""
    memory.add("Step one.", agent_id="a", memory_type="procedural_memory")

    span = instrumented.operation_span()
    assert span.name == "create_memory"
    assert (span.attributes or {})[COUNT] == 1


@pytest.mark.parametrize(
    ("call", "name", "expected"),
    [
        (lambda m, _: m.search("tea", filters=ALICE), "search_memory", {COUNT: 1}),
        (lambda m, i: m.get(i), "get_memory", {ID: ..., COUNT: 1}),
        (lambda m, _: m.get_all(filters=ALICE), "list_memory", {COUNT: 1}),
        (lambda m, i: m.update(i, "I like coffee."), "update_memory", {ID: ..., COUNT: 1}),
        (lambda m, i: m.delete(memory_id=i), "delete_memory", {ID: ..., COUNT: 1}),
        (lambda m, _: m.delete_all(user_id="alice"), "delete_memory", {}),
        (lambda m, i: m.history(i), "get_memory_history", {ID: ...}),
        (lambda m, _: m.reset(), "delete_memory", {}),
    ],
)  # fmt: skip
def test_operations_of_a_memory(
    instrumented: Application,
    memory: mem0.Memory,
    call: Callable[[mem0.Memory, str], Any],
    name: str,
    expected: dict[str, Any],
) -> None:
    """The span of every method has the operation name, the record id if there is one, and the number of records."""
    record = added_id(memory)
    instrumented.spans()

    call(memory, record)

    span = instrumented.operation_span()
    attributes = dict(span.attributes or {})
    assert span.name == attributes.pop("gen_ai.operation.name") == name
    assert attributes.pop("gen_ai.memory.store.id") == "memories"
    assert str(attributes.pop("code.function.name")).startswith("mem0.memory.main.Memory.")
    assert attributes == {key: record if value is ... else value for key, value in expected.items()}


def test_a_missing_record_counts_none(instrumented: Application, memory: mem0.Memory) -> None:
    """`get` of a missing record counts no records, and does not fail."""
    assert memory.get("00000000-0000-0000-0000-000000000000") is None

    span = instrumented.operation_span()
    assert (span.attributes or {})[COUNT] == 0
    assert span.status.status_code is StatusCode.UNSET


def test_operations_of_an_async_memory(instrumented: Application, async_memory: mem0.AsyncMemory) -> None:
    """`AsyncMemory` has the same operations."""

    async def session() -> None:
        added = await async_memory.add("I like tea.", user_id="alice", infer=False)
        record = added["results"][0]["id"]
        await async_memory.search("tea", filters=ALICE)
        await async_memory.get(record)
        await async_memory.get_all(filters=ALICE)
        await async_memory.update(record, "I like coffee.")
        await async_memory.history(record)
        await async_memory.delete(record)
        await async_memory.delete_all(user_id="alice")
        await async_memory.reset()

    asyncio.run(session())

    found = instrumented.operation_spans()
    assert [span.name for span in found] == [
        "create_memory",
        "search_memory",
        "get_memory",
        "list_memory",
        "update_memory",
        "get_memory_history",
        "delete_memory",
        "delete_memory",
        "delete_memory",
    ]
    assert (found[0].attributes or {})["code.function.name"] == "mem0.memory.main.AsyncMemory.add"


def test_a_failure(instrumented: Application, memory: mem0.Memory) -> None:
    """A failed span has the status, `error.type` and the place that raised, but neither the message nor an event."""
    with pytest.raises(ValueError, match="not found"):
        memory.delete("00000000-0000-0000-0000-000000000000")

    span = instrumented.operation_span()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "raised in mem0.memory.main.delete"
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert span.events == ()
    (point,) = instrumented.durations()
    assert (point.attributes or {})["error.type"] == "ValueError"


def test_chat_is_not_implemented_but_recorded(instrumented: Application, memory: mem0.Memory) -> None:
    """Mem0's `chat` raises, but the conventions define that operation, so it is recorded."""
    with pytest.raises(NotImplementedError):
        memory.chat("hello")

    span = instrumented.operation_span()
    assert span.name == "chat"
    assert (span.attributes or {})["error.type"] == "NotImplementedError"


def test_durations(instrumented: Application, memory: mem0.Memory) -> None:
    """The histogram has the conventions' name, unit and boundaries, and one series per operation name."""
    memory.add("I like tea.", user_id="alice")
    memory.add("I like tea.", user_id="alice", infer=False)
    memory.search("tea", filters=ALICE)
    memory.search("tea", filters=ALICE)

    data = instrumented.reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("gen_ai.client.operation.duration", "s")
    points = {
        str((point.attributes or {})["gen_ai.operation.name"]): point for point in metric.data.data_points
    }
    assert {name: point.count for name, point in points.items()} == {
        "upsert_memory": 1,
        "create_memory": 1,
        "search_memory": 2,
    }
    point = points["search_memory"]
    assert set(point.attributes or {}) == {"gen_ai.operation.name"}
    assert 0 < point.sum < 60
    assert list(point.explicit_bounds) == [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]  # fmt: skip


def test_hosted_client(instrumented: Application, platform: FakePlatform) -> None:
    """The hosted client's spans have the kind CLIENT, and name the service and the project."""
    client = mem0.MemoryClient(api_key="key", host=platform.url)
    with closing(client.client):
        client.search("tea", filters=ALICE)

    span = instrumented.operation_span()
    assert span.name == "search_memory"
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "search_memory",
        "gen_ai.provider.name": "mem0",
        "server.address": "127.0.0.1",
        "server.port": platform.port,
        "code.function.name": "mem0.client.main.MemoryClient.search",
        "gen_ai.memory.store.id": PROJECT,
        COUNT: 1,
    }
    (point,) = instrumented.durations()
    assert dict(point.attributes or {}) == {
        "gen_ai.operation.name": "search_memory",
        "gen_ai.provider.name": "mem0",
        "server.address": "127.0.0.1",
        "server.port": platform.port,
    }


@pytest.mark.parametrize(
    ("call", "name", "expected"),
    [
        (lambda c: c.add("I like tea.", user_id="alice"), "upsert_memory", {}),
        (lambda c: c.add("I like tea.", user_id="alice", infer=False), "create_memory", {}),
        (lambda c: c.get("m1"), "get_memory", {ID: "m1", COUNT: 1}),
        (lambda c: c.get_all(filters=ALICE), "list_memory", {COUNT: 1}),
        (lambda c: c.update("m1", text="x"), "update_memory", {ID: "m1", COUNT: 1}),
        (lambda c: c.delete("m1"), "delete_memory", {ID: "m1", COUNT: 1}),
        (lambda c: c.delete_all(user_id="alice"), "delete_memory", {}),
        (lambda c: c.history("m1"), "get_memory_history", {ID: "m1"}),
        (lambda c: c.users(), "list_memory_entities", {}),
        (lambda c: c.delete_users(user_id="alice"), "delete_memory", {}),
        (lambda c: c.reset(), "delete_memory", {}),
        (lambda c: c.batch_update([{"memory_id": "m1"}, {"memory_id": "m2"}]), "update_memory", {COUNT: 2}),
        (lambda c: c.batch_delete([{"memory_id": "m1"}]), "delete_memory", {COUNT: 1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_async", [False, True])
def test_operations_of_hosted_clients(  # noqa: PLR0913, PLR0917  # what is called, and how
    instrumented: Application,
    platform: FakePlatform,
    call: Callable[[Any], Any],
    name: str,
    expected: dict[str, Any],
    is_async: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Both hosted clients give one span per operation, even if one method calls another."""
    if is_async:
        asyncio.run(_call_async(platform, call))
    else:
        client = mem0.MemoryClient(api_key="key", host=platform.url)
        with closing(client.client):
            call(client)

    span = instrumented.operation_span()
    attributes = dict(span.attributes or {})
    assert span.name == name
    assert {key: attributes[key] for key in attributes if key.startswith("gen_ai.memory.record")} == expected


async def _call_async(platform: FakePlatform, call: Callable[[Any], Any]) -> None:
    client = mem0.AsyncMemoryClient(api_key="key", host=platform.url)
    async with aclosing(client.async_client):
        await call(client)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.mem0.ai", {"server.address": "api.mem0.ai", "server.port": 443}),
        ("http://mem0.internal/base", {"server.address": "mem0.internal", "server.port": 80}),
        ("http://[::1]:8000", {"server.address": "::1", "server.port": 8000}),
        ("unix://mem0", {"server.address": "mem0"}),
        ("None", {}),
    ],
)
def test_the_server_of_a_hosted_client(url: str, expected: dict[str, Any]) -> None:
    """Address and port come from the client's `host`, with the default port of its scheme."""
    assert _server_attributes(url) == expected


@pytest.mark.parametrize(("project", "store"), [("p1", "p1"), (None, None), ("", None)])
def test_a_hosted_client_without_a_project(project: str | None, store: str | None) -> None:
    """The store of a hosted client is its project, or None if its API key belongs to no project."""
    assert store_of(SimpleNamespace(project_id=project)) == store


def test_a_failure_of_the_hosted_api(instrumented: Application, platform: FakePlatform) -> None:
    """The exception that Mem0 raises for an HTTP error is the span's `error.type`, and reaches the caller."""
    client = mem0.MemoryClient(api_key="key", host=platform.url)
    with closing(client.client), pytest.raises(mem0.exceptions.MemoryNotFoundError):
        client.get("missing")

    span = instrumented.operation_span()
    assert (span.attributes or {})["error.type"] == "mem0.exceptions.MemoryNotFoundError"
    assert "alice" not in str(span.status.description)
