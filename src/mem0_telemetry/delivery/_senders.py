"""The senders of all destinations as one: started, waited for and ended together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mem0_telemetry.delivery._disk_store import expire_abandoned
from mem0_telemetry.delivery._mailbox import Mailbox
from mem0_telemetry.delivery._sender import Sender
from mem0_telemetry.delivery._wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._drops import Drops
    from mem0_telemetry.delivery._facts import Destination, Limits
    from mem0_telemetry.delivery._history import History

_POLL = 0.05
"""Seconds after which a waiter looks again whether others have sent its batches; our own senders wake it."""

_SETTLING = 0.5
"""Seconds that a sender may need to put away what has been sent, while others write to the history too."""


class Senders:
    """One sender, with a mailbox of its own, for each destination. Thread-safe as they are."""

    def __init__(  # noqa: PLR0913  # the seams of the pipeline, all by name
        self,
        *,
        directory: Path | None,
        destinations: Sequence[Destination],
        accept: Callable[[ReadableLogRecord], ReadableLogRecord | None],
        allowed: Callable[[], bool | None],
        discard: Callable[[], None],
        history: History,
        drops: Drops,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._drops = drops
        self._spool_age = limits.spool_age
        self._progress = Wakeup()
        self._all = tuple(
            Sender(
                destination=destination,
                mailbox=Mailbox(root=directory, name=destination.mailbox, limits=limits, drops=drops),
                accept=accept,
                allowed=allowed,
                discard=discard,
                progressed=self._progressed,
                history=history,
                drops=drops,
                limits=limits,
                clock=clock,
            )
            for destination in destinations
        )

    def __iter__(self) -> Iterator[Sender]:
        return iter(self._all)

    def expire_abandoned(self) -> None:
        """Drop and count what is too old for destinations that nobody has chosen in this process. On the disk."""
        if self._directory is not None:
            before = max(0, self._clock.time_ns() - int(self._spool_age * 1e9))
            names = [sender.mailbox.name for sender in self._all]
            expire_abandoned(self._directory, but=names, before=f"{before:020d}", drops=self._drops)

    def start(self) -> None:
        """Start those threads that do not run; they do nothing before they are woken.

        Raises:
            RuntimeError: no thread can be started.
        """
        self._progress = Wakeup()
        for sender in self._all:
            sender.start()

    def wake(self) -> None:
        """There is something to be sent, or will soon be."""
        for sender in self._all:
            sender.wake()

    def discard(self) -> None:
        """Delete what this process has put into the mailboxes."""
        for sender in self._all:
            sender.mailbox.discard()

    def wait_until_sent(self, deadline: float) -> bool:
        """Wait until all that this process spooled so far is done with, until `deadline` (monotonic) at most."""
        left = {sender: sender.mailbox.outstanding() for sender in self._all}
        # Past the deadline nobody waits, and a request might be cut off in its midst.
        if self._clock.monotonic() < deadline:
            for sender, names in left.items():
                if names:
                    sender.hurry()
        while True:
            # Asked before it is looked at what they have done: one that comes to rest in between has done it.
            at_work = [sender for sender in left if sender.may_progress_by(deadline)]
            left = {sender: names & sender.mailbox.outstanding() for sender, names in left.items()}
            if not any(left.values()):
                return True
            now = self._clock.monotonic()
            if now >= deadline or not any(left[sender] for sender in at_work):
                return False
            self._progress.wait(min(_POLL, deadline - now))

    def stop(self) -> None:
        """End each thread once it is not in a request any more. Does not wait."""
        for sender in self._all:
            sender.stop()

    def join(self, deadline: float, *, at_least: float) -> None:
        """Wait for the threads to end, until `deadline` (monotonic), or `at_least` seconds for each.

        A little longer for one that has its answer and has only to put its batches away.
        """
        for sender in self._all:
            sender.worker.join(max(deadline - self._clock.monotonic(), at_least))
            if sender.is_settling:
                sender.worker.join(_SETTLING)

    def forget_inherited(self) -> None:
        """In a forked child: no threads, nothing in flight."""
        self._progress = Wakeup()
        for sender in self._all:
            sender.forget_inherited()

    def _progressed(self) -> None:
        """A sender has got somewhere, or has come to rest."""
        self._progress.set()
