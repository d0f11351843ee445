"""Emitted records reach the writer correctly while several threads use it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadWriteLogRecord

from mem0_telemetry.delivery._senders import Senders
from mem0_telemetry.delivery._writer import SpoolProcessor, Writer
from support import delivery as support

if TYPE_CHECKING:
    from mem0_telemetry.delivery._status import Drops


@pytest.fixture
def writer(drops: Drops) -> Writer:
    """Return a writer whose thread is not started."""
    wiring = support.wiring(drops)
    return Writer(wiring, Senders(wiring, ()))


def emit(writer: Writer) -> None:
    """Emit one record to the writer."""
    processor = SpoolProcessor(writer.enqueue_record, lambda _: True)
    processor.on_emit(ReadWriteLogRecord(LogRecord(event_name="test.event")))


def test_a_discard_while_the_writer_dequeues(writer: Writer, drops: Drops) -> None:
    """A discard while the writer dequeues drops and counts only the remaining records."""
    others: list[Any] = []

    class Contended(deque[Any]):
        def popleft(self) -> Any:
            if not others:
                others.extend((super().popleft(), super().popleft()))
            return super().popleft()

    writer._records = Contended()
    for _ in range(3):
        emit(writer)
    writer.clear()
    assert not writer.has_work
    assert drops.totals() == {"discarded": 1}


def test_a_record_that_arrives_while_the_writer_closes(writer: Writer, drops: Drops) -> None:
    """A record that arrives while the writer is closing is dropped and counted."""

    class Closing(deque[Any]):
        def append(self, record: Any) -> None:
            writer.close()
            super().append(record)

    writer._records = Closing()
    emit(writer)
    assert not writer.has_work
    assert drops.totals() == {"shut_down": 1}
    emit(writer)
    assert drops.totals() == {"shut_down": 2}


def test_an_event_that_is_discarded_during_its_emit(drops: Drops) -> None:
    """An event that is discarded during its emit is not written; a later one is."""
    discarding = iter([True, False])

    def emit_event(*_: object) -> None:
        if next(discarding):
            writer.clear()
        emit(writer)

    wiring = support.wiring(drops, emit=emit_event)
    writer = Writer(wiring, Senders(wiring, ()))
    writer.enqueue((1, "test.event", {}))
    assert writer.write_here(60)
    assert (writer.spooled, drops.totals()) == (0, {"discarded": 1})
    writer.enqueue((2, "test.event", {}))
    assert writer.write_here(60)
    assert (writer.spooled, drops.totals()) == (1, {"discarded": 1})


@pytest.mark.parametrize("allowed", [True, False])
def test_a_signal_handler_emits_while_its_thread_writes(*, allowed: bool, drops: Drops) -> None:
    """A record that a signal handler emits on the writing thread is in the next batch, or discarded."""
    asked: list[bool] = []

    def may_be_written() -> bool:
        asked.append(True)
        if len(asked) == 2:  # the first batch has just been written
            emit(writer)
        return allowed or len(asked) <= 2

    wiring = support.wiring(drops, allowed=may_be_written, discard=lambda: writer.clear())  # noqa: PLW0108  # there is none yet
    writer = Writer(wiring, Senders(wiring, ()))
    emit(writer)
    assert writer.write_here(60)
    assert not writer.has_work
    assert (writer.spooled, drops.totals()) == ((2, {}) if allowed else (1, {"discarded": 1}))
