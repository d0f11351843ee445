"""Third-party code that misbehaves (an exporter, a processor) ends no thread of ours, and its failures are counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult

from mem0_telemetry.delivery import reading
from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]

pytestmark = pytest.mark.interpreter

THREADS = ("tests-writer", "tests-sender-loop")


class UnprintableError(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise RuntimeError


ERRORS = [asyncio.CancelledError, SystemExit, KeyboardInterrupt]
"""Exceptions that are no `Exception`; a third-party library may raise them."""


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", ["build", "warm_up", "export"])
def test_any_exception_of_an_exporter_is_a_failure(
    where: str, error: type[BaseException], make: Make, sink: support.Sink
) -> None:
    """The status shows any exception of an exporter, also one that is no `Exception`; the event arrives later."""
    exporter: Any = support.exporter_to(sink.port)
    export, works = exporter.export, False

    def fail(place: str) -> None:
        if place == where and not works:
            raise error("for now")

    def build() -> object:
        fail("build")
        return exporter

    exporter.warm_up = lambda: fail("warm_up")
    exporter.export = lambda batch: (fail("export"), export(batch))[1]
    delivery = make(support.destination_to(sink.port, build=build))
    support.enqueue_numbers(delivery, [1])
    assert support.wait_until(
        lambda: f"{error.__name__}: for now" in delivery.status().destinations[0].reason
    )
    works = True
    assert sink.wait_for(1)
    assert delivery.flush(60)
    status = delivery.status()
    assert (status.threads, status.destinations[0].state, status.dropped) == (THREADS, "ok", {})


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", ["emit", "accept"])
def test_any_exception_of_the_callers_functions_is_counted(
    where: str, error: type[BaseException], make: Make, sink: support.Sink
) -> None:
    """An event on which `emit` or `accept` raises, also what is no `Exception`, is counted; the next ones arrive."""
    emitter = support.Emitter()
    errors = iter([error("once")])

    def fail_once(place: str) -> None:
        if place == where:
            for raised in errors:
                raise raised

    def emit(*event: Any) -> None:
        fail_once("emit")
        emitter(*event)

    def accept(record: Any) -> Any:
        fail_once("accept")
        return record

    emitter.delivery = delivery = make(support.destination_to(sink.port), emit=emit, accept=accept)
    support.enqueue_numbers(delivery, range(3))
    assert delivery.flush(60)
    assert sink.numbers() == [1, 2]
    assert (delivery.status().threads, delivery.status().dropped) == (THREADS, {"unencodable": 1})


def test_an_exporter_whose_shutdown_raises_prints_nothing(directory: Path, sink: support.Sink) -> None:
    """If the exporter's `shutdown` raises what is no `Exception`, the thread ends without a traceback."""
    code = """
import asyncio
exporter = exporter_to(P)
def shutdown(): print("shut down", flush=True); raise asyncio.CancelledError
exporter.shutdown = shutdown
d = pipeline(Path(D), destination_to(P, build=lambda: exporter))
enqueue_numbers(d, [1]); assert d.shutdown(60)
assert wait_until(lambda: not d.status().threads)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.out, finished.err) == (0, "shut down\n", "")


NO_THREADS = """
threading.stack_size(32768)  # too small for our threads: the main thread writes the queue
def handler(*_): sys.exit(5)
signal.signal(signal.SIGTERM, handler)
emitted = []
def emit(time_ns, event, attributes): emitted.append(attributes["n"]); signal.raise_signal(NUMBER)
d = to_sink(D, P, emit=emit)
enqueue_numbers(d, range(3))
"""


def test_an_interrupt_ends_the_write_at_exit(directory: Path, sink: support.Sink) -> None:
    """Ctrl-C during `emit`, while the main thread writes the queue at exit, ends the write without a traceback."""
    code = "import atexit; atexit.register(lambda: print(emitted))\n" + NO_THREADS
    finished = support.run(code.replace("NUMBER", "signal.SIGINT"), directory, sink.port)
    assert (finished.code, finished.out, finished.err) == (0, "[0]\n", "")


def test_a_signal_handler_can_exit_during_a_flush(directory: Path, sink: support.Sink) -> None:
    """If a signal handler of the application exits during `emit` on the main thread, the process ends as it wants."""
    code = NO_THREADS.replace("NUMBER", "signal.SIGTERM") + "d.flush(60); print('not ended')"
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.out) == (5, "")


@pytest.mark.posix
def test_gevent_can_kill_our_greenlet(directory: Path, sink: support.Sink) -> None:
    """A greenlet of ours that gevent kills during an export ends."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    code = """
from gevent import monkey; monkey.patch_all()
import gevent
exporting = []
def export(batch): exporting.append(gevent.getcurrent()); time.sleep(600)
exporter = exporter_to(P); exporter.export = export
d = pipeline(Path(D), destination_to(P, build=lambda: exporter), exit_timeout=0)
enqueue_numbers(d, [1]); assert wait_until(lambda: exporting)
exporting[0].kill(timeout=60)
print(len(exporting), exporting[0].dead, d.status().threads)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.code, finished.out) == (0, "1 True ('tests-writer',)\n")


@pytest.mark.usefixtures("lenient")
def test_an_exporter_may_have_odd_members(make: Make, sink: support.Sink, directory: Path) -> None:
    """A `warm_up` that is None, a `retry_after` beyond every float and an error without a text do no harm."""
    exporter: Any = support.exporter_to(sink.port)
    exporter.warm_up, exporter.retry_after = None, 10**400
    export, errors = exporter.export, iter([UnprintableError()])

    def fail_once(batch: Any) -> Any:
        for error in errors:
            raise error
        return export(batch)

    exporter.export = fail_once
    delivery = make(support.destination_to(sink.port, build=lambda: exporter))
    support.enqueue_numbers(delivery, [1])
    assert sink.wait_for(1)
    assert delivery.flush(60)
    assert (delivery.status().threads, delivery.status().dropped) == (THREADS, {})
    if support.NO_LOCKS:  # then there is no history
        return
    results = [(entry["result"], entry.get("reason")) for entry in reading.history(directory)]
    assert results == [("failed", "UnprintableError"), ("sent", None)]


@pytest.mark.parametrize("text", ["the field `secret` is not allowed in a body", "bad field\nx"])
def test_a_refusal_with_an_odd_text_is_a_refusal(
    text: str, make: Make, sink: support.Sink, directory: Path
) -> None:
    """A refusal with a long or unprintable text counts like any other; the text, which may be secret, is not shown."""
    exporter: Any = support.exporter_to(sink.port)
    told: list[str] = []

    def export(_: object) -> LogRecordExportResult:
        exporter.refusal = text
        return LogRecordExportResult.SUCCESS

    exporter.export = export
    delivery = make(support.destination_to(sink.port, build=lambda: exporter, on_refusal=told.append))
    support.enqueue_numbers(delivery, [1])
    assert delivery.flush(60)
    status = delivery.status()
    assert (status.dropped, status.destinations[0].sent) == ({"refused": 1}, 0)
    assert status.destinations[0].state == "refused"
    assert told == [status.destinations[0].reason] == ["a reason that cannot be shown"]
    assert support.NO_LOCKS or [entry["reason"] for entry in reading.history(directory)] == told
