"""The end of the SDK's pipeline, the beginning of ours: what a provider emits waits here for the writer."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadWriteLogRecord

    from mem0_telemetry.delivery._drops import Drops


class SpoolProcessor(LogRecordProcessor):
    """Takes records from any thread without I/O or waiting.

    It may be added to several providers, and outlives them: to end the delivery is `Delivery.shutdown`.
    """

    def __init__(
        self,
        *,
        max_records: int,
        drops: Drops,
        notify: Callable[[], None],
        flush: Callable[[float], bool],
    ) -> None:
        self._max_records = max_records
        self._drops = drops
        self._notify = notify
        self._flush = flush
        self._pending: deque[ReadableLogRecord] = deque()
        self._closed = False

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keep the record for the writer, or drop and count it where too many wait, or it is too late."""
        if self._closed:
            self._drops.count("shut_down")
            return
        if len(self._pending) >= self._max_records:
            self._drops.count("queue_full")
            return
        self._pending.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )
        self._count_too_late()
        self._notify()

    def __len__(self) -> int:
        return len(self._pending)

    def take(self, count: int) -> list[ReadableLogRecord]:
        """At most `count` of the records that wait, oldest first."""
        taken: list[ReadableLogRecord] = []
        with suppress(IndexError):  # none left: others may be taking them too
            while len(taken) < count:
                taken.append(self._pending.popleft())
        return taken

    def close(self) -> None:
        """Take no more, and count what nobody will take up."""
        self._closed = True
        self._count_too_late()

    def _count_too_late(self) -> None:
        if self._closed:
            self._drops.count("shut_down", len(self.take(len(self._pending))))

    def forget_inherited(self) -> None:
        """In a forked child: what waits is the parent's."""
        self._pending = deque()

    def shutdown(self) -> None:
        """Nothing: the delivery goes on for other providers."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """As `Delivery.flush`."""
        return self._flush(timeout_millis / 1000)
