"""Our threads are invisible to the application, and do not see the application's context."""

from __future__ import annotations

import logging
import os
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry import context as otel_context
from opentelemetry import trace
from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]

pytestmark = pytest.mark.interpreter


def observed(port: int, look: Callable[[], None]) -> LogRecordExporter:
    """Return an exporter that calls `look` before it sends."""
    exporter = support.exporter_to(port)
    export = exporter.export

    def look_and_export(batch: Sequence[Any]) -> Any:
        look()
        return export(batch)

    exporter.export = look_and_export  # type: ignore[method-assign]
    return exporter


def test_foreign_loggers_are_silent_for_our_threads_only(
    make: Make, sink: support.Sink, caplog: pytest.LogCaptureFixture
) -> None:
    """Records that an exporter's library logs on our thread are dropped; the application's on that logger are not."""
    caplog.set_level(logging.DEBUG)
    library, child = logging.getLogger("some.library"), logging.getLogger("some.library.child")
    level, handlers = library.level, list(library.handlers)

    def speak() -> None:
        library.error("from our thread")
        child.error("from our thread")
        speaker = threading.Thread(target=library.error, args=("from the application",))
        speaker.start()
        speaker.join()

    delivery = make(
        support.destination_to(
            sink.port,
            build=lambda: observed(sink.port, speak),
            foreign_loggers=("some.library", "some.library.child"),
        )
    )
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)
    delivery.shutdown(5)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("some.library")]
    assert messages == ["from the application"]
    assert (library.level, library.handlers, library.filters, child.filters) == (level, handlers, [], [])


@pytest.mark.usefixtures("lenient")
def test_an_exception_is_logged_once_at_debug(
    make: Make, sink: support.Sink, caplog: pytest.LogCaptureFixture
) -> None:
    """An exporter's exception is logged once, at DEBUG, on our logger only."""
    caplog.set_level(logging.DEBUG)

    def fail() -> None:
        raise ValueError("no")

    delivery = make(support.destination_to(sink.port, build=lambda: observed(sink.port, fail)))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(lambda: len(delivery.status().destinations[0].reason) > 1)
    assert support.wait_until(lambda: delivery.status().destinations[0].state == "quiet")
    ours = [(record.name, record.levelno) for record in caplog.records]
    assert ours == [("mem0_telemetry", logging.DEBUG)]


def test_instrumentation_is_suppressed_while_sending(make: Make, sink: support.Sink) -> None:
    """During an export, HTTP instrumentations are suppressed on our thread, and not on the application's."""
    utils = pytest.importorskip("opentelemetry.instrumentation.utils", reason="not installed")
    seen: list[bool] = []

    def look() -> None:
        seen.append(utils.is_instrumentation_enabled() or utils.is_http_instrumentation_enabled())

    delivery = make(support.destination_to(sink.port, build=lambda: observed(sink.port, look)))
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)
    assert seen == [False]
    assert utils.is_http_instrumentation_enabled()


def test_the_callers_context_is_not_recorded(make: Make, sink: support.Sink) -> None:
    """A record of an event inside a span has no trace id, and our threads do not see the caller's context."""
    from opentelemetry.sdk.trace import TracerProvider

    contexts: list[Any] = []
    records: list[Any] = []

    def accept(record: Any) -> Any:
        records.append(record.log_record)
        contexts.append(otel_context.get_value("secret"))
        return record

    delivery = make(
        support.destination_to(
            sink.port,
            build=lambda: observed(sink.port, lambda: contexts.append(otel_context.get_value("secret"))),
        ),
        accept=accept,
    )
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    token = otel_context.attach(otel_context.set_value("secret", "baggage"))
    try:
        with tracer.start_as_current_span("work"):
            assert trace.get_current_span().get_span_context().is_valid
            support.enqueue_numbers(delivery, [1])
            assert delivery.flush(60)
    finally:
        otel_context.detach(token)
    assert [(record.trace_id, record.span_id) for record in records] == [(0, 0)]
    assert contexts == [None, None]


def test_our_threads_inherit_no_context_from_an_instrumentation(
    make: Make, sink: support.Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our threads do not inherit the starter's context, even if an instrumentation passes it to every thread."""
    start, run = threading.Thread.start, threading.Thread.run

    def start_with_context(thread: Any) -> None:
        thread.inherited = otel_context.get_current()
        start(thread)

    def run_with_context(thread: Any) -> None:
        otel_context.attach(thread.inherited)
        run(thread)

    monkeypatch.setattr(threading.Thread, "start", start_with_context)
    monkeypatch.setattr(threading.Thread, "run", run_with_context)
    seen: list[Any] = []
    delivery = make(
        support.destination_to(
            sink.port,
            build=lambda: observed(sink.port, lambda: seen.append(otel_context.get_value("secret"))),
        ),
        accept=lambda record: (seen.append(otel_context.get_value("secret")), record)[1],
    )
    token = otel_context.attach(otel_context.set_value("secret", "baggage"))
    try:
        support.enqueue_numbers(delivery, [1])
        assert delivery.flush(60)
    finally:
        otel_context.detach(token)
    assert seen == [None, None]


def test_environment_and_random_numbers_do_not_change(make: Make, sink: support.Sink) -> None:
    """Delivery changes neither `os.environ` nor the state of the global random generator."""
    environment = dict(os.environ)
    random.seed(7)
    state = random.getstate()
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port))
    support.enqueue_numbers(delivery, range(100))
    assert support.wait_until(lambda: len(sink.requests) >= 4)
    delivery.shutdown(0)
    assert random.getstate() == state
    assert dict(os.environ) == environment


def test_a_signal_handler_may_enqueue(directory: Path, sink: support.Sink) -> None:
    """A signal handler that interrupts `enqueue` may call it without a deadlock."""
    code = """
import signal
d = to_sink(D, P)
enqueue_numbers(d, [-5])
numbers = iter(range(1_000_000, 2_000_000))
signal.signal(signal.SIGALRM, lambda *_: enqueue_numbers(d, [next(numbers)]))
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
total = 0
for number in range(300):
    total += enqueue_numbers(d, range(number * 100, number * 100 + 100))
    d.count_dropped("test")
    if number % 50 == 0: d.flush(5)
signal.setitimer(signal.ITIMER_REAL, 0)
assert d.flush(60), d.status()
snapshot = d.status()
assert next(numbers) > 1_000_010
assert snapshot.sent == snapshot.spooled, snapshot
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.err) == (0, "")
