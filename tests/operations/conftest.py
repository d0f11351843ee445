"""Fixtures: real Mem0 on embedded Qdrant with fake models, and an application with its own OpenTelemetry providers."""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

# Mem0 reads these when it is imported, and the fakes import it.
os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-operations-")

import mem0
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mem0_telemetry import operations
from mem0_telemetry.cli.harness import fake_models
from mem0_telemetry.cli.harness.fake_servers import FakePlatform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.metrics.export import HistogramDataPoint
    from opentelemetry.sdk.trace import ReadableSpan


def pytest_configure(config: pytest.Config) -> None:
    """Ignore a warning of embedded Qdrant, which leaves a deleted collection's SQLite to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed database:ResourceWarning")


class Application:
    """An application with its own OpenTelemetry SDK. Its providers record the operations."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider(metric_readers=[self.reader], shutdown_on_exit=False)

    def instrument(self, **hooks: Any) -> None:
        """Instrument Mem0's operations with this application's providers."""
        operations.install(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **hooks)

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that have ended, oldest first, and clear the exporter."""
        spans = sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        self.exporter.clear()
        return spans

    def operation_spans(self) -> list[ReadableSpan]:
        """Return the spans of operations, at any depth of a tree."""
        return [span for span in self.spans() if not span.name.startswith("mem0.")]

    def operation_span(self) -> ReadableSpan:
        """Return the only span of an operation."""
        (span,) = self.operation_spans()
        return span

    def durations(self) -> list[HistogramDataPoint]:
        """Return the points of the histogram of operation durations."""
        data = self.reader.get_metrics_data()
        metrics = (
            [
                metric
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            ]
            if data
            else []
        )
        return [point for metric in metrics for point in metric.data.data_points]

    def close(self) -> None:
        """Shut the providers down."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


@pytest.fixture(autouse=True)
def _native_telemetry_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Mem0's native telemetry off, and capture no content unless a test asks for it."""
    monkeypatch.setattr("mem0.memory.telemetry.MEM0_TELEMETRY", False)
    monkeypatch.setattr("mem0.memory.main.MEM0_TELEMETRY", False)
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)


@pytest.fixture
def application() -> Iterator[Application]:
    """Return an application. Operations are not instrumented before the test, nor after it."""
    application = Application()
    yield application
    operations.remove()
    application.close()


@pytest.fixture
def instrumented(application: Application) -> Application:
    """Return an application that has instrumented Mem0's operations."""
    application.instrument()
    return application


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[mem0.Memory]:
    """Return a real `Memory` on embedded Qdrant."""
    memory = mem0.Memory.from_config(fake_models.configuration(tmp_path / "sync"))
    yield memory
    memory.vector_store.client.close()
    memory.close()


@pytest.fixture
def async_memory(tmp_path: Path) -> Iterator[mem0.AsyncMemory]:
    """Return a real `AsyncMemory` on embedded Qdrant."""
    memory = mem0.AsyncMemory.from_config(fake_models.configuration(tmp_path / "async"))
    yield memory
    memory.vector_store.client.close()
    memory.close()


@pytest.fixture
def entities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find entities without spaCy, whose models must be downloaded: every capitalized word is one."""

    def extract(text: str) -> list[tuple[str, str]]:
        return [("PROPER", word) for word in re.findall(r"\b[A-Z]\w{2,}", text)]

    monkeypatch.setattr("mem0.memory.main.extract_entities", extract)
    monkeypatch.setattr("mem0.memory.main.extract_entities_batch", lambda texts: [*map(extract, texts)])


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    """Return a fake of Mem0's hosted API on a loopback port."""
    with FakePlatform() as stub:
        yield stub
