"""Mem0 works as before, whatever the application's OpenTelemetry does."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NoOpTracerProvider

from mem0_telemetry import operations
from mem0_telemetry.operations import _wrappers
from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from collections.abc import Callable

    import mem0
    from conftest import Application

ALICE = {"user_id": "alice"}


class Broken(Exception):  # noqa: N818  # raised on purpose
    """The exception that the fakes in this file raise."""


class BrokenProvider(trace.TracerProvider):
    """A tracer provider whose `get_tracer` raises."""

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        """Fail."""
        raise Broken


class BrokenTracer(trace.TracerProvider):
    """A tracer provider whose tracer raises in `start_span`."""

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        """Return a tracer that raises in `start_span`."""
        return type("Tracer", (), {"start_span": self._fail})()

    @staticmethod
    def _fail(*_: Any, **__: Any) -> Any:
        raise Broken


def fail_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises a `RecursionError` at its first call, and calls `function` from then on."""
    failures = iter([RecursionError()])

    def call(*args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return function(*args, **kwargs)

    return call


def interrupt_once(application: Application, monkeypatch: pytest.MonkeyPatch, span_name: str) -> None:
    """Raise a `KeyboardInterrupt` in the sampler for the first span with this name."""
    interrupts = iter([KeyboardInterrupt()])

    def should_sample(context: Any, trace_id: int, name: str, *arguments: Any, **others: Any) -> Any:
        for interrupt in interrupts if name == span_name else ():
            raise interrupt
        return ALWAYS_ON.should_sample(context, trace_id, name, *arguments, **others)

    monkeypatch.setattr(application.tracer_provider, "sampler", mock.Mock(should_sample=should_sample))


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("provider", [BrokenProvider(), BrokenTracer()])
def test_a_broken_provider(application: Application, memory: mem0.Memory, provider: Any) -> None:
    """If a provider raises, the application loses only its spans."""
    operations.install(tracer_provider=provider, meter_provider=application.meter_provider)
    memory.add("I like tea.", user_id="alice")
    assert memory.search("tea", filters=ALICE)["results"]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.usefixtures("lenient")
def test_a_broken_hook(
    application: Application, memory: mem0.Memory, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook that raises is reported at DEBUG, and the span is complete without it."""

    def fail(*_: Any) -> None:
        raise Broken

    caplog.set_level(logging.DEBUG, logger="mem0_telemetry")
    application.instrument(request_hook=fail, response_hook=fail)
    memory.get_all(filters=ALICE)

    span = application.operation_span()
    assert (span.attributes or {})["gen_ai.memory.record.count"] == 0
    reports = [record for record in caplog.records if record.name == "mem0_telemetry"]
    assert {record.levelno for record in reports} <= {logging.DEBUG}


def test_dropped_component_classes_are_garbage_collected(
    instrumented: Application, memory: mem0.Memory
) -> None:
    """A component class that the application drops is garbage-collected, and `remove` works without it."""

    def search_with_a_class_of_its_own() -> weakref.ref[type]:
        class Embedder:
            def embed(self, *_: Any) -> list[float]:
                return [1.0] * 32

        memory.embedding_model = Embedder()
        memory.search("tea", filters=ALICE)
        memory.embedding_model = None
        return weakref.ref(Embedder)

    gone = search_with_a_class_of_its_own()
    assert "mem0.embed" in {span.name for span in instrumented.spans()}
    gc.collect()
    assert gone() is None
    operations.remove()


@pytest.mark.usefixtures("lenient")
def test_a_component_that_cannot_be_instrumented(instrumented: Application, memory: mem0.Memory) -> None:
    """A class that refuses new attributes keeps its methods, and the operation works."""

    class Frozen(type):
        def __setattr__(cls, name: str, value: object) -> None:
            raise Broken

    class Embedder(metaclass=Frozen):
        def embed(self, *_: Any) -> list[float]:
            return [1.0] * 32

    memory.embedding_model = Embedder()
    memory.search("tea", filters=ALICE)
    assert "mem0.embed" not in {span.name for span in instrumented.spans()}


@pytest.mark.parametrize("hook", ["request_hook", "response_hook"])
def test_a_hook_that_is_interrupted(application: Application, memory: mem0.Memory, hook: str) -> None:
    """Ctrl-C in a hook reaches the caller and ends the operation's span, which does not stay current."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    application.instrument(**{hook: interrupt})
    with pytest.raises(KeyboardInterrupt):
        memory.get_all(filters=ALICE)
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert application.operation_span().name == "list_memory"


def test_interrupted_while_an_operation_starts_its_span(
    application: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a sampler reaches the caller, the operation is measured, and the next one is recorded as usual."""
    interrupt_once(application, monkeypatch, "list_memory")
    application.instrument()
    with pytest.raises(KeyboardInterrupt):
        memory.get_all(filters=ALICE)
    assert trace.get_current_span() is trace.INVALID_SPAN
    memory.get_all(filters=ALICE)
    assert [span.name for span in application.spans()] == ["list_memory", "mem0.vector_store.list"]
    errors = {(point.attributes or {}).get("error.type"): point.count for point in application.durations()}
    assert errors == {"KeyboardInterrupt": 1, None: 1}


def test_interrupted_while_a_phase_starts_its_span(
    application: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a component handles a Ctrl-C in a sampler, its next call of the same component is recorded as usual."""

    class Persistent:
        def embed(self, *_: Any) -> list[float]:
            messages = [{"role": "user", "content": "tea"}]
            with pytest.raises(KeyboardInterrupt):
                memory.llm.generate_response(messages)
            memory.llm.generate_response(messages)
            return [1.0] * 32

    memory.embedding_model = Persistent()
    interrupt_once(application, monkeypatch, "mem0.llm.generate")
    application.instrument()
    memory.search("tea", filters=ALICE)
    spans = {span.name: span for span in application.spans()}
    parent = spans["mem0.llm.generate"].parent
    assert parent is not None
    assert parent.span_id == spans["mem0.embed"].context.span_id


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    "asked",
    [
        (TracerProvider, "get_tracer"),
        (MeterProvider, "get_meter"),
        (trace, "get_tracer_provider"),
        (metrics, "get_meter_provider"),
    ],
)
def test_a_provider_that_fails_once(
    application: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch, asked: tuple[Any, str]
) -> None:
    """After a temporary error, such as one near the recursion limit, the next call asks the provider again."""
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: application.tracer_provider)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: application.meter_provider)
    monkeypatch.setattr(*asked, fail_once(getattr(*asked)))
    operations.install()
    memory.get_all(filters=ALICE)
    application.spans()
    memory.get_all(filters=ALICE)
    assert application.operation_span().name == "list_memory"
    assert operations.state()[1].endswith("recording traces and metrics")


