"""Help the tests of one destination's spool: make batches, and find their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from mem0_telemetry.delivery._batch import Batch, BatchName
from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.delivery import Delivery
    from mem0_telemetry.delivery._mailbox import Mailbox

    Make = Callable[..., Mailbox]

RECORD = ReadableLogRecord(LogRecord(timestamp=1), Resource({}))


def batch(time_ns: int = 1, count: int = 1, size: int = 100) -> Batch:
    """Return a batch whose line has `size` bytes."""
    name = str(BatchName.new(time_ns=time_ns, count=count))
    return Batch(name=name, line=b"x" * (size - 1) + b"\n", records=(RECORD,) * count)


def spool(directory: Path) -> Path:
    """Return the directory of the spool's files."""
    return directory / "spool" / "loop-abc123"


def leave_behind(make: Callable[..., Delivery], sink: support.Sink, *groups: range) -> None:
    """Write each group into a separate file, as a process that has ended would leave it."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=60))
    for group in groups:
        with delivery._writer._writing:  # Otherwise the first event gets a separate file.
            support.enqueue_numbers(delivery, group)
        delivery._writer.flush(60)
    assert not delivery.shutdown(30)  # No request is in progress now.
    sink.answer_all(200)
