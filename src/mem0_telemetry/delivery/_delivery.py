# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline as one object: queue, writer, spool and senders."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mem0_telemetry.base.clock import SystemClock
from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.delivery._config import Limits, Wiring
from mem0_telemetry.delivery._files import HAVE_LOCKS
from mem0_telemetry.delivery._senders import Senders
from mem0_telemetry.delivery._status import DeliveryStatus, Drops
from mem0_telemetry.delivery._threads import ExitHook, is_exiting_here
from mem0_telemetry.delivery._writer import SpoolProcessor, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._config import Destination

_RESTART_INTERVAL = 1.0
"""Seconds between two attempts to start threads if the system refuses them."""
_ENDING = 0.1
"""Seconds that an idle thread has to end."""
_FIRST_OF_A_CHILD = 10
"""Events after each of which a forked child waits for the write: it may be a short job that ends by `os._exit`."""
_AWAITED = 0.5
"""Most seconds of each such wait, the default of `exit_timeout`; normally a few ms."""
_LAST_WRITE = 1.0
"""Most seconds that `discard` waits for the batch that is being written; normally a few ms."""


class Delivery:
    """Delivers events and log records to every destination, in this run or a later one.

    Thread-safe and fork-safe: a forked child starts with an empty delivery. Creating a `Delivery` starts no thread
    and does no I/O; the first enqueued event or emitted record does. At exit, it writes the queue and then gives the
    network what is left of `exit_timeout` seconds.

    Args:
        directory: contains `spool/` and `history.jsonl`. If None, or on a platform without advisory locks,
            everything is kept in memory.
        destinations: each gets every batch, independently of the others.
        emit: called with (time in ns, event, attributes) on the writer's thread, or at exit on the exiting one,
            inside the fork gate. It emits a log record on a provider that has `processor`.
        accept: called with each record before it is written, and when it is read back from disk. It returns the
            record to write or send, or None to drop it, counted as `rejected`. It may be called twice for one record.
        allowed: called by the writer and by each sender before each batch. False has the effect of `discard`. None
            means "not now": the writer still writes the queue, but nothing is sent or deleted while it returns None.
        dropped_attributes: converts the drop counts by reason to attributes. The first record of the next batch
            gets them, and then passes through `accept`. None: no batch reports the counts.
        thread_prefix: threads are named `<prefix>-writer` and `<prefix>-sender-<destination>`.
        exit_timeout: most seconds that the network may delay the process's exit.
        limits: sizes and times.
        clock: the source of the time.
    """

    def __init__(  # noqa: PLR0913  # the caller supplies every policy, by keyword
        self,
        *,
        directory: Path | None,
        destinations: Sequence[Destination],
        emit: Callable[[int, str, Mapping[str, Any]], None],
        accept: Callable[[ReadableLogRecord], ReadableLogRecord | None],
        allowed: Callable[[], bool | None],
        dropped_attributes: Callable[[Mapping[str, int]], Mapping[str, Any]] | None = None,
        thread_prefix: str,
        exit_timeout: float = 0.5,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._wiring = Wiring(
            directory=directory if HAVE_LOCKS else None,
            emit=emit,
            dropped_attributes=dropped_attributes,
            accept=accept,
            allowed=allowed,
            discard=self._discard,
            backlog=lambda: len(self._writer),
            drops=Drops(),
            limits=self._limits,
            clock=self._clock,
            thread_prefix=thread_prefix,
        )
        self._destinations = tuple(destinations)
        self._exit_timeout = exit_timeout
        self._exit_hook = ExitHook(self._at_exit)
        self._processor = SpoolProcessor(self._enqueue_record, self.flush)
        self._shut_down = False
        self._inherited: list[object] = []
        self._start_afresh()
        fork_gate.after_fork_in_child(self._start_afresh_in_child)

    def _start_afresh(self) -> None:
        wiring = replace(self._wiring, drops=Drops())
        self._drops = wiring.drops
        self._senders = Senders(wiring, self._destinations)
        self._writer = Writer(wiring, self._senders)
        self._starting = threading.RLock()  # re-entrant: a signal handler may flush while we start them
        self._start_again_at = 0.0
        self._running = False
        """True while the threads run and the process is not exiting: `enqueue` then only appends to the queue."""
        self._exit_deadline: float | None = None
        self._awaited = _FIRST_OF_A_CHILD if fork_gate.in_forked_child() else 0
        """Events for which `enqueue` still waits until they are written."""

    def _start_afresh_in_child(self) -> None:
        """Start with an empty queue and no threads, until the child's own first event. The parent sends its batches."""
        # Keep the parent's objects alive, unused: freeing an exporter might write to a connection of the parent.
        self._inherited += (self._senders, self._writer)
        self._start_afresh()
        if self._shut_down:
            self._writer.close()

    @property
    def processor(self) -> LogRecordProcessor:
        """Return the spool processor, for the provider that `emit` uses and any other. Its `on_emit` is thread-safe."""
        return self._processor

    def enqueue(self, event: str, attributes: Mapping[str, Any]) -> bool:
        """Append an event to the queue. If the queue is full or the delivery shut down, count it and return False.

        Costs a few µs, without I/O or waiting. The first event starts the threads. The caller must not change
        `attributes` afterwards. At interpreter exit, the calling thread writes the event at once. In a forked child,
        the call waits until the event is written, for the first ten events and 0.5 s at most.
        """
        if self._shut_down:
            self._drops.count("shut_down")
            return False
        accepted = self._writer.enqueue((self._clock.time_ns(), event, attributes))
        if not self._running:
            self._start_or_write()
        if self._awaited:
            self._awaited -= 1
            self._await_written()
        return accepted

    def count_dropped(self, reason: str, n: int = 1) -> None:
        """Count `n` events that the caller dropped before `enqueue`."""
        self._drops.count(reason, n)

    def flush(self, timeout: float) -> bool:
        """Wait until every destination is done with all events enqueued before. Senders retry now, without back-off.

        Args:
            timeout: seconds; never exceeded.

        Returns:
            False if the time ran out, or no sender can make progress within it.
        """
        deadline = self._clock.monotonic() + timeout
        self._await_start(timeout)
        written = self._writer.flush(deadline - self._clock.monotonic())
        return written and self._senders.wait_until_sent(deadline)

    def shutdown(self, timeout: float) -> bool:
        """Write the whole queue, give the network what is left of `timeout` seconds, and end the threads.

        Idempotent, never raises. Writing the queue may take longer than `timeout`: a full one takes about 1 s. Later
        events are dropped and counted as `shut_down`. Unsent batches stay on disk for the next run.

        Returns:
            Whether every destination is done with all events of this process.
        """
        self._shut_down = True
        finished = False
        with guard("shutting the delivery down"):
            finished = self._finish(self._clock.monotonic() + timeout)
            self._writer.close()
        return finished  # the guard may have dropped an exception

    def discard(self) -> None:
        """Delete this process's queue and the files it wrote, and count them as `discarded`, before returning.

        No sender repeats a request in progress. The delivery accepts later events. If the disk hangs while the writer
        writes a batch, this returns after a second, and the writer deletes the batch once it is written.
        """
        self._discard()
        self._writer.wait_for_the_write(_LAST_WRITE)

    def status(self) -> DeliveryStatus:
        """Return the current state. Lists the spool's directories, so do not call it for each event."""
        workers = [self._writer.worker, *(sender.worker for sender in self._senders)]
        return DeliveryStatus(
            destinations=tuple(sender.status() for sender in self._senders),
            queued=len(self._writer),
            spooled=self._writer.spooled,
            dropped=MappingProxyType(self._drops.totals()),
            threads=tuple(worker.name for worker in workers if worker.alive),
        )

    def _discard(self) -> None:
        """Discard without waiting, for our own threads: the writer itself deletes the batch that it is writing."""
        self._writer.clear()
        for sender in self._senders:
            sender.mailbox.delete_own()

    # --- starting ---

    def _enqueue_record(self, record: ReadableLogRecord) -> None:
        """Enqueue an emitted record for the writer."""
        self._writer.enqueue_record(record)
        if self._writer.is_writing_here:  # the record goes into the batch that this thread is making
            return
        self._writer.wake()
        if not self._running:
            self._start_or_write()

    def _start_or_write(self) -> None:
        """Start the threads, or write the queue on this thread if the process is exiting."""
        if self._writer.is_writing_here:  # in a signal handler: the interrupted write handles its event
            return
        if self._exit_deadline is not None or is_exiting_here():
            with guard("writing the queue at exit"):
                self._writer.write_here(self._limits.write_bound)
        elif self._starting.acquire(blocking=False):
            try:
                if self._clock.monotonic() >= self._start_again_at:
                    self._start_again_at = self._clock.monotonic() + _RESTART_INTERVAL
                    self._start()
            finally:
                self._starting.release()

    def _start(self) -> None:
        self._exit_hook.register()
        # Start all threads now: at exit no thread can be started, and this event may be the only one.
        with suppress(RuntimeError):  # the system refuses a thread: the queue is written at exit
            self._writer.start()
            self._senders.start()
            self._running = True
        # Wake the threads last: their first work is long and would hold the GIL that the caller needs.
        self._writer.wake()
        if self._awaited:
            self._await_written()
        for sender in self._senders:
            sender.wake()

    def _await_written(self) -> None:
        """In a forked child, wait until the queue is written; stop waiting for good after a timeout."""
        if self._running and not self._writer.is_writing_here and not self._writer.flush(_AWAITED):
            self._awaited = 0  # the disk hangs

    def _await_start(self, timeout: float) -> None:
        """If another thread is recording the first event, wait until it has started all our threads."""
        if self._starting.acquire(timeout=max(0.0, timeout)):
            self._starting.release()
            if not self._running and self._writer.has_work:
                self._start_or_write()  # the enqueuing thread started none: we held the lock

    # --- ending ---

    def _at_exit(self) -> None:
        if self._exit_deadline is None:  # in a `multiprocessing` child, the hook may run twice
            self._exit_deadline = self._clock.monotonic() + max(0.0, self._exit_timeout)
        self._running = False
        # Ctrl-C ends the wait.
        with guard("writing the queue at exit"), suppress(KeyboardInterrupt):
            self._finish(self._exit_deadline)

    def _finish(self, deadline: float) -> bool:
        self._await_start(self._limits.write_bound)
        written = self._writer.flush(max(deadline - self._clock.monotonic(), self._limits.write_bound))
        finished = written and self._senders.wait_until_sent(deadline)
        self._writer.stop()
        self._senders.stop()
        if written:
            self._writer.worker.join(_ENDING)
        # A sender may be sending a batch of another process. If the exit cut it off, the batch would be sent twice.
        self._senders.join(deadline, at_least=_ENDING if finished else 0.0)
        return finished