@pytest.mark.usefixtures("lenient")
def test_a_component_that_fails_to_be_instrumented_once(
    instrumented: Application, memory: mem0.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a temporary error, the next operation instruments the component's class."""

    class Embedder:
        def embed(self, *_: Any) -> list[float]:
            return [1.0] * 32

    memory.get_all(filters=ALICE)
    memory.embedding_model = Embedder()
    monkeypatch.setattr(_wrappers, "recorded", fail_once(_wrappers.recorded))
    memory.search("tea", filters=ALICE)
    assert "mem0.embed" not in {span.name for span in instrumented.spans()}
    memory.search("tea", filters=ALICE)
    assert "mem0.embed" in {span.name for span in instrumented.spans()}


def test_removed_while_an_operation_begins(instrumented: Application, memory: mem0.Memory) -> None:
    """If `remove` runs while a beginning operation instruments a component, that component is restored too."""
    replaced: list[str] = []

    class TakesAllBack(type):
        def __setattr__(cls, name: str, value: object) -> None:
            operations.remove()
            replaced.append(name)
            super().__setattr__(name, value)

    class Embedder(metaclass=TakesAllBack):
        def embed(self, *_: Any) -> list[float]:
            return [1.0] * 32

    memory.embedding_model = Embedder()
    memory.get_all(filters=ALICE)
    assert instrumented.operation_span().name == "list_memory"
    assert replaced == ["embed", "embed"]
    assert not hasattr(Embedder.embed, "__wrapped__")


def test_suppressed_instrumentation(instrumented: Application, memory: mem0.Memory) -> None:
    """If instrumentation is suppressed in the context, nothing is recorded."""
    with suppress_instrumentation():
        memory.get_all(filters=ALICE)
    assert (instrumented.spans(), instrumented.durations()) == ([], [])


def test_only_traces_or_only_metrics(application: Application, memory: mem0.Memory) -> None:
    """An application can have traces without metrics, or metrics without traces."""
    operations.install(tracer_provider=application.tracer_provider)
    assert operations.state()[1].endswith("recording traces")
    memory.get_all(filters=ALICE)
    assert application.operation_span().name == "list_memory"
    operations.remove()

    operations.install(meter_provider=application.meter_provider)
    assert operations.state()[1].endswith("recording metrics")
    memory.add("I like tea.", user_id="alice")
    assert application.spans() == []
    assert [point.count for point in application.durations()] == [1]


def test_providers_that_do_nothing(memory: mem0.Memory, application: Application) -> None:
    """With the API's no-op providers, a call goes straight to Mem0."""
    operations.install(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    memory.get_all(filters=ALICE)
    assert not hasattr(type(memory.vector_store).list, "__wrapped__")
    assert application.spans() == []


def test_a_disabled_sdk(
    memory: mem0.Memory, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With OTEL_SDK_DISABLED the SDK's providers return no-ops, so a call goes straight to Mem0."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    disabled = TracerProvider(shutdown_on_exit=False), MeterProvider(shutdown_on_exit=False)
    operations.install(tracer_provider=disabled[0], meter_provider=disabled[1])
    memory.get_all(filters=ALICE)
    assert not hasattr(type(memory.vector_store).list, "__wrapped__")
    assert application.spans() == []


def test_no_sdk(memory: mem0.Memory) -> None:
    """The API alone, without a provider of any kind, records nothing and changes no component."""
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider"
    operations.install()
    try:
        memory.get_all(filters=ALICE)
        memory.get_all(filters=ALICE)
        assert not hasattr(type(memory.vector_store).list, "__wrapped__")
    finally:
        operations.remove()


def test_a_sampled_out_operation(application: Application, memory: mem0.Memory) -> None:
    """An operation that is not sampled is measured, but has no span and no phases, and calls no hook."""
    seen: list[Any] = []
    application.tracer_provider.sampler = ALWAYS_OFF
    application.instrument(request_hook=lambda *arguments: seen.append(arguments))
    memory.add("I like tea.", user_id="alice")
    assert (application.spans(), seen) == ([], [])
    assert [point.count for point in application.durations()] == [1]


def test_a_sampled_out_operation_asks_the_sampler_once(application: Application, memory: mem0.Memory) -> None:
    """If an operation's span does not record, its phases start no spans, and spans below it are not sampled."""
    sampler = application.tracer_provider.sampler = mock.Mock(wraps=ALWAYS_ON)
    application.instrument()
    memory.add("I like tea.", user_id="alice")
    assert len(application.spans()) == sampler.should_sample.call_count > 1
    sampler.should_sample.side_effect = ALWAYS_OFF.should_sample
    sampler.reset_mock()
    seen: list[trace.SpanContext] = []
    embed = memory.embedding_model.embed

    def seeing(*arguments: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context())
        return embed(*arguments)

    memory.embedding_model.embed = seeing
    memory.search("tea", filters=ALICE)
    assert sampler.should_sample.call_count == 1
    assert [(context.is_valid, context.trace_flags.sampled) for context in seen] == [(True, False)]
    assert application.spans() == []


def test_the_applications_own_span_is_the_parent(instrumented: Application, memory: mem0.Memory) -> None:
    """An operation is a child of the application's current span, which is current again afterwards."""
    tracer = instrumented.tracer_provider.get_tracer("application")
    with tracer.start_as_current_span("request") as request:
        memory.get_all(filters=ALICE)
        assert trace.get_current_span() is request

    spans = {span.name: span for span in instrumented.spans()}
    parent = spans["list_memory"].parent
    assert parent is not None
    assert parent.span_id == request.get_span_context().span_id
