"""Spans contain content only if the operator asked for it, and never the ids of people."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import mem0
import pytest
from mem0.client.types import UpdateMemoryOptions
from mem0.exceptions import LLMError

from mem0_telemetry import operations
from mem0_telemetry.cli.harness import fake_models

if TYPE_CHECKING:
    from conftest import Application
    from opentelemetry.sdk.trace import ReadableSpan

    from mem0_telemetry.cli.harness.fake_servers import FakePlatform

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SECRETS = ("jasmine", "alice-7", "agent-7", "run-7", "private-note")
PEOPLE = {"user_id": "alice-7", "agent_id": "agent-7", "run_id": "run-7"}
QUERY = "gen_ai.memory.query.text"
RECORDS = "gen_ai.memory.records"


def words(spans: list[ReadableSpan]) -> str:
    """Return everything that an exporter of these spans would send."""
    return "".join(span.to_json() for span in spans)


class IndiscreetLLM(fake_models.EchoLLM):
    """A model that repeats the request in its exceptions, as providers do."""

    def generate_response(self, messages: Any, **kwargs: Any) -> str:
        """Raise if the message asks for it."""
        if "fail with" in messages[-1]["content"]:
            message = f"{messages[-1]} {PEOPLE}"
            raise ConnectionError(message)
        return super().generate_response(messages, **kwargs)


def session(memory: mem0.Memory) -> None:
    """Call every operation with planted secrets, including one that fails."""
    memory.llm = IndiscreetLLM(memory.llm.config)
    memory.add("jasmine tea", **PEOPLE, metadata={"note": "private-note"})
    record = memory.search("jasmine", filters=PEOPLE)["results"][0]["id"]
    memory.get(record)
    memory.get_all(filters=PEOPLE)
    memory.update(record, "jasmine green tea")
    memory.history(record)
    with pytest.raises(LLMError, match="jasmine"):
        memory.add("fail with jasmine", **PEOPLE)
    memory.delete(record)
    memory.delete_all(**PEOPLE)


@pytest.mark.parametrize("value", [None, "", "false", "0", "1", "yes", "no_content", "event_only", "truely"])
def test_nothing_of_the_content_by_default(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """Without the opt-in, no span or measurement contains text, metadata or the id of a person."""
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    session(memory)

    sent = words(instrumented.spans()) + str(instrumented.durations())
    assert [secret for secret in SECRETS if secret in sent] == []


@pytest.mark.parametrize("value", ["true", "True", "span_only", "SPAN_AND_EVENT", " true "])
def test_content_on_request(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """With the opt-in, spans have the query and the records in the conventions' form, without ids of people."""
    monkeypatch.setenv(VARIABLE, value)
    memory.add("jasmine tea", **PEOPLE, metadata={"note": "private-note"})
    memory.search("jasmine", filters=PEOPLE)

    add, search = (dict(span.attributes or {}) for span in instrumented.operation_spans())
    assert search[QUERY] == "jasmine"
    (added,) = json.loads(str(add[RECORDS]))
    assert added == {"content": "jasmine tea", "id": added["id"]}
    (found,) = json.loads(str(search[RECORDS]))
    assert found == {
        "content": "jasmine tea",
        "id": added["id"],
        "score": found["score"],
        "metadata": {"note": "private-note"},
    }
    assert "alice-7" not in str(search)


def test_content_of_updates(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the opt-in, the span of an update has the stored text, whichever parameter passes it."""
    monkeypatch.setenv(VARIABLE, "true")
    record = memory.add("tea", user_id="alice", infer=False)["results"][0]["id"]
    instrumented.spans()

    memory.update(record, "black tea")
    memory.update(record, text="green tea")
    memory.update(memory_id=record, data="jasmine tea")
    memory.update(record, metadata={"k": "v"})

    attributes = [dict(span.attributes or {}) for span in instrumented.operation_spans()]
    contents = [json.loads(str(found.get(RECORDS, "null"))) for found in attributes]
    assert contents == [
        [{"content": "black tea", "id": record}],
        [{"content": "green tea", "id": record}],
        [{"content": "jasmine tea", "id": record}],
        None,
    ]


def test_content_of_hosted_updates(
    instrumented: Application, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the opt-in, the span of a hosted update has the text too, from an options object or from a keyword."""
    monkeypatch.setenv(VARIABLE, "true")
    client = mem0.MemoryClient(api_key="key", host=platform.url)
    with closing(client.client):
        client.update("m1", UpdateMemoryOptions(text="jasmine tea"))
        client.update("m1", text="green tea")
        client.batch_update([{"memory_id": "m1", "text": "black tea"}])

    contents = [json.loads(str((span.attributes or {})[RECORDS])) for span in instrumented.spans()]
    assert contents == [
        [{"content": "jasmine tea", "id": "m1"}],
        [{"content": "green tea", "id": "m1"}],
        [{"content": "black tea", "id": "m1"}],
    ]


def test_the_message_of_a_failure_is_content(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception's message may repeat content, so it is the span's description only with the opt-in."""
    monkeypatch.setenv(VARIABLE, "true")
    with pytest.raises(ValueError, match="not found"):
        memory.delete("00000000-0000-0000-0000-000000000000")

    description = instrumented.operation_span().status.description
    assert description == "Memory with id 00000000-0000-0000-0000-000000000000 not found"


def test_hooks_see_the_span_the_object_the_call_and_the_result(
    application: Application, memory: mem0.Memory, async_memory: mem0.AsyncMemory
) -> None:
    """The request hook gets the arguments and the response hook the result. Both can add attributes to the span."""
    seen: list[tuple[Any, ...]] = []

    def request(span: Any, instance: object, args: Any, kwargs: Any) -> None:
        span.set_attribute("app.tenant", "blue")
        seen.append((instance, args, kwargs))

    def response(span: Any, instance: object, result: Any) -> None:
        span.set_attribute("app.results", len(result["results"]))
        seen.append((instance, result))

    application.instrument(request_hook=request, response_hook=response)
    result = memory.search("tea", filters=PEOPLE)
    asyncio.run(async_memory.search("tea", filters=PEOPLE))

    assert seen[:2] == [(memory, ("tea",), {"filters": PEOPLE}), (memory, result)]
    assert [entry[0] for entry in seen[2:]] == [async_memory, async_memory]
    for span in application.operation_spans():
        assert (span.attributes or {})["app.tenant"] == "blue"
        assert (span.attributes or {})["app.results"] == 0


def test_a_failed_operation_calls_no_response_hook(application: Application, memory: mem0.Memory) -> None:
    """A failed operation does not call the response hook."""
    seen: list[Any] = []
    application.instrument(response_hook=lambda *arguments: seen.append(arguments))
    with pytest.raises(NotImplementedError):
        memory.chat("hello")
    assert seen == []


def test_hooks_can_be_given_later_and_end_with_the_instrumentation(
    instrumented: Application, memory: mem0.Memory
) -> None:
    """A second `install` changes only the settings that it passes. `remove` resets all settings."""
    seen: list[Any] = []
    operations.install(request_hook=lambda *arguments: seen.append(arguments))
    memory.get_all(filters=PEOPLE)
    assert len(seen) == 1
    assert instrumented.operation_span().name == "list_memory"

    operations.remove()
    instrumented.instrument()
    memory.get_all(filters=PEOPLE)
    assert len(seen) == 1
