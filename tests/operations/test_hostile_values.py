"""An operation keeps its span, its status and its measurement, whatever values the application passes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import mem0
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import StatusCode

from mem0_telemetry import operations
from mem0_telemetry.operations import _content
from opentelemetry import trace

if TYPE_CHECKING:
    from conftest import Application
    from opentelemetry.sdk.trace import ReadableSpan

ALICE = {"user_id": "alice"}
RECORDS = "gen_ai.memory.records"
SURROGATE = "tea \ud800"

pytestmark = pytest.mark.usefixtures("lenient")


@pytest.fixture(autouse=True)
def _captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capture content. If a value raises, the guard drops it."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")


class Hostile:
    """An object whose `str` raises."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError

    __repr__ = __str__


class Textless(Exception):  # noqa: N818  # raised on purpose
    """An exception whose `str` raises."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError


class HostileDict(dict[str, Any]):
    """A dictionary whose access methods raise."""

    def items(self) -> Any:
        """Fail."""
        raise RuntimeError

    get = __getitem__ = items


def cycle() -> dict[str, Any]:
    """Return a dictionary that contains itself, twice."""
    made: dict[str, Any] = {}
    made.update(a=made, b=[made, made])
    return made


def bomb() -> list[Any]:
    """Return a list that is small in memory but would have 2 to the power of 60 items as JSON."""
    made: list[Any] = ["x"]
    for _ in range(60):
        made = [made, made]
    return made


HOSTILE = {
    "keys that are no text": {("a", "b"): 1, None: 2, 3: 4, b"b": 5, Hostile(): 6},
    "a cycle": cycle(),
    "a bomb": bomb(),
    "depth": json.loads("[" * 900 + "]" * 900),
    "no numbers of JSON": [float("nan"), float("inf"), 10**5000, 1e300],
    "a lone surrogate": {SURROGATE: SURROGATE},
    "no text": Hostile(),
    "no dictionary": HostileDict(a=1),
    "bytes and sets": [b"\xff", {1, 2}, range(3), object],
    "huge": {"text": "x" * 10_000_000, "list": ["y"] * 1_000_000},
}


def only_span(application: Application) -> ReadableSpan:
    """Return the operation's span. Check that OTLP can encode all spans in 1 MB, and that it has a duration."""
    spans = application.spans()
    assert len(encode_spans(spans).SerializeToString()) < 1_000_000
    assert [point.count for point in application.durations()] == [1]
    assert trace.get_current_span() is trace.INVALID_SPAN
    (span,) = (span for span in spans if not span.name.startswith("mem0."))
    return span


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("key", ["metadata", "memory", "score"])
def test_content_of_a_result(instrumented: Application, memory: mem0.Memory, key: str, value: Any) -> None:
    """Content that JSON or OTLP cannot represent becomes text, or is cut or left out."""
    records = [{"id": "m", "memory": "tea", key: value}]
    with mock.patch.object(memory, "_get_all_from_vector_store", return_value=records):
        assert memory.get_all(filters=ALICE)["results"] is records

    attributes = only_span(instrumented).attributes or {}
    assert attributes["gen_ai.memory.record.count"] == 1

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    json.loads(str(attributes.get(RECORDS, "null")), parse_constant=refuse)


def test_only_values_without_a_json_form_become_text(instrumented: Application, memory: mem0.Memory) -> None:
    """A value that JSON cannot represent becomes text; the values next to it stay."""
    records = [{"id": "m", "memory": "tea", "metadata": {("a", 1): {1}, "n": float("nan"), "k": [1, None]}}]
    with mock.patch.object(memory, "_get_all_from_vector_store", return_value=records):
        memory.get_all(filters=ALICE)
    (record,) = json.loads(str((only_span(instrumented).attributes or {})[RECORDS]))
    assert record["metadata"] == {"('a', 1)": "{1}", "n": "nan", "k": [1, None]}


@pytest.mark.parametrize("query", [SURROGATE, "x" * 10_000_000])
def test_a_query(instrumented: Application, memory: mem0.Memory, query: str) -> None:
    """A query is cut to the limit, and each lone surrogate is replaced."""
    memory.search(query, filters=ALICE)
    text = str((only_span(instrumented).attributes or {})["gen_ai.memory.query.text"])
    assert text == query.replace("\ud800", "?")[: _content.LONGEST]


@pytest.mark.parametrize("error", [Textless(), ValueError(), ValueError(SURROGATE), ValueError("x" * 10**7)])
@pytest.mark.parametrize("captured", ["true", "false"])
def test_an_exception(
    instrumented: Application,
    memory: mem0.Memory,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    captured: str,
) -> None:
    """A failed operation has its status and `error.type`, whatever the message of the exception is."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", captured)
    with (
        mock.patch.object(type(memory.embedding_model), "embed", autospec=True, side_effect=error),
        pytest.raises(type(error)) as raised,
    ):
        memory.search("tea", filters=ALICE)
    assert raised.value is error
    span = only_span(instrumented)
    assert span.status.status_code is StatusCode.ERROR
    assert str((span.attributes or {})["error.type"]).endswith(type(error).__name__)


@pytest.mark.parametrize("identity", [Hostile(), SURROGATE, b"m", 7, HostileDict()])
def test_an_id(instrumented: Application, memory: mem0.Memory, identity: Any) -> None:
    """An id of any type gives a span with a record id."""
    with mock.patch.object(memory.db, "get_history", return_value=[]):
        memory.history(identity)
    assert "gen_ai.memory.record.id" in (only_span(instrumented).attributes or {})


@pytest.mark.parametrize("host", ["http://[::1", "http://h:port", Hostile(), SURROGATE, None])
def test_a_host(instrumented: Application, host: Any) -> None:
    """If the host of a hosted client is not a URL, its span has no address."""
    client = mem0.MemoryClient.__new__(mem0.MemoryClient)
    vars(client).update(host=host, project_id=SURROGATE, client=mock.Mock())
    client.get("m1")
    assert "server.address" not in (only_span(instrumented).attributes or {})


def test_names_of_a_component(instrumented: Application, memory: mem0.Memory) -> None:
    """Names that a phase reads from a component are converted so that OTLP can encode them."""
    memory.embedding_model.config.model = SURROGATE
    memory.search("tea", filters=ALICE)
    assert only_span(instrumented).name == "search_memory"


def test_a_tracer_that_raises_does_not_prevent_the_measurement(
    application: Application, memory: mem0.Memory
) -> None:
    """If starting a span fails, the operation is still measured."""
    provider = mock.Mock(spec=trace.TracerProvider)
    provider.get_tracer().start_span.side_effect = RuntimeError
    operations.install(tracer_provider=provider, meter_provider=application.meter_provider)
    memory.get_all(filters=ALICE)
    assert [point.count for point in application.durations()] == [1]


@pytest.mark.parametrize(
    "clock", ["time.perf_counter", "time.monotonic", "time.time", "time.perf_counter_ns"]
)
def test_a_patched_clock(instrumented: Application, memory: mem0.Memory, clock: str) -> None:
    """If a test patches the clock with a list of times, we use none of them, and the span ends."""
    answers = iter([10.0, 13.0])
    with (
        mock.patch.object(memory, "_get_all_from_vector_store", return_value=[]),
        mock.patch(clock, side_effect=answers),
    ):
        memory.get_all(filters=ALICE)
    assert list(answers) == [10.0, 13.0]
    assert only_span(instrumented).name == "list_memory"
