# SPDX-License-Identifier: Apache-2.0
"""The queue and the writer's thread, which emits queued events and spools the resulting records. Uses no network."""

from __future__ import annotations

import contextvars
import math
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from mem0_telemetry.base.guard import foreign_guard, guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.delivery._batch import Batcher
from mem0_telemetry.delivery._threads import Wakeup, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs import ReadWriteLogRecord

    from mem0_telemetry.delivery._batch import Batch
    from mem0_telemetry.delivery._config import Wiring
    from mem0_telemetry.delivery._senders import Senders

    Event = tuple[int, str, Mapping[str, Any]]

_Item = TypeVar("_Item")

_POLL: Final = 0.05
"""Seconds after which a waiting caller checks whether the thread still runs; normally the thread wakes it."""


class SpoolProcessor(LogRecordProcessor):
    """The log record processor that passes emitted records from the SDK to the delivery. Thread-safe.

    It may be added to several providers, and outlives them: only `Delivery.shutdown` ends the delivery.
    """

    def __init__(self, enqueue: Callable[[ReadableLogRecord], None], flush: Callable[[float], bool]) -> None:
        self._enqueue = enqueue
        self._flush = flush

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Enqueue the record, without I/O or waiting."""
        self._enqueue(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Do nothing: other providers still use the delivery."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the delivery like `Delivery.flush`, for `timeout_millis` at most."""
        return self._flush(timeout_millis / 1000)


