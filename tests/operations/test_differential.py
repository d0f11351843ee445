"""The same session has the same results, exceptions and stored data with and without instrumentation."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import mem0
import pytest

from mem0_telemetry import operations
from mem0_telemetry.cli.harness import fake_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Application

pytestmark = pytest.mark.usefixtures("entities")
ALICE = {"user_id": "alice"}
TABLES = ("SELECT * FROM history", "SELECT * FROM messages")


def calls() -> Iterator[Callable[[Any, list[str]], Any]]:
    """Yield the calls of a session on a memory. `ids` are the ids of the records that the first call stored."""
    yield lambda m, _: m.add("Miso the cat lives in Lisbon. I like green tea.", user_id="alice")
    yield lambda m, _: m.add([{"role": "user", "content": "Raw.", "name": "n"}], user_id="alice", infer=False)
    yield lambda m, _: m.add("Do this, then that.", agent_id="a", memory_type="procedural_memory")
    yield lambda m, _: m.add("I like green tea.", user_id="alice", metadata={"k": [1]})
    yield lambda m, _: m.search("green tea", filters=ALICE, top_k=3, explain=True)
    yield lambda m, _: m.search(query="Lisbon", filters={"user_id": "nobody"})
    yield lambda m, _: m.search("tea", user_id="alice")
    yield lambda m, _: m.search("", filters=ALICE)
    yield lambda m, ids: m.get(ids[0])
    yield lambda m, _: m.get("00000000-0000-0000-0000-000000000000")
    yield lambda m, _: m.get_all(filters=ALICE)
    yield lambda m, _: m.get_all()
    yield lambda m, ids: m.update(ids[0], "Miso moved to Porto.")
    yield lambda m, ids: m.update(ids[1], metadata={"k": "v"})
    yield lambda m, ids: m.update(ids[1])
    yield lambda m, ids: m.history(ids[0])
    yield lambda m, ids: m.delete(ids[1])
    yield lambda m, ids: m.delete(ids[1])
    yield lambda m, _: m.delete_all()
    yield lambda m, _: m.chat("hello")
    yield lambda m, _: m.delete_all(agent_id="a")


async def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or its exception with the exceptions chained to it."""
    try:
        result = call()
        return await result if inspect.isawaitable(result) else result
    except Exception as error:  # noqa: BLE001  # every kind is compared
        chain = [error, error.__cause__, error.__context__]
        return [
            (type(link).__qualname__, str(link), getattr(link, "__suppress_context__", None))
            for link in chain
        ]


def stored(memory: Any) -> Any:
    """Return everything that a memory stores: both collections with vectors and payloads, history and messages."""
    client = memory.vector_store.client
    collections = sorted(collection.name for collection in client.get_collections().collections)
    points = [client.scroll(name, with_vectors=True, limit=1000)[0] for name in collections]
    rows = [memory.db.connection.execute(query).fetchall() for query in TABLES]
    return [collections, [[point.model_dump() for point in found] for found in points], rows]


def session(kind: type, directory: Path) -> str:
    """Run the session on a new memory. Return all outcomes and stored data as text without times."""
    memory = kind.from_config(fake_models.configuration(directory))

    async def run() -> list[Any]:
        outcomes: list[Any] = []
        for call in calls():
            ids = [record["id"] for record in outcomes[0]["results"]] if outcomes else []
            outcomes.append(await outcome(partial(call, memory, ids)))
        return [outcomes, stored(memory), await outcome(memory.reset)]

    came_of_it = asyncio.run(run())
    memory.vector_store.client.close()
    memory.close()
    text = json.dumps(came_of_it, default=str, sort_keys=True, indent=1)
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(\+00:00)?", "<time>", text)


@pytest.fixture(autouse=True)
def _countable_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace Mem0's random ids with numbers, which start again for each session of a test."""
    monkeypatch.setattr("uuid.uuid4", lambda: uuid.UUID(int=next(IDS["counter"])))


IDS: dict[str, itertools.count[int]] = {}


@pytest.mark.parametrize("kind", [mem0.Memory, mem0.AsyncMemory])
@pytest.mark.parametrize("with_sdk", [True, False])
def test_a_session(application: Application, tmp_path: Path, kind: type, with_sdk: bool) -> None:  # noqa: FBT001
    """A session gives the same results with an SDK, without one, and without instrumentation."""
    IDS["counter"] = itertools.count(1)
    plain = session(kind, tmp_path / "plain")

    if with_sdk:
        application.instrument()
    else:
        operations.install()
    IDS["counter"] = itertools.count(1)
    instrumented = session(kind, tmp_path / "instrumented")

    assert instrumented == plain
    assert plain.count("<time>") > 20
    assert bool(application.spans()) == with_sdk
