"""The queue and its one thread: has events emitted, and spools what comes out. Never the network."""

from __future__ import annotations

import contextvars
import math
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.delivery._facts import THREAD_PREFIX
from mem0_telemetry.delivery._threads import Worker, park
from mem0_telemetry.delivery._wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._batch import Batch
    from mem0_telemetry.delivery._batcher import Batcher
    from mem0_telemetry.delivery._drops import Drops
    from mem0_telemetry.delivery._facts import Limits
    from mem0_telemetry.delivery._processor import SpoolProcessor
    from mem0_telemetry.delivery._senders import Senders

    Event = tuple[int, str, Mapping[str, Any]]

_POLL: Final = 0.05
"""Seconds after which a waiter looks again whether the thread still runs; the thread itself wakes it."""


class Writer:
    """Queues events and writes them to every sender's mailbox, in order. Thread-safe."""

    def __init__(  # noqa: PLR0913  # the seams of the pipeline, all by name
        self,
        *,
        emit: Callable[[int, str, Mapping[str, Any]], None],
        processor: SpoolProcessor,
        batcher: Batcher,
        senders: Senders,
        allowed: Callable[[], bool | None],
        discard: Callable[[], None],
        drops: Drops,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._emit = emit
        self._processor = processor
        self._batcher = batcher
        self._senders = senders
        self._allowed = allowed
        self._discard_all = discard
        self._drops = drops
        self._limits = limits
        self._clock = clock
        self._inherited: list[object] = []
        self._start_afresh()

    def _start_afresh(self) -> None:
        # A `threading.Event` in the queue is a mark: it is set once everything before it is written.
        self._queue: deque[Event | threading.Event] = deque()
        self._wakeup = Wakeup()
        self._urgent = Wakeup()
        # Waited for at exit, where there is no thread and nobody else writes, and after a discard (`settle`).
        self._writing = threading.Lock()
        self._writer = 0
        self.worker = Worker(f"{THREAD_PREFIX}-writer", self._run)
        self._stopping = False
        self._generation = 0
        self.spooled = 0

    # --- for callers ---

    def put(self, event: Event) -> bool:
        """Queue it; False, and counted, where the queue is full. A few hundred ns, no lock taken."""
        waiting = len(self._queue)
        if waiting >= self._limits.queue_events:
            self._drops.count("queue_full")
            return False
        self._queue.append(event)
        self._wakeup.set()
        if waiting == self._limits.batch_records:
            self._urgent.set()
        return True

    def wake(self) -> None:
        """There is something to be written."""
        self._wakeup.set()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_writing_here(self) -> bool:
        """Whether the calling thread is the one that writes at present."""
        return self._writer == threading.get_ident()

    # --- for Delivery ---

    def start(self) -> None:
        """Start the thread, unless it runs; it does nothing before it is woken.

        Raises:
            RuntimeError: no thread can be started.
        """
        if not self.worker.alive:
            self._wakeup, self._urgent = Wakeup(), Wakeup()
            self.worker.start()

    def stop(self) -> None:
        """End the thread once the queue is empty. Does not wait."""
        self._stopping = True
        self._urgent.set()
        self._wakeup.set()

    def flush(self, timeout: float) -> bool:
        """Have everything written that was put before: by the thread, or here where there is none."""
        if not self._queue and not len(self._processor) and not self._writing.locked():
            return True
        deadline = self._clock.monotonic() + timeout
        mark = threading.Event()
        self._queue.append(mark)
        self._urgent.set()
        self._wakeup.set()
        while self.worker.alive:  # one that is just ending may not see the mark
            left = deadline - self._clock.monotonic()
            if mark.wait(max(0.0, min(left, _POLL))):
                return True
            if left <= 0:
                return False
        return self.write_here(deadline - self._clock.monotonic())

    def write_here(self, timeout: float) -> bool:
        """Write the queue on the calling thread; False where another one writes and does not end in time."""
        if not self._writing.acquire(timeout=max(0.0, timeout)):
            return False
        try:
            contextvars.Context().run(self._write_queue)  # as on the thread: outside every span
        finally:
            self._writing.release()
        return True

    def discard(self) -> None:
        """Forget what is queued, and what is being written."""
        self._generation += 1
        forgotten = len(self._processor.take(len(self._processor)))
        with suppress(IndexError):
            while True:
                event = self._queue.popleft()
                if isinstance(event, threading.Event):
                    event.set()
                else:
                    forgotten += 1
        self._drops.count("discarded", forgotten)

    def settle(self, timeout: float) -> None:
        """Wait until what was being written at a discard is written and deleted again; not for the calling thread."""
        if not self.is_writing_here and self._writing.acquire(timeout=max(0.0, timeout)):
            self._writing.release()

    def forget_inherited(self) -> None:
        """In a forked child: the queue is the parent's, and there is no thread."""
        self._inherited += (self.worker, self._wakeup, self._urgent)  # not freed: see `park`
        self._start_afresh()

    # --- on the writing thread ---

    def _run(self) -> None:
        worker, written_at, tidied = self.worker, -math.inf, False
        while not self._stopping or self._queue or len(self._processor):
            self._wakeup.wait()
            pause = written_at + self._limits.linger - self._clock.monotonic()
            if pause > 0:
                self._urgent.wait(pause)
            if self.worker is not worker:
                park()
            written_at = self._clock.monotonic()
            with guard("writing the queue"), self._writing:
                self._write_queue()
            if not tidied:
                tidied = True
                with guard("tidying the spool"):
                    self._senders.expire_abandoned()

    def _write_queue(self) -> None:
        self._writer = threading.get_ident()
        try:
            while self._queue or len(self._processor):
                generation = self._generation
                if self._allowed() is False:
                    self._discard_all()
                    continue
                # The gate, as the SDK and the caller's code have locks of their own; not for the disk.
                with fork_gate.hold():
                    mark = self._emit_some(generation)
                for _ in range(0, len(self._processor), self._limits.batch_records):
                    with fork_gate.hold():
                        batch = self._batcher.batch(self._processor.take(self._limits.batch_records))
                    if batch is not None:
                        self._store(batch, generation)
                if mark is not None:
                    mark.set()
        finally:
            self._writer = 0

    def _emit_some(self, generation: int) -> threading.Event | None:
        """Have the events of one batch emitted, or those up to the next mark, which is returned."""
        for _ in range(min(self._limits.batch_records, len(self._queue))):
            if generation != self._generation:  # what comes after a discard is of the next one
                return None
            try:
                event = self._queue.popleft()
            except IndexError:  # discarded meanwhile
                return None
            if isinstance(event, threading.Event):
                return event
            emitted = False
            with guard("emitting an event"):
                self._emit(*event)
                emitted = True
            if not emitted:
                self._drops.count("unencodable")
        return None

    def _store(self, batch: Batch, generation: int) -> None:
        if generation != self._generation:  # discarded while it was in our hands
            self._drops.count("discarded", batch.count)
            return
        for sender in self._senders:
            with guard("spooling a batch"):
                sender.put(batch)
        self.spooled += batch.count
        if generation != self._generation:  # by now
            for sender in self._senders:
                sender.mailbox.discard()
        elif self._allowed() is False:  # another process may have switched off, and deleted what was there
            self._discard_all()
