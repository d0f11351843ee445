"""The processor between the SDK and the writer, met by several threads at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadWriteLogRecord

from mem0_telemetry.delivery._processor import SpoolProcessor

if TYPE_CHECKING:
    from mem0_telemetry.delivery._drops import Drops


@pytest.fixture
def processor(drops: Drops) -> SpoolProcessor:
    """One that nobody listens to."""
    return SpoolProcessor(max_records=10, drops=drops, notify=lambda: None, flush=lambda _: True)


def emit(processor: SpoolProcessor) -> None:
    """Have it take one record."""
    processor.on_emit(ReadWriteLogRecord(LogRecord(event_name="test.event")))


def test_two_may_take_at_once(processor: SpoolProcessor) -> None:
    """Whoever takes while another does, as one who switches off while the writer writes, gets what is left."""
    others: list[Any] = []

    class Contended(deque[Any]):
        def popleft(self) -> Any:
            if not others:
                others.append(None)
                others.extend(processor.take(2))
            return super().popleft()

    processor._pending = Contended()
    for _ in range(3):
        emit(processor)
    assert len(processor.take(3)) == 1
    assert len(others) == 1 + 2
    assert processor.take(1) == []


def test_closed_while_a_record_comes(processor: SpoolProcessor, drops: Drops) -> None:
    """A record that comes while it is closed is counted, and not kept for nobody."""

    class Closing(deque[Any]):
        def append(self, record: Any) -> None:
            processor.close()
            super().append(record)

    processor._pending = Closing()
    emit(processor)
    assert len(processor) == 0
    assert drops.totals() == {"shut_down": 1}
    emit(processor)
    assert drops.totals() == {"shut_down": 2}
