# SPDX-License-Identifier: Apache-2.0
"""The senders of all destinations as one: started, waited for and ended together."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mem0_telemetry.delivery._disk_store import DiskStore
from mem0_telemetry.delivery._files import Directory
from mem0_telemetry.delivery._history import History
from mem0_telemetry.delivery._sender import Sender
from mem0_telemetry.delivery._threads import Wakeup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mem0_telemetry.delivery._config import Destination, Wiring

_POLL = 0.05
"""Seconds after which a waiter looks again whether others have sent its batches; our own senders wake it."""

_COMPLETION_TIMEOUT = 0.5
"""Seconds that a sender may need to put away what has been sent, while others write to the history too."""


class Senders:
    """One sender, with a mailbox of its own, for each destination. Thread-safe as they are."""

    def __init__(self, wiring: Wiring, destinations: Sequence[Destination]) -> None:
        self._wiring = wiring
        self._clock = wiring.clock
        self._progress = Wakeup()
        history = History(root=wiring.directory, allowed=wiring.allowed, clock=wiring.clock)
        self._all = tuple(
            Sender(wiring, destination, history=history, progressed=self._progressed)
            for destination in destinations
        )

    def __iter__(self) -> Iterator[Sender]:
        return iter(self._all)

    def expire_abandoned(self) -> None:
        """Drop and count what is too old for destinations that nobody has chosen in this process. On the disk."""
        root, drops = self._wiring.directory, self._wiring.drops
        before = max(0, self._clock.time_ns() - int(self._wiring.limits.spool_age * 1e9))
        if root is not None:
            with suppress(OSError), Directory(str(root), "spool") as parent:
                for name in set(parent.names()) - {sender.mailbox.name for sender in self._all}:
                    DiskStore(root=root, mailbox=name, max_bytes=0, drops=drops).expire(f"{before:020d}")

    def start(self) -> None:
        """Start those threads that do not run; they do nothing before they are woken.

        Raises:
            RuntimeError: no thread can be started.
        """
        self._progress = Wakeup()
        for sender in self._all:
            sender.start()

    def wait_until_sent(self, deadline: float) -> bool:
        """Wait until all that this process spooled so far is done with, until `deadline` (monotonic) at most."""
        left = {sender: sender.mailbox.outstanding() for sender in self._all}
        # Past the deadline nobody waits, and a request might be cut off in its midst.
        if self._clock.monotonic() < deadline:
            for sender, names in left.items():
                if names:
                    sender.retry_now()
        while True:
            # Ask this first: a sender that comes to rest in between has already put away what it has done.
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
            if sender.is_completing:
                sender.worker.join(_COMPLETION_TIMEOUT)

    def _progressed(self) -> None:
        """Wake who waits: a sender has got somewhere, or has come to rest."""
        self._progress.set()
