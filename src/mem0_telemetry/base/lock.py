# SPDX-License-Identifier: Apache-2.0
"""A lock that a forked child never finds held: whoever held it in the parent does not exist there."""

from __future__ import annotations

import os
from _thread import RLock


class ForkSafeLock:
    """A re-entrant lock for each process. It needs no hook at a fork: an opted-out process has none."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[int, RLock] = {}

    def of_this_process(self) -> RLock:
        """Return the lock itself: entering and leaving the block is one call in C, which no signal can cut in two."""
        process = os.getpid()
        lock = self._locks.get(process)
        if lock is None:
            for ancestor in set(self._locks) - {process}:  # its number may come back
                self._locks.pop(ancestor, None)
            lock = self._locks.setdefault(process, RLock())  # the same one for all threads
        return lock
