# SPDX-License-Identifier: Apache-2.0
"""The thread of one destination: passes batches from its mailbox to its exporter. Never touches the queue."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.guard import foreign_guard, guard
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.delivery._attempts import Backoff, ErrorRecorder, Retry, attempt
from mem0_telemetry.delivery._isolation import isolated
from mem0_telemetry.delivery._mailbox import Mailbox
from mem0_telemetry.delivery._parcel import Packer
from mem0_telemetry.delivery._status import SenderStatus
from mem0_telemetry.delivery._threads import Wakeup, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.delivery._batch import Batch
    from mem0_telemetry.delivery._config import Destination, Wiring
    from mem0_telemetry.delivery._history import History
    from mem0_telemetry.delivery._parcel import Parcel
    from mem0_telemetry.delivery._status import State

_IMPORTED_IN_MID_REQUEST: Final = ("encodings.idna", "netrc", "stringprep")
"""Modules that `socket` and common HTTP clients import only when they connect, outside the fork gate."""
_BUSY_AT_FIRST: Final = 0.02
"""Seconds until the sender first checks again for batches that others hold; doubles up to `busy_interval`."""
_LONG_QUEUE: Final = 2_000
"""Events in the queue above which the sender makes fewer requests: the writer needs the GIL more."""
_YIELD: Final = 1.0
"""Seconds between two requests while the queue is long."""
_MAX_YIELD_TIME: Final = 10.0
"""Most seconds for which the sender makes fewer requests: if the queue stayed long, the spool would fill up."""
_LOOK_AGAIN: Final = 0.05
"""Seconds until the sender checks the length of the queue again."""
_ASK_AGAIN: Final = 2.0
"""Seconds between two checks of consent while the sender waits for a destination: a back-off may take minutes."""


class Sender:
    """Sends the batches of one mailbox, oldest first, until `stop`. Other threads may call every public method."""

    def __init__(
        self, wiring: Wiring, destination: Destination, *, history: History, progressed: Callable[[], None]
    ) -> None:
        self.mailbox: Final = Mailbox(
            root=wiring.directory, name=destination.mailbox, limits=wiring.limits, drops=wiring.drops
        )
        self.worker: Final = Worker(f"{wiring.thread_prefix}-sender-{destination.name}", self._run)
        self.is_completing = False
        """True between an answered request and the removal of its batches. An exit now would send them twice."""
        self._wiring = wiring
        self._limits, self._clock = wiring.limits, wiring.clock
        self._destination = destination
        self._history = history
        self._progressed = progressed
        # Compute ages from the monotonic clock: a jump of the wall clock must not expire a batch.
        self._wall_at_birth = self._clock.time_ns() - int(self._clock.monotonic() * 1e9)
        self._packer = Packer(wiring, self.mailbox)
        self._retry = Retry(wiring.limits)
        self._wakeup = Wakeup()
        self._exporter: LogRecordExporter | None = None
        self._builds = Backoff(wiring.limits)
        self._last_error = self._refusal = ""
        self._sent = self._given_up = 0
        self._stopping = False
        self._asked_to_retry = False
        self._working = False
        self._next_look: float | None = None
        self._asked_for_consent = -_ASK_AGAIN
        self._busy_for = 0.0
        """Seconds between two checks for batches that others hold; 0 if they hold none."""
        self._last_request = -_YIELD
        self._long_since: float | None = None

    def start(self) -> None:
        """Start the thread unless it runs; it does nothing until `wake`. Raises `RuntimeError` if it cannot start."""
        if not self.worker.alive:
            self._wakeup = Wakeup()
            self._working = True  # before the thread runs, so that `may_progress_by` is already true
            self.worker.start()

    def wake(self) -> None:
        """Make the thread check for batches."""
        self._wakeup.set()

    def spool(self, batch: Batch) -> None:
        """Store `batch` until it is sent."""
        self.mailbox.spool(batch)
        self._wakeup.set()

    def retry_now(self) -> None:
        """Try at once for a waiting caller, even during a back-off."""
        self._asked_to_retry = True
        self._wakeup.set()

    def stop(self) -> None:
        """End the thread after its current request. Does not wait."""
        self._stopping = True
        self._wakeup.set()

    def may_progress_by(self, moment: float) -> bool:
        """Return whether the sender may send or remove a batch before `moment` (monotonic seconds)."""
        if not self.worker.alive:
            return False
        # Check the first two in this order: the thread sets `_working` before it clears `_asked_to_retry`. `_busy_for`:
        # other processes may finish the batches that they hold at any moment.
        if self._asked_to_retry or self._working or self._busy_for:
            return True
        if self._exporter is None and self._last_error:
            return False
        return self._next_look is not None and self._next_look <= moment

    def status(self) -> SenderStatus:
        """Return the current state. Lists the mailbox's directory."""
        state: State = "ok"
        reason = ""
        if self._exporter is None and self._last_error:
            state, reason = "unusable", self._last_error
        elif self._retry.down:
            state = "quiet" if self._retry.quiet else "retrying"
            reason = f"{self._retry.in_a_row} failures in a row; the last: {self._last_error}"
        elif self._refusal:
            state, reason = "refused", self._refusal
        waiting, earlier = self.mailbox.waiting()
        return SenderStatus(
            name=self._destination.name,
            state=state,
            reason=reason,
            sent=self._sent,
            waiting=waiting,
            waiting_earlier=earlier,
            on_disk=self.mailbox.on_disk,
        )

    # --- on the thread ---

    def _run(self) -> None:
        with isolated(self._destination.foreign_loggers):
            try:
                self._wait_for_work()
                while not self._stopping:
                    self._working = True
                    with guard(f"sending to {self._destination.name}"):
                        self._send_what_is_due()
                    self._working = False
                    self._progressed()
                    self._wait_for_work()
            finally:
                self._working = False
                if self._exporter is not None:
                    with foreign_guard(f"shutting down the exporter of {self._destination.name}"):
                        self._exporter.shutdown()  # type: ignore[no-untyped-call]
                self._progressed()

    def _wait_for_work(self) -> None:
        """Wait until there is work, or until the next check of consent."""
        due = self._next_look
        self._wakeup.wait(None if due is None else min(due - self._clock.monotonic(), _ASK_AGAIN))
        self.worker.park_in_child()

    def _is_allowed(self) -> bool:
        """Return whether there is consent; if it was withdrawn, delete the events and batches of this process."""
        now, allowed = self._clock.monotonic(), self._wiring.allowed()
        self._asked_for_consent = now if allowed else -_ASK_AGAIN  # only a yes is valid for a while
        if allowed is False:
            self._wiring.discard()
            self._next_look = None
        return bool(allowed)

    def _send_what_is_due(self) -> None:
        self._next_look = self._clock.monotonic() + self._limits.busy_interval  # the default; set again below
        if self._asked_to_retry:
            self._asked_to_retry = False
            self._busy_for = 0.0
            self._last_request = -_YIELD  # do not yield to the writer while a caller waits
            self._retry.retry_now()
        # Ask before importing an exporter or reading batches of other processes, and again before each request.
        if self._clock.monotonic() >= self._asked_for_consent + _ASK_AGAIN and not self._is_allowed():
            return
        exporter = self._exporter or self._build()
        while exporter is not None and not self._stopping and self._send_next(exporter):
            self._progressed()

    def _build(self) -> LogRecordExporter | None:
        """Build the exporter, with all its imports, inside the fork gate; None if that fails, or in the pause after."""
        # `retry_now` does not end this pause: an import may take a second, and an application may flush often.
        if self._clock.monotonic() < self._builds.until:
            self._next_look = self._builds.until
            return None
        raised = ErrorRecorder()
        with foreign_guard(f"building the exporter of {self._destination.name}"), raised, fork_gate.hold():
            exporter = self._destination.build()
            (getattr(exporter, "warm_up", None) or (lambda: None))()
            for module in _IMPORTED_IN_MID_REQUEST:
                importlib.import_module(module)
            self._exporter = exporter
            return exporter
        self._last_error = raised.text
        self._builds.failed(self._clock.monotonic())
        self._next_look = self._builds.until
        self._expire()
        with foreign_guard(f"telling that {self._destination.name} is unusable"):
            self._destination.on_unusable(raised.kind)
        return None

    def _send_next(self, exporter: LogRecordExporter) -> bool:
        """Make one request if one is due. Return False if there is nothing to do now."""
        now = self._clock.monotonic()
        if self._retry.not_before > now:  # check before listing the disk, which may hold thousands of files
            self._next_look = self._retry.not_before
            return False
        if self._yields(now):
            self._next_look = now + _LOOK_AGAIN
            return False
        names = self.mailbox.names()
        line = self._retry.in_line(names, now)
        if not line:
            self._busy_for = 0.0
            self._next_look = self._retry.suspects.until if names else None
            return False
        # If anything below raises, the next attempt comes after this pause.
        self._next_look = now + self._limits.busy_interval
        parcel = self._packer.pack(line, self._retry.may_join)
        if parcel is None:
            self._busy_for = min(max(2 * self._busy_for, _BUSY_AT_FIRST), self._limits.busy_interval)
            self._next_look = now + self._busy_for
            return False
        self._busy_for = 0.0
        try:
            allowed = self._is_allowed()  # after packing, because reading the batches may have taken long
            if allowed and parcel.names:
                self._send(exporter, parcel, more=len(names) > len(parcel.names))
        finally:
            parcel.release()
        return allowed

    def _yields(self, now: float) -> bool:
        """Return whether to delay the next request because the queue is long."""
        if self._wiring.backlog() <= _LONG_QUEUE:
            self._long_since = None
            return False
        self._long_since = now if self._long_since is None else self._long_since
        return now < min(self._last_request + _YIELD, self._long_since + _MAX_YIELD_TIME)

    def _send(self, exporter: LogRecordExporter, parcel: Parcel, *, more: bool) -> None:
        self._last_request = self._clock.monotonic()
        answer = attempt(exporter, parcel.records, name=self._destination.name)
        self.worker.park_in_child()
        now = self._clock.monotonic()
        if not answer.done:
            self._last_error = answer.reason
            self._retry.failed(parcel.names, now, answer.retry_after, more=more)
            if self._retry.in_a_row == 1:
                self._note(parcel, "failed", answer.kind)
            parcel.release()  # before `expire`, which skips claimed batches
            self._expire()
            return
        self.is_completing = True
        try:
            kept = self._complete(parcel, exporter, answer.refusal)
        finally:
            self.is_completing = False
        self._retry.succeeded(parcel.names, kept, now)

    def _expire(self) -> None:
        """Drop the batches that are too old. Only a failure does this: a destination that works gets them."""
        oldest = self._clock.monotonic() - self._limits.spool_age
        self.mailbox.expire(self._wall_at_birth + int(oldest * 1e9))

    def _complete(self, parcel: Parcel, exporter: LogRecordExporter, refusal: str) -> list[str]:
        """Count and remove sent and refused batches. Return the names of those that cannot be removed."""
        count = len(parcel.records)
        given_up = self._count_given_up(exporter, count)
        self._refusal = refusal = refusal or ("dropped by the exporter" if given_up else "")
        refused = given_up or (count if refusal else 0)  # an exporter that counts none refused all
        self._wiring.drops.count("refused", refused)
        self._sent += count - refused
        if refusal:
            with foreign_guard(f"telling what {self._destination.name} refused"):
                self._destination.on_refusal(refusal)
        self._note(parcel, "refused" if refusal else "sent", refusal)
        return parcel.done()

    def _note(self, parcel: Parcel, result: str, reason: str = "") -> None:
        """Write to the history. Do this before removing the batch: the caller of `flush` must find the entry there."""
        name, count = self._destination.name, len(parcel.records)
        self._history.add(destination=name, result=result, reason=reason, count=count, line=parcel.line)

    def _count_given_up(self, exporter: LogRecordExporter, count: int) -> int:
        """Return how many of `count` records the exporter dropped. Its counter may include failed attempts: cap it."""
        before = self._given_up
        with foreign_guard(f"asking what {self._destination.name} refused"):
            self._given_up = sum(self._destination.dropped(exporter).values())
        return min(max(0, self._given_up - before), count)
