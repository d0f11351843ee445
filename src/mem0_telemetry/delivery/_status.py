# SPDX-License-Identifier: Apache-2.0
"""What is told of a delivery: how many records were dropped and why, and how each destination stands."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

DROP_REASONS: Final = (
    "queue_full",  # the queue held its maximum
    "rejected",  # `accept` answered None
    "unencodable",  # not expressible in OTLP, or `emit` or `accept` raised
    "spool_full",  # the oldest batch had to go for the newest (bytes)
    "expired",  # older than the spool keeps
    "corrupt",  # a spool file that cannot be read
    "refused",  # the destination will never take them
    "discarded",  # switched off while running
    "shut_down",  # enqueued after `shutdown`
)
"""Every reason that this package counts under; callers may count others with `Delivery.count_dropped`."""

State = Literal["ok", "refused", "retrying", "quiet", "unusable"]


class Drops:
    """Counts by reason: for the whole process, and those that no batch has carried yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may drop one too
        self._total: Counter[str] = Counter()
        self._unreported: Counter[str] = Counter()

    def count(self, reason: str, n: int = 1) -> None:
        """Count `n` records as dropped for `reason`."""
        if n > 0:
            with self._lock:
                self._total[reason] += n
                self._unreported[reason] += n

    def totals(self) -> dict[str, int]:
        """Return all that this process dropped."""
        with self._lock:
            return dict(self._total)

    def unreported(self) -> dict[str, int]:
        """Return what no batch has carried yet."""
        with self._lock:
            return dict(self._unreported)

    def reported(self, counts: Mapping[str, int]) -> None:
        """Take note that a batch carries `counts`."""
        with self._lock:
            self._unreported -= Counter(counts)  # keeps what came meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStatus:
    """The sender of one destination, as it stood when it was asked."""

    name: str
    state: State
    """`ok`, `refused` (the last batch, or part of it), `retrying` (backing off), `quiet` (failing for long, tried
    seldom), `unusable` (not built)."""
    reason: str
    """Why it is not `ok`, in words; empty where it is."""
    sent: int
    """Records that the exporter was done with, in this process; those of earlier runs included."""
    waiting: int
    """Records of this process that wait for it."""
    waiting_earlier: int
    """Records on disk that other processes or earlier runs left for it."""
    on_disk: bool
    """False where the newest batch could only be kept in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """The pipeline of this process, as it stood when it was asked."""

    destinations: tuple[SenderStatus, ...]
    queued: int
    """Events that wait for the writer."""
    spooled: int
    """Records written to the spool (or kept in memory in its place)."""
    dropped: Mapping[str, int]
    """Records dropped, by reason; see `DROP_REASONS`."""
    threads: tuple[str, ...]
    """Names of the threads that run."""

    @property
    def sent(self) -> int:
        """Return how many records exporters were done with, over all destinations."""
        return sum(destination.sent for destination in self.destinations)

    @property
    def waiting_earlier(self) -> int:
        """Return how many records on disk other processes or earlier runs left, over all destinations."""
        return sum(destination.waiting_earlier for destination in self.destinations)
