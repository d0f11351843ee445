# SPDX-License-Identifier: Apache-2.0
"""The status of a delivery: the number of dropped records by reason, and the state of each destination."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

DROP_REASONS: Final = (
    "queue_full",  # the queue held its maximum
    "rejected",  # `accept` returned None
    "unencodable",  # not expressible in OTLP, or `emit` or `accept` raised
    "spool_full",  # the oldest batch was dropped to make room for the newest (bytes)
    "expired",  # older than the spool keeps
    "corrupt",  # a spool file that cannot be read
    "refused",  # the destination will never take them
    "discarded",  # telemetry was switched off
    "shut_down",  # enqueued after `shutdown`
)
"""Every reason that this package uses. Callers may count others with `Delivery.count_dropped`."""

State = Literal["ok", "refused", "retrying", "quiet", "unusable"]


class Drops:
    """Counts of dropped records by reason: the process's totals, and those not yet reported in a batch. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may count one too
        self._total: Counter[str] = Counter()
        self._unreported: Counter[str] = Counter()

    def count(self, reason: str, n: int = 1) -> None:
        """Count `n` records as dropped for `reason`."""
        if n > 0:
            with self._lock:
                self._total[reason] += n
                self._unreported[reason] += n

    def totals(self) -> dict[str, int]:
        """Return the totals of this process."""
        with self._lock:
            return dict(self._total)

    def unreported(self) -> dict[str, int]:
        """Return the counts that no batch has reported yet."""
        with self._lock:
            return dict(self._unreported)

    def reported(self, counts: Mapping[str, int]) -> None:
        """Record that a batch reports `counts`."""
        with self._lock:
            self._unreported -= Counter(counts)  # subtract: others may have been counted meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStatus:
    """The state of one destination's sender at one moment."""

    name: str
    state: State
    """`ok`, `refused` (the destination refused the last batch, or part of it), `retrying` (backing off), `quiet` (many
    failures, rare attempts), `unusable` (the exporter cannot be built)."""
    reason: str
    """Why the state is not `ok`, in words; empty if it is."""
    sent: int
    """Records that this process has sent, including those written by other processes or earlier runs."""
    waiting: int
    """Unsent records of this process."""
    waiting_earlier: int
    """Unsent records on disk from other processes or earlier runs."""
    on_disk: bool
    """False if the newest batch is only in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """The state of this process's pipeline at one moment."""

    destinations: tuple[SenderStatus, ...]
    queued: int
    """Events in the queue."""
    spooled: int
    """Records written to the spool, or kept in memory instead."""
    dropped: Mapping[str, int]
    """Records dropped, by reason; see `DROP_REASONS`."""
    threads: tuple[str, ...]
    """Names of the running threads."""

    @property
    def sent(self) -> int:
        """Return the number of sent records, summed over all destinations."""
        return sum(destination.sent for destination in self.destinations)

    @property
    def waiting_earlier(self) -> int:
        """Return the number of unsent records from other processes or earlier runs, summed over all destinations."""
        return sum(destination.waiting_earlier for destination in self.destinations)
