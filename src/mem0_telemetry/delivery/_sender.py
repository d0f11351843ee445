# SPDX-License-Identifier: Apache-2.0
"""One thread for each destination: hands batches from its mailbox to the exporter. Never the queue."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.guard import guard
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
"""What `socket` and common HTTP clients import only when they connect, outside the fork gate."""
_BUSY_AT_FIRST: Final = 0.02
"""Seconds after which batches that others hold are looked at again; doubles up to `busy_interval`."""
_LONG_QUEUE: Final = 2_000
"""Events in the queue from which on the writer needs the interpreter more than we do."""
_YIELD: Final = 1.0
"""Seconds between two requests while the queue is long."""
_MAX_YIELD_TIME: Final = 10.0
"""Seconds for which that helps: a queue that is long without an end would have the spool fill."""
_LOOK_AGAIN: Final = 0.05
"""Seconds until the sender checks the length of the queue again."""
_ASK_AGAIN: Final = 2.0
"""Seconds between two questions for consent while a destination is waited for: a back-off may take minutes."""


class Sender:
    """Sends one mailbox, oldest batch first, until told to stop. Every public method is for other threads."""

    def __init__(
        self, wiring: Wiring, destination: Destination, *, history: History, progressed: Callable[[], None]
    ) -> None:
        self.mailbox: Final = Mailbox(
            root=wiring.directory, name=destination.mailbox, limits=wiring.limits, drops=wiring.drops
        )
        self.worker: Final = Worker(f"{wiring.thread_prefix}-sender-{destination.name}", self._run)
        self.is_completing = False
        """A request has been answered, and its batches are not yet gone: cut off now, they would be sent again."""
        self._wiring = wiring
        self._limits, self._clock = wiring.limits, wiring.clock
        self._destination = destination
        self._history = history
        self._progressed = progressed
        # Ages are judged by a clock that nobody sets: a jump of the wall's must not make a batch old.
        self._wall_at_birth = self._clock.time_ns() - int(self._clock.monotonic() * 1e9)
        self._packer = Packer(wiring, self.mailbox)
        self._retry = Retry(wiring.limits)
        self._wakeup = Wakeup()
        self._exporter: LogRecordExporter | None = None
        self._builds = Backoff(wiring.limits)
        self._last_error = ""
        self._sent = 0
        self._given_up = 0
        self._refusal = ""
        self._stopping = False
        self._asked_to_retry = False
        self._working = False
        self._next_look: float | None = None
        self._asked_for_consent = -_ASK_AGAIN
        self._busy_for = 0.0
        """Seconds between two looks at batches that others hold; 0 where they hold none."""
        self._last_request = -_YIELD
        self._long_since: float | None = None

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
        """Have it look for something to be sent, which is there or will soon be."""
        self._wakeup.set()

    def spool(self, batch: Batch) -> None:
        """Keep `batch` until it is sent."""
        self.mailbox.spool(batch)
        self._wakeup.set()

    def retry_now(self) -> None:
        """Try at once, even while backing off, as somebody waits."""
        self._asked_to_retry = True
        self._wakeup.set()

    def stop(self) -> None:
        """End the thread once it is not in a request any more. Does not wait."""
        self._stopping = True
        self._wakeup.set()

    def may_progress_by(self, moment: float) -> bool:
        """Return whether something may be sent before `moment` (monotonic seconds)."""
        if not self.worker.alive:
            return False
        # The order of the first two matters: the thread sets `_working` before it clears `_asked_to_retry`. Others may
        # be done with what they hold at any moment.
        if self._asked_to_retry or self._working or self._busy_for:
            return True
        if self._exporter is None and self._last_error:
            return False
        return self._next_look is not None and self._next_look <= moment

    def status(self) -> SenderStatus:
        """Return how it stands."""
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
                    with guard(f"shutting down the exporter of {self._destination.name}"):
                        self._exporter.shutdown()  # type: ignore[no-untyped-call]
                self._progressed()

    def _wait_for_work(self) -> None:
        """Wait until there is something to be done, or it is time to ask for consent again."""
        due = self._next_look
        self._wakeup.wait(None if due is None else min(due - self._clock.monotonic(), _ASK_AGAIN))
        self.worker.park_in_child()

    def _is_allowed(self) -> bool:
        """Return whether there is consent; where there is none any more, delete what this process has spooled."""
        self._asked_for_consent, allowed = self._clock.monotonic(), self._wiring.allowed()
        if allowed is False:
            self._wiring.discard()
            self._next_look = None
        return bool(allowed)

    def _send_what_is_due(self) -> None:
        self._next_look = self._clock.monotonic() + self._limits.busy_interval  # unless we learn better
        if self._asked_to_retry:
            self._asked_to_retry = False
            self._busy_for = 0.0
            self._last_request = -_YIELD  # who waits is not kept waiting for the writer
            self._retry.retry_now()
        # Before anything is imported, or read that others have spooled; and again right before each request.
        if self._clock.monotonic() >= self._asked_for_consent + _ASK_AGAIN and not self._is_allowed():
            return
        exporter = self._exporter or self._build()
        while exporter is not None and not self._stopping and self._send_next(exporter):
            self._progressed()

    def _build(self) -> LogRecordExporter | None:
        """Make the exporter, with all that it imports, while no fork can happen; None, for a while, where it fails."""
        # Also where somebody waits, as a flush for each request of an application: an import may take a second.
        if self._clock.monotonic() < self._builds.until:
            self._next_look = self._builds.until
            return None
        raised = ErrorRecorder()
        with guard(f"building the exporter of {self._destination.name}"), raised, fork_gate.hold():
            exporter = self._destination.build()
            warm_up = getattr(exporter, "warm_up", None)
            if warm_up is not None:
                warm_up()
            for module in _IMPORTED_IN_MID_REQUEST:
                importlib.import_module(module)
            self._exporter = exporter
            return exporter
        self._last_error = raised.text
        self._builds.failed(self._clock.monotonic())
        self._next_look = self._builds.until
        self._destination.on_unusable(raised.kind)
        return None

    def _send_next(self, exporter: LogRecordExporter) -> bool:
        """Make one request, if one is due. Return False where there is nothing to be done at present."""
        now = self._clock.monotonic()
        if self._retry.not_before > now:  # without a look at the disk, which may hold thousands of files
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
        # Whatever is raised from here on, there is a pause before the same is tried again.
        self._next_look = now + self._limits.busy_interval
        parcel = self._packer.pack(line, self._retry.may_join)
        if parcel is None:
            self._busy_for = min(max(2 * self._busy_for, _BUSY_AT_FIRST), self._limits.busy_interval)
            self._next_look = now + self._busy_for
            return False
        self._busy_for = 0.0
        try:
            allowed = self._is_allowed()  # asked last, as it may have taken long to read them
            if allowed and parcel.names:
                self._send(exporter, parcel, more=len(names) > len(parcel.names))
        finally:
            parcel.release()
        return allowed

    def _yields(self, now: float) -> bool:
        """Return whether the next request is put off, as the queue is long."""
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
            parcel.release()  # what has had its last try may be dropped
            self.mailbox.expire(self._wall_at_birth + int((now - self._limits.spool_age) * 1e9))
            return
        self.is_completing = True
        try:
            kept = self._complete(parcel, exporter, answer.refusal)
        finally:
            self.is_completing = False
        self._retry.succeeded(parcel.names, kept, now)

    def _complete(self, parcel: Parcel, exporter: LogRecordExporter, refusal: str) -> list[str]:
        """Count and remove what the destination has taken or refused; return the names that cannot be removed."""
        count = len(parcel.records)
        given_up = self._count_given_up(exporter, count)
        self._refusal = refusal = refusal or ("dropped by the exporter" if given_up else "")
        refused = given_up or (count if refusal else 0)  # who counts nothing has refused all of it
        self._wiring.drops.count("refused", refused)
        self._sent += count - refused
        if refusal:
            with guard(f"telling what {self._destination.name} refused"):
                self._destination.on_refusal(refusal)
        self._note(parcel, "refused" if refusal else "sent", refusal)
        return parcel.done()

    def _note(self, parcel: Parcel, result: str, reason: str = "") -> None:
        """Write to the history; before the batch goes, so that whoever has waited for that finds it there."""
        name, count = self._destination.name, len(parcel.records)
        self._history.add(destination=name, result=result, reason=reason, count=count, line=parcel.line)

    def _count_given_up(self, exporter: LogRecordExporter, count: int) -> int:
        """Return how many of `count` records the exporter has given up: more, where earlier attempts count too."""
        before = self._given_up
        with guard(f"asking what {self._destination.name} refused"):
            self._given_up = sum(self._destination.dropped(exporter).values())
        return min(max(0, self._given_up - before), count)
