"""What the tests of one destination's spool share: batches to keep there, and where their files are."""

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
    """Return a batch whose line has that size."""
    name = str(BatchName.new(time_ns=time_ns, count=count))
    return Batch(name=name, line=b"x" * (size - 1) + b"\n", records=(RECORD,) * count)


def spool(directory: Path) -> Path:
    """Where its files are."""
    return directory / "spool" / "loop-abc123"


def leave_behind(make: Callable[..., Delivery], sink: support.Sink, *groups: range) -> None:
    """Write each group into a file of its own, of a process that has ended."""
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port), limits=support.quick_limits(backoff_initial=60))
    for group in groups:
        with delivery._writer._writing:  # the first event of a pause would have a file of its own
            support.enqueue_numbers(delivery, group)
        delivery._writer.flush(60)
    assert not delivery.shutdown(30)  # no request is on its way any more
    sink.answer_all(200)
