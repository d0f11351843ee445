"""Telemetry on, with any supported release of Mem0: every event of a session arrives, and none of its secrets."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from mem0_telemetry.cli.harness.planted import forms_of
from mem0_telemetry.cli.harness.use import EXPECTED
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outcome

COMPONENTS = {
    "vector_store": "mem0.vector_stores.qdrant.Qdrant",
    "llm": "custom",
    "embedding_model": "custom",
    "history_store": "sqlite",
}
KUZU = "mem0.memory.kuzu_memory.MemoryGraph"


def test_posthog_receives_every_event_once(switched_on: Outcome) -> None:
    """PostHog receives each operation of `Memory`, `AsyncMemory` and the client once, in batches that it accepts."""
    assert Counter(event["event"] for event in switched_on.events) == EXPECTED
    batches = [request.body for request in switched_on.requests if request.path == "/batch/"]
    assert [violation for batch in batches for violation in check_batch(batch)] == []
    assert switched_on.report["arrived"] is True


def test_otlp_backend_receives_the_same_events(switched_on: Outcome) -> None:
    """The OTLP endpoint also receives the uuid of every event."""
    otlp = b"".join(request.body for request in switched_on.requests if request.path == "/v1/logs")
    assert [event["uuid"] for event in switched_on.events if event["uuid"].encode() not in otlp] == []


def test_events_keep_mem0s_properties(switched_on: Outcome) -> None:
    """Release, class, API version, components and kind arrive under Mem0's own names, with Mem0's own values."""
    memories = sorted(switched_on.properties("mem0.search"), key=lambda found: str(found["sync_type"]))
    assert [found["function"] for found in memories] == [
        "mem0.memory.main.AsyncMemory.v1.1",
        "mem0.memory.main.Memory.v1.1",
    ]
    assert [found["sync_type"] for found in memories] == ["async", "sync"]
    for found in memories:
        assert {name: found.get(name) for name in COMPONENTS} == COMPONENTS
        assert (found["client_version"], found["client_source"]) == (version("mem0ai"), "python")
        # `other` is the name of an undeclared filter.
        assert {*found["keys"]} - {"other"} == {"agent_id", "run_id", "user_id"}
    (hosted,) = switched_on.properties("client.add")
    assert hosted["function"] == "mem0.client.main.MemoryClient"
    assert hosted["sync_type"] == "sync"
    assert "user_id" in hosted["keys"]


def test_graph_store_is_reported_if_mem0_has_one(switched_on: Outcome, generation: int) -> None:
    """Mem0 1.x writes to and reads from its graph store, and sends `graph_store`; 2.x has no graph store."""
    relations = [memory["relations"] for memory in switched_on.report["memories"]]
    found = {event["properties"].get("graph_store") for event in switched_on.events if is_of_a_memory(event)}
    if generation == 1:
        assert [[relation["relationship"] for relation in each] for each in relations] == [["drinks"]] * 2
        assert found == {KUZU}
    else:
        assert relations == [None, None]
        assert found == {None}


def test_graph_store_is_absent_if_none_is_configured(outcome_of: Callable[..., Outcome]) -> None:
    """Without a configured graph store, no release sends `graph_store`."""
    outcome = outcome_of("before", graph=False)
    assert [event for event in outcome.events if "graph_store" in event["properties"]] == []
    assert Counter(event["event"] for event in outcome.events) == EXPECTED


def test_no_secret_is_on_the_wire(switched_on: Outcome) -> None:
    """No request contains an id, e-mail, key, text, metadata or collection name of the session, not even as a hash."""
    ids = [memory["id"] for memory in switched_on.report["memories"]]
    secrets = [*switched_on.texts.values(), "someone@example.com", *ids]  # the account of the fake API
    wire = b"\n".join(
        part
        for request in switched_on.requests
        for part in (
            request.path.encode(),
            repr(dict(request.headers)).encode(),
            request.raw_body,
            request.body,
        )
    )
    assert b"mem0.add" in wire
    lowered = wire.lower()
    assert [
        form for text in secrets for form in forms_of(text) if form[1] in wire or form[1] in lowered
    ] == []


def test_mem0_has_stored_the_memories(switched_on: Outcome) -> None:
    """Both kinds of `Memory` have stored the text that they were given, in the user's collection and no other."""
    for memory in switched_on.report["memories"]:
        assert memory["memories"] == [f"I like {switched_on.texts['message']}."]
        assert memory["collections"] == [switched_on.texts["collection"]]


def test_migrations_store_is_never_built(switched_on: Outcome) -> None:
    """Mem0's second vector store is never built: no instance has it, and it has no files."""
    assert [memory["telemetry_store"] for memory in switched_on.report["memories"]] == [False, False]
    assert [name for name in switched_on.files if "migrations" in name] == []


def test_native_telemetry_is_not_in_place(switched_on: Outcome) -> None:
    """`status()` reports that Mem0's own telemetry is not in place, and only our threads run."""
    assert switched_on.report["status"]["native_telemetry"] is False
    assert {name.startswith("mem0-telemetry-") for name in switched_on.report["threads"]} == {True}


def test_operations_say_why_they_are_off(switched_on: Outcome, generation: int) -> None:
    """Operations are active on Mem0 2.x; on 1.x they are not, and `status()` gives the reason."""
    operations = switched_on.report["status"]["operations"]
    active, reason = operations["active"], operations["reason"]
    assert active is (generation == 2)
    # Which signals are recorded depends on OpenTelemetry's distribution: if installed, it sets providers.
    says = "instrumenting mem0ai {}, recording " if active else "operations need mem0ai 2.x, this is {}"
    assert reason.startswith(says.format(version("mem0ai")))


def is_of_a_memory(event: dict[str, object]) -> bool:
    """Return whether an event is of a `Memory`, not of a hosted client."""
    return str(event["event"]).startswith("mem0.")
