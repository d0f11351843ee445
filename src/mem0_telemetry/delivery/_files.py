"""Files that nobody else can read, redirect or send at the same time.

No descriptor is kept open between two calls but that of a file being sent: a program that makes a daemon of
itself closes them all, and their numbers come back as somebody else's.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from mem0_telemetry.delivery import fork_gate

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HAVE_LOCKS: Final = fcntl is not None
"""Whether the platform can do any of this; where it cannot, nothing below may be called."""
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_MAX_SIZE: Final = 64 * 1024 * 1024
# Absent on Windows, where nothing below gets as far as using them.
_DIRECTORY_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ_FLAGS: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CREATE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL  # which follows no link either


@contextmanager
def directory(root: Path, *below: str, create: bool = False) -> Iterator[int]:
    """A descriptor of `root/below...`, each level opened without following a link and ours alone (0700).

    Raises:
        OSError: a level is missing (with `create`: cannot be made), is no directory, or belongs to somebody
            else.
    """
    if create:
        root.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    descriptor = _open_directory(str(root), None, create=create)
    try:
        for level in below:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(level, _DIRECTORY_MODE, dir_fd=descriptor)
            lower = _open_directory(level, descriptor, create=create)
            os.close(descriptor)
            descriptor = lower
        yield descriptor
    finally:
        os.close(descriptor)


def _open_directory(name: str, parent: int | None, *, create: bool) -> int:
    descriptor = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
    facts = os.fstat(descriptor)
    if facts.st_uid != os.geteuid():
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "the directory belongs to somebody else")
    if create and facts.st_mode & 0o077:
        os.fchmod(descriptor, _DIRECTORY_MODE)  # ours, so it can
    return descriptor


class LockedFiles:
    """The files that this process has open, each under its own advisory lock. Thread-safe.

    A forked child inherits the descriptors and the locks with them, and would keep them for as long as it
    lives. So the child closes what it inherited, and the parent unlocks before it closes.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()

    def create(self, parent: int, name: str) -> int:
        """Create `name` in the directory `parent`, locked, 0600.

        Raises:
            FileExistsError: it exists, or another one has taken it before it was locked.
            OSError: the disk refuses, or the file system has no locks.
        """
        descriptor = self._open(parent, name, _CREATE_FLAGS)
        try:
            self._lock(descriptor)
        except BlockingIOError:  # not to be removed: it is theirs by now, or what they have put in its place
            raise FileExistsError(errno.EEXIST, "taken by another one", name) from None
        except OSError:
            remove(parent, name)
            raise
        if not same_file(parent, name, os.fstat(descriptor)):
            self.close(descriptor)
            raise FileExistsError(errno.EEXIST, "taken by another one", name)
        return descriptor

    def take(self, parent: int, name: str) -> int | None:
        """Open and lock `name` in `parent`; None where it is gone, busy, or no regular file of ours."""
        try:
            descriptor = self._open(parent, name, _READ_FLAGS)
            self._lock(descriptor)
        except OSError:
            return None
        facts = os.fstat(descriptor)
        # Removed (and perhaps made anew) between our opening and our locking: the lock is on nothing.
        if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and same_file(parent, name, facts):
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

    def close_inherited(self) -> None:
        """In a forked child: let go of what the parent has open, without unlocking it for the parent."""
        inherited, self._held = self._held, set()
        for descriptor in inherited:
            with suppress(OSError):
                os.close(descriptor)

    def _open(self, parent: int, name: str, flags: int) -> int:
        with fork_gate.hold():  # no fork between having it and having noted it
            descriptor = os.open(name, flags, _FILE_MODE, dir_fd=parent)
            self._held.add(descriptor)
        return descriptor

    def _lock(self, descriptor: int) -> None:
        """Lock it, or close it and raise."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.close(descriptor)
            raise


def same_file(parent: int, name: str, facts: os.stat_result) -> bool:
    """Whether `name` in `parent` still is the file that `facts` were read from."""
    try:
        now = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (facts.st_dev, facts.st_ino)


def read_all(descriptor: int) -> bytes:
    """The whole content, from the beginning.

    Raises:
        OSError: it cannot be read, or is larger than anything of ours.
    """
    size = os.fstat(descriptor).st_size
    if size > _MAX_SIZE:
        raise OSError(errno.EFBIG, "none of our files is as large")
    content = bytearray()
    while chunk := os.pread(descriptor, max(1, size - len(content)), len(content)):
        content += chunk
    return bytes(content)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content` at the present position.

    Raises:
        OSError: the disk is full, or a limit on the size of files was met; some of it may be there.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def remove(parent: int, name: str) -> bool:
    """Remove `name` from `parent`; False where there was none, or it cannot be removed."""
    try:
        os.unlink(name, dir_fd=parent)
    except OSError:
        return False
    return True
