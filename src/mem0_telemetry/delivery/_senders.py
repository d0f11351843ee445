# SPDX-License-Identifier: Apache-2.0
"""Start, wait for and stop the senders of all destinations together."""

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
"""Seconds after which a waiting caller checks whether other processes have sent its batches; our senders wake it."""
_COMPLETION_TIMEOUT = 0.5
"""Seconds that a sender may need to record and remove sent batches while other processes write to the history."""


class Senders:
    """One sender with its own mailbox for each destination. Thread-safe."""

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
        """Drop and count the batches on disk that are too old and whose destination this process does not use."""
        root, drops = self._wiring.directory, self._wiring.drops
        before = max(0, self._clock.time_ns() - int(self._wiring.limits.spool_age * 1e9))
        if root is not None:
            with suppress(OSError), Directory(str(root), "spool") as parent:
                for name in set(parent.names()) - {sender.mailbox.name for sender in self._all}:
                    DiskStore(root=root, mailbox=name, max_bytes=0, drops=drops).expire(f"{before:020d}")

    def start(self) -> None:
        """Start the threads that do not run; they do nothing until `Sender.wake`. Raises as `Sender.start` does."""
        self._progress = Wakeup()
        for sender in self._all:
            sender.start()

    def wait_until_sent(self, deadline: float) -> bool:
        """Wait until the batches spooled so far are done; False at `deadline` (monotonic), or if none can progress."""
        left = {sender: sender.mailbox.outstanding() for sender in self._all}
        # Start no request after the deadline: the exit might cut it off.
        if self._clock.monotonic() < deadline:
            for sender, names in left.items():
                if names:
                    sender.retry_now()
        while True:
            # Check this before `outstanding`: a sender that goes idle in between has already removed its batches.
            at_work = [sender for sender in left if sender.may_progress_by(deadline)]
            left = {sender: names & sender.mailbox.outstanding() for sender, names in left.items()}
            if not any(left.values()):
                return True
            now = self._clock.monotonic()
            if now >= deadline or not any(left[sender] for sender in at_work):
                return False
            self._progress.wait(min(_POLL, deadline - now))

    def stop(self) -> None:
        """End each thread after its current request. Does not wait."""
        for sender in self._all:
            sender.stop()

    def join(self, deadline: float, *, at_least: float) -> None:
        """Wait for the threads to end, until `deadline` (monotonic), or `at_least` seconds for each.

        A sender that has its answer and only has to remove its batches gets up to 0.5 s more.
        """
        for sender in self._all:
            sender.worker.join(max(deadline - self._clock.monotonic(), at_least))
            if sender.is_completing:
                sender.worker.join(_COMPLETION_TIMEOUT)

    def _progressed(self) -> None:
        """Wake the waiting caller: a sender has made progress or gone idle."""
        self._progress.set()
