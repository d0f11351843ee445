# SPDX-License-Identifier: Apache-2.0
"""A lock that is free in a new forked child, even if a thread held it in the parent: the child lacks that thread."""

from __future__ import annotations

import os
from _thread import RLock


class ForkSafeLock:
    """A re-entrant lock for each process. It needs no fork hook, because an opted-out process registers none."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[int, RLock] = {}

    def of_this_process(self) -> RLock:
        """Return this process's lock itself: entering or leaving it is one call in C, which no signal can split."""
        process = os.getpid()
        lock = self._locks.get(process)
        if lock is None:
            for ancestor in set(self._locks) - {process}:  # the system may reuse an ancestor's process id
                self._locks.pop(ancestor, None)
            lock = self._locks.setdefault(process, RLock())  # atomic: all threads get the same lock
        return lock
