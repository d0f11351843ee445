"""Mem0's operations arrive in third-party backends: span trees in Phoenix, the histogram in the test agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import mem0
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mem0_telemetry import operations
from mem0_telemetry.cli.harness import fake_models
from support.receivers import Phoenix, TestAgent, attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.backends
ALICE = {"user_id": "alice"}
SERVICE = Resource({"service.name": "application"})


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return a working directory for a receiver."""
    directory = tmp_path / "receiver"
    directory.mkdir()
    return directory


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[mem0.Memory]:
    """Yield a real `Memory` on embedded Qdrant; remove the instrumentation after the test."""
    memory = mem0.Memory.from_config(fake_models.configuration(tmp_path / "memory"))
    yield memory
    operations.remove()
    memory.vector_store.client.close()
    memory.close()


class Seen(NamedTuple):
    """A span, as the application ended it or as a backend returned it."""

    span_id: str
    parent: str
    name: str
    attributes: dict[str, Any]


def session(memory: mem0.Memory) -> None:
    """Add a memory, search, and fail to delete an unknown memory."""
    memory.add("I like green tea. My cat is called Miso.", user_id="alice")
    memory.search("tea", filters=ALICE)
    with pytest.raises(ValueError, match="not found"):
        memory.delete("00000000-0000-0000-0000-000000000000")


def tree(spans: list[Seen]) -> set[tuple[Any, ...]]:
    """Return the name, the parent's name and the attributes of each span, without ids."""
    names = {span.span_id: span.name for span in spans}
    return {(span.name, names.get(span.parent), *sorted(span.attributes.items())) for span in spans}


def sent(span: ReadableSpan) -> Seen:
    """Return a span that the application ended, as `Seen`."""
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return Seen(f"{span.context.span_id:016x}", parent, span.name, dict(span.attributes or {}))


def test_span_trees_in_phoenix(memory: mem0.Memory, scratch: Path) -> None:
    """Phoenix returns every span with its name, parent and typed attributes, and the status of the failed one."""
    kept = InMemorySpanExporter()
    with Phoenix(scratch) as phoenix:
        provider = TracerProvider(resource=SERVICE, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{phoenix.url}/v1/traces")))
        operations.install(tracer_provider=provider)
        session(memory)
        provider.shutdown()
        spans = [sent(span) for span in kept.get_finished_spans()]
        found = phoenix.spans(len(spans))

    assert len(spans) == 15
    known = {key for span in spans for key in span.attributes}  # Phoenix adds attributes of its own
    received = [
        Seen(span["span_id"], span["parent_span_id"] or "", span["name"], attributes_of(span, known))
        for span in found
    ]
    assert {span.span_id for span in received} == {span.span_id for span in spans}
    assert tree(received) == tree(spans)
    (failed,) = [span for span in found if span["name"] == "delete_memory"]
    assert failed["status"]["message"] == "raised in mem0.memory.main.delete"


def test_histogram_in_the_test_agent(memory: mem0.Memory, scratch: Path) -> None:
    """The test agent returns the histogram: its boundaries, one point per operation, `error.type` on the failed one."""
    with TestAgent(scratch) as agent:
        exporter = OTLPMetricExporter(f"{agent.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], resource=SERVICE, shutdown_on_exit=False)
        operations.install(meter_provider=provider)
        session(memory)
        provider.shutdown()
        histogram = agent.histograms()["gen_ai.client.operation.duration"]

    points = {attributes_of(point)["gen_ai.operation.name"]: point for point in histogram["data_points"]}
    assert points.keys() == {"upsert_memory", "search_memory", "delete_memory"}
    assert attributes_of(points["delete_memory"])["error.type"] == "ValueError"
    for point in points.values():
        assert int(point["count"]) == 1
        assert point["explicit_bounds"] == [
            0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
        ]  # fmt: skip
        assert sum(map(int, point["bucket_counts"])) == 1
