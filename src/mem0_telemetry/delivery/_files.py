# SPDX-License-Identifier: Apache-2.0
"""Files that nobody else can send at the same time.

No descriptor is kept open between two calls but that of a file being sent: a program that makes a daemon of
itself closes them all, and their numbers come back as somebody else's.
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
"""Whether the platform can do any of this; where it cannot, nothing below may be called."""


class LockedFiles:
    """The files that this process has open, each under its own advisory lock. Thread-safe.

    A forked child inherits the descriptors and the locks with them, and would keep them for as long as it
    lives. So the child closes what it inherited, and the parent unlocks before it closes.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()
        fork_gate.after_fork_in_child(self._close_inherited)

    def create(self, parent: Directory, name: str) -> int:
        """Create `name` in the directory `parent`, locked, 0600.

        Raises:
            FileExistsError: it exists, or another one has claimed it before it was locked.
            OSError: the disk refuses, or the file system has no locks.
        """
        with fork_gate.hold():  # no fork between having it and having noted it
            descriptor = parent.create(name)
            self._held.add(descriptor)
        try:
            self._lock(descriptor)
        except BlockingIOError:  # not to be removed: it is theirs by now, or what they have put in its place
            raise FileExistsError(errno.EEXIST, "claimed by another one", name) from None
        except OSError:
            parent.remove(name)
            raise
        if not parent.holds(name, os.fstat(descriptor)):
            self.close(descriptor)
            raise FileExistsError(errno.EEXIST, "claimed by another one", name)
        return descriptor

    def claim(self, parent: Directory, name: str) -> int | None:
        """Open and lock `name` in `parent`; return None where it is gone, busy, or no file of ours."""
        try:
            with fork_gate.hold():
                descriptor = parent.open(name, os.O_RDWR)
                self._held.add(descriptor)
            self._lock(descriptor)
        except OSError:
            return None
        # Removed (and perhaps made anew) between our opening and our locking: the lock is on nothing.
        if parent.holds(name, os.fstat(descriptor)):
            return descriptor
        self.close(descriptor)
        return None

    def close(self, descriptor: int) -> None:
        """Unlock and close."""
        with fork_gate.hold():
            self._held.discard(descriptor)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            with suppress(OSError):  # closed all the same; what was written has been told
                os.close(descriptor)

    def _close_inherited(self) -> None:
        """In a forked child: let go of what the parent has open, without unlocking it for the parent."""
        inherited, self._held = self._held, set()
        for descriptor in inherited:
            with suppress(OSError):
                os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        """Lock it, or close it and raise."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.close(descriptor)
            raise
