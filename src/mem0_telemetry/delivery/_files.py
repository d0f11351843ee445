# SPDX-License-Identifier: Apache-2.0
"""Files under advisory locks, so that only one process at a time writes or sends a file.

Only the descriptor of a file being sent stays open between calls. A program that daemonizes closes all descriptors,
and the kernel then reuses their numbers for other files.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

from mem0_telemetry.base.files import Directory, NotOursError, read_all, write_all
from mem0_telemetry.delivery import fork_gate

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["HAVE_LOCKS", "Directory", "LockedFiles", "NotOursError", "read_all", "write_all"]

HAVE_LOCKS: Final = fcntl is not None
"""Whether the platform has advisory locks. If False, no method below may be called."""


class LockedFiles:
    """The files that this process has open, each under its own advisory lock. Thread-safe.

    A forked child inherits the descriptors with their locks, and would hold the locks as long as it lives. So the
    child closes the inherited descriptors, and the parent unlocks a file before closing it.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()
        fork_gate.after_fork_in_child(self._close_inherited)

    def create(self, parent: Directory, name: str) -> int:
        """Create `name` in the directory `parent`, locked, 0600.

        Raises:
            FileExistsError: the file exists, or another process claimed it before we locked it.
            OSError: the file cannot be created, or the file system has no locks.
        """
        with fork_gate.hold():  # a child forked in between would never close the descriptor
            descriptor = parent.create(name)
            self._held.add(descriptor)
        try:
            self._lock(descriptor)
        except BlockingIOError:  # do not remove the file: another process has claimed or replaced it
            raise FileExistsError(errno.EEXIST, "claimed by another one", name) from None
        except OSError:
            parent.remove(name)
            raise
        if not parent.holds(name, os.fstat(descriptor)):
            self.close(descriptor)
            raise FileExistsError(errno.EEXIST, "claimed by another one", name)
        return descriptor

    def claim(self, parent: Directory, name: str) -> int | None:
        """Open and lock `name` in `parent`; return None if it is gone, already locked, or not our file."""
        try:
            with fork_gate.hold():
                descriptor = parent.open(name, os.O_RDWR)
                self._held.add(descriptor)
            self._lock(descriptor)
        except OSError:
            return None
        # If another process removed or replaced the file after we opened it, our lock protects nothing.
        if parent.holds(name, os.fstat(descriptor)):
            return descriptor
        self.close(descriptor)
        return None

    def close(self, descriptor: int) -> None:
        """Unlock and close the file."""
        with fork_gate.hold():
            self._held.discard(descriptor)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            with suppress(OSError):  # the descriptor is closed anyway, and the write has succeeded or raised
                os.close(descriptor)

    def _close_inherited(self) -> None:
        """In a forked child, close the inherited descriptors. Do not unlock: that would release the parent's locks."""
        inherited, self._held = self._held, set()
        for descriptor in inherited:
            with suppress(OSError):
                os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        """Lock the file; if that fails, close it and raise."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.close(descriptor)
            raise
