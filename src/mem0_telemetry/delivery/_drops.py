"""How many records were dropped, and why."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Drops:
    """Counts by reason: for the whole process, and those that no batch has carried yet. Thread-safe."""

    def __init__(self) -> None:
        self.forget_inherited()

    def forget_inherited(self) -> None:
        """In a forked child: what was dropped so far, the parent reports."""
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
        """All that this process dropped."""
        with self._lock:
            return dict(self._total)

    def unreported(self) -> dict[str, int]:
        """What no batch has carried yet."""
        with self._lock:
            return dict(self._unreported)

    def reported(self, counts: Mapping[str, int]) -> None:
        """A batch carries `counts` now."""
        with self._lock:
            self._unreported -= Counter(counts)  # keeps what came meanwhile