class Writer:
    """Queues events, emits them as log records, and spools the records for every sender. Thread-safe."""

    def __init__(self, wiring: Wiring, senders: Senders) -> None:
        self.worker: Final = Worker(f"{wiring.thread_prefix}-writer", self._run)
        self.spooled = 0
        self._wiring = wiring
        self._limits, self._clock = wiring.limits, wiring.clock
        self._senders = senders
        self._emit = wiring.emit
        self._batcher = Batcher(wiring)
        # A `threading.Event` in the queue is a mark: the writer sets it once everything before it is written.
        self._queue: deque[Event | threading.Event] = deque()
        self._emitted: deque[ReadableLogRecord] = deque()
        """Records emitted on the writing thread, for its current batch."""
        self._records: deque[ReadableLogRecord] = deque()
        """Records emitted on all other threads."""
        self._wakeup = Wakeup()
        self._urgent = Wakeup()
        self._writing = threading.Lock()  # held by the thread that writes the queue: ours, or at exit another
        self._writing_thread = 0
        self._stopping = False
        self._closed = False
        self._discarded = False
        """True if the writer must drop the batch that it is writing."""

    # --- for callers ---

    def enqueue(self, event: Event) -> bool:
        """Append to the queue. If it is full, count the event and return False. Takes a few hundred ns and no lock."""
        waiting = len(self._queue)
        if waiting >= self._limits.queue_events:
            self._wiring.drops.count("queue_full")
            return False
        self._queue.append(event)
        self._wakeup.set()
        if waiting == self._limits.batch_records:
            self._urgent.set()
        return True

    def enqueue_record(self, record: ReadableLogRecord) -> None:
        """Queue an emitted record; drop and count it if the queue of records is full or the writer is closed."""
        if self.is_writing_here:
            self._emitted.append(record)
        elif len(self._records) >= self._limits.queue_events:
            self._wiring.drops.count("queue_full")
        else:
            self._records.append(record)
            self._count_late_records()

    def wake(self) -> None:
        """Make the thread write the queue."""
        self._wakeup.set()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def has_work(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self._queue or self._records or self._emitted)

    @property
    def is_writing_here(self) -> bool:
        """Return whether the calling thread is writing the queue now."""
        return self._writing_thread == threading.get_ident()

    # --- for Delivery ---

    def start(self) -> None:
        """Start the thread unless it runs; it does nothing until `wake`. Raises `RuntimeError` if it cannot start."""
        if not self.worker.alive:
            self._wakeup, self._urgent = Wakeup(), Wakeup()
            self.worker.start()

    def stop(self) -> None:
        """End the thread once the queue is empty. Does not wait."""
        self._stopping = True
        self._urgent.set()
        self._wakeup.set()

    def close(self) -> None:
        """Accept no more records, and count those that no thread will write."""
        self._closed = True
        self._count_late_records()

    def _count_late_records(self) -> None:
        if self._closed:
            self._wiring.drops.count("shut_down", len(_drained(self._records)))

    def flush(self, timeout: float) -> bool:
        """Wait until everything enqueued before is written, by the thread, or here if the thread does not run."""
        if not self.has_work and not self._writing.locked():
            return True
        deadline = self._clock.monotonic() + timeout
        mark = threading.Event()
        self._queue.append(mark)
        self._urgent.set()
        self._wakeup.set()
        while self.worker.alive:  # a thread that is ending may not see the mark
            left = deadline - self._clock.monotonic()
            if mark.wait(max(0.0, min(left, _POLL))):
                return True
            if left <= 0:
                return False
        return self.write_here(deadline - self._clock.monotonic())

    def write_here(self, timeout: float) -> bool:
        """Write the queue on the calling thread. Return False if another thread writes and does not finish in time."""
        if not self._writing.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            contextvars.Context().run(self._write_queue)  # as on the writer's thread: outside every span
        finally:
            self._writing.release()
        return True

    def clear(self) -> None:
        """Drop the queue, and the batch that is being written."""
        records, events = _drained(self._emitted) + _drained(self._records), _drained(self._queue)
        marks = [event for event in events if isinstance(event, threading.Event)]
        for mark in marks:
            mark.set()
        self._wiring.drops.count("discarded", len(records) + len(events) - len(marks))
        self._discarded = True  # set this last: a batch that begins before the queue is empty resets it

    def wait_for_the_write(self, timeout: float) -> None:
        """After a discard, wait until the batch in progress is written and deleted. The writer itself never waits."""
        if not self.is_writing_here and self._writing.acquire(timeout=max(0.0, timeout)):
            self._writing.release()

    # --- on the writing thread ---

    def _run(self) -> None:
        written_at, tidied = -math.inf, False
        while not self._stopping or self.has_work:
            self._wakeup.wait()
            pause = written_at + self._limits.linger - self._clock.monotonic()
            if pause > 0:
                self._urgent.wait(pause)
            self.worker.park_in_child()
            written_at = self._clock.monotonic()
            with guard("writing the queue"), self._writing:
                self._write_queue()
            if not tidied:
                tidied = True
                with guard("tidying the spool"):
                    self._senders.expire_abandoned()

    def _write_queue(self) -> None:
        self._writing_thread = threading.get_ident()
        try:
            while self.has_work:
                self._discarded = False
                if self._wiring.allowed() is False:
                    self._wiring.discard()
                    continue
                # Hold the gate for the SDK and the caller's code, which have their own locks, but not during I/O.
                with fork_gate.hold():
                    mark = self._fill_batch()
                    batch = self._batcher.batch()
                if batch is not None and self._discarded:  # while we made it
                    self._wiring.drops.count("discarded", len(batch.records))
                elif batch is not None:
                    self._spool(batch)
                if mark is not None:
                    mark.set()
        finally:
            self._writing_thread = 0

    def _fill_batch(self) -> threading.Event | None:
        """Fill the batch with queued records, then with those of queued events. Stop at a mark, and return it."""
        with suppress(IndexError):  # the queue is empty, or was discarded meanwhile
            self._add_emitted()  # records that a signal handler emitted while the last batch was written
            # Also limit the events, of which some may yield no record: a fork waits for us meanwhile.
            for _ in range(self._limits.batch_records):
                if self._discarded or self._batcher.is_full:
                    break
                if self._records:
                    self._batcher.add(self._records.popleft())
                    continue
                event = self._queue.popleft()
                if isinstance(event, threading.Event):
                    return event
                self._emit_event(*event)
                self._add_emitted()
        return None

    def _add_emitted(self) -> None:
        while self._emitted:
            self._batcher.add(self._emitted.popleft())

    def _emit_event(self, time_ns: int, event: str, attributes: Mapping[str, Any]) -> None:
        with foreign_guard("emitting an event"):
            self._emit(time_ns, event, attributes)
            return
        self._wiring.drops.count("unencodable")

    def _spool(self, batch: Batch) -> None:
        for sender in self._senders:
            with guard("spooling a batch"):
                sender.spool(batch)
        self.spooled += len(batch.records)
        if self._discarded:  # during the write
            for sender in self._senders:
                sender.mailbox.delete_own()
        elif self._wiring.allowed() is False:
            self._wiring.discard()  # another process may have switched off and purged the spool before this write


def _drained(queue: deque[_Item]) -> list[_Item]:
    """Remove and return the items now in `queue`. Other threads may dequeue or enqueue meanwhile."""
    items: list[_Item] = []
    count = len(queue)
    with suppress(IndexError):
        while len(items) < count:
            items.append(queue.popleft())
    return items
