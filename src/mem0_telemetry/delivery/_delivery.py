# SPDX-License-Identifier: Apache-2.0
"""The pipeline as one object: queue, writer, spool, senders."""

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
"""Seconds after which it is tried again to start threads where the system refused."""
_ENDING = 0.1
"""Seconds that an idle thread has to end."""
_FIRST_OF_A_CHILD = 10
"""Events that a forked child sees written before it goes on: it may be a short job that ends by `os._exit`."""
_AWAITED = 0.5
"""Seconds that a forked child waits for that at most, as long as an exit may wait; normally it is some ms."""
_LAST_WRITE = 1.0
"""Seconds that a discard waits for the batch that is being written; normally it is a few ms."""


class Delivery:
    """Takes events and log records, and delivers them to every destination, in this run or a later one.

    Thread-safe, and safe to be inherited by a forked child, which starts empty. Making one starts no thread
    and touches no disk; the first event that is enqueued (or emitted record) does. At exit it writes what is
    queued, then gives the network `exit_timeout` seconds.

    Args:
        directory: where `spool/` and `history.jsonl` are; None, or a platform without advisory locks, keeps
            everything in memory.
        destinations: each gets every batch, independently of the others.
        emit: called on the writer's thread with (time in ns, event, attributes), inside the fork gate. It
            emits a log record on a provider that has `processor`.
        accept: called with each record before it is written, and when it is read back from disk; its answer
            is what is written or sent. None drops the record, counted as `rejected`. It may be called twice
            for one record.
        allowed: asked by the writer and by each sender before each batch; False does what `discard` does. None is
            "not now": what is queued is still written, and nothing is sent or deleted until the answer is another one.
        dropped_attributes: makes attributes of the drop counts by reason; they ride on the first record of
            the next batch, through `accept`. None: they are not reported that way.
        thread_prefix: threads are named `<prefix>-writer` and `<prefix>-sender-<destination>`.
        exit_timeout: seconds that the network may hold the process at exit.
        limits: sizes and times.
        clock: where the time is read.
    """

    def __init__(  # noqa: PLR0913  # the seams of the pipeline, all by name
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
        self._starting = threading.RLock()  # re-entrant: a signal handler may flush while it starts them
        self._start_again_at = 0.0
        self._running = False
        """The threads run, and the process is not ending: `enqueue` has nothing to do but to append to the queue."""
        self._exit_deadline: float | None = None
        self._awaited = _FIRST_OF_A_CHILD if fork_gate.in_forked_child() else 0
        """Events that `enqueue` still waits for."""

    def _start_afresh_in_child(self) -> None:
        """Be empty, without threads, until the child's own first event; what waited is the parent's."""
        # Never used, and never freed: an exporter might speak on a connection of the parent's.
        self._inherited += (self._senders, self._writer)
        self._start_afresh()
        if self._shut_down:
            self._writer.close()

    @property
    def processor(self) -> LogRecordProcessor:
        """Return the spool processor, for the provider that `emit` uses and any other; `on_emit` from any thread."""
        return self._processor

    def enqueue(self, event: str, attributes: Mapping[str, Any]) -> bool:
        """Append an event to the queue; False, and counted, where it is full or the delivery shut down.

        Costs some µs; no I/O, no waiting; the first one starts the threads. `attributes` must not be changed
        afterwards. An event that comes at interpreter exit is written at once, on the calling thread. The first ones
        of a forked child wait until they are written, 0.5 s at most.
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
        """Count `n` events that were dropped before they got here."""
        self._drops.count(reason, n)

    def flush(self, timeout: float) -> bool:
        """Wait until every destination is done with all that was enqueued before; back-off does not count.

        Args:
            timeout: seconds; never exceeded.

        Returns:
            False where the time ran out, or nothing more can happen within it.
        """
        deadline = self._clock.monotonic() + timeout
        self._await_start(timeout)
        written = self._writer.flush(deadline - self._clock.monotonic())
        return written and self._senders.wait_until_sent(deadline)

    def shutdown(self, timeout: float) -> bool:
        """Write the queue in full, give the network what is left of `timeout` seconds, and end.

        Idempotent, never raises. The queue alone may take longer than `timeout`: a full one about 1 s. Later
        events are dropped and counted as `shut_down`. What is not sent stays on disk for the next run.

        Returns:
            Whether every destination is done with all that this process has enqueued.
        """
        self._shut_down = True
        finished = False
        with guard("shutting the delivery down"):
            finished = self._finish(self._clock.monotonic() + timeout)
            self._writer.close()
        return finished  # the guard may have dropped an exception

    def discard(self) -> None:
        """Delete this process's queue and the files it wrote, counted as `discarded`; they are gone when it returns.

        A request in flight is not repeated. The delivery goes on with what is enqueued later. Where the disk hangs in
        the midst of a batch it returns after a second, and the batch is deleted once it is there.
        """
        self._discard()
        self._writer.wait_for_the_write(_LAST_WRITE)

    def status(self) -> DeliveryStatus:
        """Return how it stands. Lists the spool's directories, so not for every call."""
        workers = [self._writer.worker, *(sender.worker for sender in self._senders)]
        return DeliveryStatus(
            destinations=tuple(sender.status() for sender in self._senders),
            queued=len(self._writer),
            spooled=self._writer.spooled,
            dropped=MappingProxyType(self._drops.totals()),
            threads=tuple(worker.name for worker in workers if worker.alive),
        )

    def _discard(self) -> None:
        """Do as `discard`, for our own threads: the writer deletes the batch that it is writing itself."""
        self._writer.clear()
        for sender in self._senders:
            sender.mailbox.delete_own()

    # --- starting ---

    def _enqueue_record(self, record: ReadableLogRecord) -> None:
        """Have the writer keep a record that was emitted."""
        self._writer.enqueue_record(record)
        if self._writer.is_writing_here:  # for its own batch
            return
        self._writer.wake()
        if not self._running:
            self._start_or_write()

    def _start_or_write(self) -> None:
        """Start the threads, or do without them where that is too late."""
        if self._writer.is_writing_here:  # a signal handler interrupted it; its event is next
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
        # All of them here: at exit none can be started any more, and one event may be all that there is.
        with suppress(RuntimeError):  # none to be had: what is queued is written at exit
            self._writer.start()
            self._senders.start()
            self._running = True
        # Not before: their first work is long, and would keep the interpreter from the caller.
        self._writer.wake()
        if self._awaited:
            self._await_written()
        for sender in self._senders:
            sender.wake()

    def _await_written(self) -> None:
        """In a forked child: wait until what is queued is written, as long as that goes well."""
        if self._running and not self._writer.is_writing_here and not self._writer.flush(_AWAITED):
            self._awaited = 0  # the disk hangs: wait no more

    def _await_start(self, timeout: float) -> None:
        """Wait until another thread, if it is just recording the first event, has started all of ours."""
        if self._starting.acquire(timeout=max(0.0, timeout)):
            self._starting.release()
            if not self._running and self._writer.has_work:
                self._start_or_write()  # the thread that enqueued it found the lock held, by us

    # --- ending ---

    def _at_exit(self) -> None:
        if self._exit_deadline is None:  # a `multiprocessing` child may come here twice
            self._exit_deadline = self._clock.monotonic() + max(0.0, self._exit_timeout)
        self._running = False
        # Ctrl-C ends the waiting.
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
        # One may be in the midst of a batch of another process: cut off, that would be sent twice.
        self._senders.join(deadline, at_least=_ENDING if finished else 0.0)
        return finished
