"""One thread for each destination: hands batches from its mailbox to the exporter. Never the queue."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.delivery._attempt import Noted, attempt
from mem0_telemetry.delivery._encode import Encoder
from mem0_telemetry.delivery._facts import THREAD_PREFIX, DestinationSnapshot
from mem0_telemetry.delivery._isolation import SilentThreads, suppress_instrumentation
from mem0_telemetry.delivery._parcel import Packer
from mem0_telemetry.delivery._retry import Retry
from mem0_telemetry.delivery._threads import Worker, park
from mem0_telemetry.delivery._wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._batch import Batch
    from mem0_telemetry.delivery._drops import Drops
    from mem0_telemetry.delivery._facts import Destination, Limits, State
    from mem0_telemetry.delivery._history import History
    from mem0_telemetry.delivery._mailbox import Mailbox
    from mem0_telemetry.delivery._parcel import Parcel

_IMPORTED_IN_MID_REQUEST: Final = ("encodings.idna", "netrc", "stringprep")
"""What `socket` and common HTTP clients import only when they connect, outside the fork gate."""
_BUSY_AT_FIRST: Final = 0.02
"""Seconds after which batches that others hold are looked at again; doubles up to `busy_interval`."""


class Sender:
    """Sends one mailbox, oldest batch first, until told to stop. Every public method is for other threads."""

    def __init__(  # noqa: PLR0913  # the seams of the pipeline, all by name
        self,
        *,
        destination: Destination,
        mailbox: Mailbox,
        accept: Callable[[ReadableLogRecord], ReadableLogRecord | None],
        allowed: Callable[[], bool | None],
        discard: Callable[[], None],
        progressed: Callable[[], None],
        history: History,
        drops: Drops,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self.mailbox: Final = mailbox
        self._destination = destination
        self._drops = drops
        self._packer = Packer(mailbox=mailbox, accept=accept, drops=drops, max_records=limits.batch_records)
        self._allowed = allowed
        self._discard = discard
        self._progressed = progressed
        self._history = history
        self._limits = limits
        self._clock = clock
        # Ages are judged by a clock that nobody sets: a jump of the wall's must not make a batch old.
        self._wall_at_birth = clock.time_ns() - int(clock.monotonic() * 1e9)
        self._inherited: list[object] = []
        self._start_afresh()

    def _start_afresh(self) -> None:
        self.worker = Worker(f"{THREAD_PREFIX}-sender-{self._destination.name}", self._run)
        self._wakeup = Wakeup()
        self._silent = SilentThreads()
        self._retry = Retry(self._limits)
        self._encoder = Encoder()
        self._exporter: LogRecordExporter | None = None
        self._unusable = ""
        self._rebuild_at = 0.0
        self._last_error = ""
        self._sent = 0
        self._given_up = 0
        self._refusal = ""
        self._stopping = False
        self._hurried = False
        self._working = False
        self._next_attempt: float | None = None
        self._busy_for = _BUSY_AT_FIRST
        self._busy_elsewhere = False
        self.is_settling = False
        """A request has been answered, and its batches are not yet gone: cut off now, they would be sent again."""

    def start(self) -> None:
        """Start the thread, unless it runs; it does nothing before it is woken.

        Raises:
            RuntimeError: no thread can be started.
        """
        if not self.worker.alive:
            self._wakeup = Wakeup()
            self._working = True  # from now on, for those who ask whether it is worth waiting
            self.worker.start()

    def wake(self) -> None:
        """There is something to be sent, or will soon be."""
        self._wakeup.set()

    def put(self, batch: Batch) -> None:
        """Keep `batch` until it is sent."""
        self.mailbox.put(batch)
        self._wakeup.set()

    def hurry(self) -> None:
        """Somebody waits: try at once, even while backing off."""
        self._hurried = True
        self._wakeup.set()

    def stop(self) -> None:
        """End the thread once it is not in a request any more. Does not wait."""
        self._stopping = True
        self._wakeup.set()

    def may_progress_by(self, moment: float) -> bool:
        """Whether something may be sent before `moment` (monotonic seconds)."""
        if not self.worker.alive:
            return False
        # The first two in this order: the thread takes up the second before it drops the first. What is busy
        # elsewhere, another process may be done with at any moment.
        if self._hurried or self._working or self._busy_elsewhere:
            return True
        return self._next_attempt is not None and self._next_attempt <= moment

    def forget_inherited(self) -> None:
        """In a forked child: no thread, no exporter, nothing in flight."""
        # Never used, and never freed: the exporter might speak on a connection of the parent's. See also `park`.
        self._inherited += (self._exporter, self.worker, self._wakeup)
        self._silent.forget_inherited()
        self.mailbox.forget_inherited()
        self._start_afresh()

    def snapshot(self) -> DestinationSnapshot:
        """How it stands."""
        failures, state, reason = self._retry.failures, "ok", ""
        if self._unusable:
            state, reason = "unusable", self._unusable
        elif failures:
            state = "quiet" if self._retry.quiet else "retrying"
            reason = f"{failures} failures in a row; the last: {self._last_error}"
        elif self._refusal:
            state, reason = "refused", self._refusal
        waiting, earlier = self.mailbox.waiting()
        return DestinationSnapshot(
            name=self._destination.name,
            state=cast("State", state),
            reason=reason,
            sent=self._sent,
            waiting=waiting,
            waiting_earlier=earlier,
            on_disk=self.mailbox.on_disk,
        )

    # --- on the thread ---

    def _run(self) -> None:
        suppress_instrumentation()
        self._silent.silence(self._destination.foreign_loggers)
        try:
            worker = self.worker
            self._rest(worker)
            while not self._stopping:
                self._working = True
                with guard(f"sending to {self._destination.name}"):
                    self._send_what_is_due()
                self._working = False
                self._progressed()
                self._rest(worker)
        finally:
            self._working = False
            if self._exporter is not None:
                with guard(f"shutting down the exporter of {self._destination.name}"):
                    self._exporter.shutdown()  # type: ignore[no-untyped-call]
            self._silent.restore(self._destination.foreign_loggers)
            self._progressed()

    def _rest(self, worker: Worker) -> None:
        """Wait until there is something to be done, or for ever if `worker` has become one of the parent's."""
        due = self._next_attempt
        self._wakeup.wait(None if due is None else max(0.0, due - self._clock.monotonic()))
        if self.worker is not worker:
            park()

    def _send_what_is_due(self) -> None:
        self._next_attempt = self._clock.monotonic() + self._limits.busy_interval  # unless we learn better
        if self._hurried:
            self._hurried = False
            self._busy_for = _BUSY_AT_FIRST
            self._retry.hurry(self._clock.monotonic())
        exporter = self._exporter or self._build()
        while exporter is not None and not self._stopping and self._send_next(exporter):
            self._progressed()

    def _build(self) -> LogRecordExporter | None:
        """Make the exporter, with all that it imports, while no fork can happen."""
        now = self._clock.monotonic()
        if now < self._rebuild_at:
            self._next_attempt = self._rebuild_at
            return None
        noted = Noted()
        with guard(f"building the exporter of {self._destination.name}"), noted, fork_gate.hold():
            exporter = self._destination.build()
            warm_up = getattr(exporter, "warm_up", None)
            if warm_up is not None:
                warm_up()
            for module in _IMPORTED_IN_MID_REQUEST:
                importlib.import_module(module)
            self._exporter = exporter
        self._unusable = noted.text
        self._rebuild_at = self._next_attempt = now + self._limits.quiet_interval
        return self._exporter

    def _send_next(self, exporter: LogRecordExporter) -> bool:
        """One request, if one is due. False where there is nothing to be done at present."""
        now = self._clock.monotonic()
        self._busy_elsewhere = False
        if self._retry.not_before > now:  # without a look at the disk, which may hold thousands of files
            self._next_attempt = self._retry.not_before
            return False
        names = self.mailbox.names()
        self._retry.forget_missing(names)
        self._next_attempt = self._retry.next_attempt(names, now)
        if self._next_attempt is None or self._next_attempt > now:
            return False
        if not (allowed := self._allowed()):
            if allowed is False:
                self._discard()
            self._next_attempt = None if allowed is False else now + self._limits.busy_interval
            return False
        parcel = self._packer.pack(self._retry.choose(names, now), self._retry.may_join)
        if parcel is None:
            self._busy_for = min(2 * self._busy_for, self._limits.busy_interval)
            self._next_attempt = now + self._busy_for
            self._busy_elsewhere = True
            return False
        self._busy_for = _BUSY_AT_FIRST
        try:
            if parcel.records and self._allowed():  # once more: it may have taken long to read them
                self._send(exporter, parcel, more=len(names) > len(parcel.names))
        finally:
            parcel.release()
        return True

    def _send(self, exporter: LogRecordExporter, parcel: Parcel, *, more: bool) -> None:
        answer = attempt(exporter, parcel.records, name=self._destination.name)
        if exporter is not self._exporter:
            park()
        if answer.done:
            self.is_settling = True
            try:
                self._put_away(parcel, exporter, answer.refusal)
            finally:
                self.is_settling = False
            return
        self._last_error = answer.reason
        now = self._clock.monotonic()
        self._retry.failed(parcel.names, now, answer.retry_after, more=more)
        if self._retry.failures == 1:
            self._note(parcel, "failed", answer.kind)
        parcel.release()  # what has had its last try may be dropped
        self.mailbox.expire(self._wall_at_birth + int((now - self._limits.spool_age) * 1e9))

    def _put_away(self, parcel: Parcel, exporter: LogRecordExporter, refusal: str) -> None:
        """Count and forget a batch that the destination is done with, though it may have refused some of it."""
        count = len(parcel.records)
        given_up = self._count_given_up(exporter, count)
        self._refusal = refusal = refusal or ("dropped by the exporter" if given_up else "")
        refused = given_up or (count if refusal else 0)  # who counts nothing has refused all of it
        self._drops.count("refused", refused)
        self._sent += count - refused
        if refusal:
            with guard(f"telling what {self._destination.name} refused"):
                self._destination.on_refusal(refusal)
        self._note(parcel, "refused" if refusal else "sent", refusal)
        parcel.done()
        undeliverable = self._retry.succeeded(parcel.names, self._clock.monotonic())
        self.mailbox.remove(undeliverable, "undeliverable")

    def _note(self, parcel: Parcel, result: str, reason: str = "") -> None:
        """Before the batch goes, so that whoever has waited for that finds it in the history."""
        line = self._encoder.line((record, self._encoder.record(record)) for record in parcel.records)
        name, count = self._destination.name, len(parcel.records)
        self._history.add(destination=name, result=result, reason=reason, count=count, line=line)

    def _count_given_up(self, exporter: LogRecordExporter, count: int) -> int:
        """Return how many of `count` records the exporter has given up: more, where earlier attempts count too."""
        before = self._given_up
        with guard(f"asking what {self._destination.name} refused"):
            self._given_up = sum(self._destination.dropped(exporter).values())
        return min(max(0, self._given_up - before), count)
