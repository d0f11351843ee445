# SPDX-License-Identifier: Apache-2.0
"""Open the files of this package, and refuse anything that was put there instead of them.

A file of ours is regular, belongs to this user, is in directories that belong to this user and are not links, and is no
larger than we write it. Opening a file never blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from mem0_telemetry.base.clock import wall

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_CHUNK = 65_536
_ABANDONED_AFTER = 60.0
"""Seconds after which a temporary file has no writer: writing one takes milliseconds."""

_HAVE_DIRECTORY_DESCRIPTORS = os.open in os.supports_dir_fd
"""False on Windows, where this module joins names to the directory's path."""

# Some of these are absent on Windows.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_AS_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _SAFELY


class NotOursError(OSError):
    """The path is not a file or directory of ours: it is a link, a pipe, a device, another user's, or too large.

    Any other `OSError` means that it could not be opened or read, perhaps only temporarily.
    """


class Directory:
    """An open directory of ours. While it is open, nobody can redirect the names in it. Use it with `with`.

    Args:
        path: the path of the directory, or of the one that contains the first of `below`.
        below: the names of the nested directories from there down.
        create: create missing levels, and close each level to other users (0700).

    Raises:
        NotOursError: a level is a link, or belongs to another user.
        OSError: a level is missing, is not a directory, or cannot be opened or created.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str, *below: str, create: bool = False) -> None:
        self._path = ""
        self._descriptor: int | None = None
        if create:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._make(path)
        try:
            self._enter(path, create=create)
            for level in below:
                if create:
                    self._make(level)
                self._enter(level, create=create)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Directory:  # noqa: PYI034  # `Self` is `typing`'s from 3.11 on only
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Return the names of its entries, in no particular order."""
        return os.listdir(self._path if self._descriptor is None else self._descriptor)  # noqa: PTH208

    def is_writable(self) -> bool:
        """Return whether this process may create and remove files in it."""
        if self._descriptor is None:
            return os.access(self._path, os.W_OK)
        return os.access(
            ".", os.W_OK, dir_fd=self._descriptor, effective_ids=os.access in os.supports_effective_ids
        )

    def stat(self, name: str) -> os.stat_result:
        """Return the status of `name` itself, without following a link."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def holds(self, name: str, status: os.stat_result) -> bool:
        """Return whether `name` is still the file from which `status` was read."""
        try:
            now = self.stat(name)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (status.st_dev, status.st_ino)

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open the file `name` and return its descriptor.

        Raises:
            NotOursError: it is not a regular file, or belongs to another user.
            OSError: it is missing, or cannot be opened now.
        """
        # Check before opening: opening a pipe or a device may block or have side effects.
        _refuse_foreign(self.stat(name), name)
        descriptor = os.open(self._at(name), flags | _SAFELY, dir_fd=self._descriptor)
        try:
            _refuse_foreign(os.fstat(descriptor), name)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def create(self, name: str) -> int:
        """Create the file `name` (0600) and return its descriptor. Raises FileExistsError if the name exists."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY
        descriptor = os.open(self._at(name), flags, _FILE_MODE, dir_fd=self._descriptor)
        if self._descriptor is not None:  # POSIX: a daemon's umask may deny access to its owner
            with suppress(OSError):  # the file system may have no POSIX modes
                os.fchmod(descriptor, _FILE_MODE)
        return descriptor

    def read(self, name: str, largest: int) -> bytes:
        """Return the content of the file `name`. Raises as `open` and `read_all` do."""
        descriptor = self.open(name)
        try:
            return read_all(descriptor, largest)
        finally:
            os.close(descriptor)

    def replace(self, name: str, content: bytes) -> None:
        """Replace `name` atomically by a file with `content`. If it raises `OSError`, `name` is unchanged."""
        aside = f"{name}.{os.urandom(4).hex()}.aside"
        descriptor = self.create(aside)
        try:
            try:
                # Do not call `fsync`: on a busy disk it takes seconds, and an exit may be waiting.
                write_all(descriptor, content)
            finally:
                os.close(descriptor)
            self.rename(aside, name)
        except OSError:
            self.remove(aside)
            raise

    def remove_abandoned(self) -> None:
        """Remove temporary files of killed processes that are more than a minute old."""
        for name in self.names():
            if name.endswith(".aside"):
                try:
                    age = wall() - self.stat(name).st_mtime
                except OSError:  # another process has removed it
                    continue
                if abs(age) > _ABANDONED_AFTER:
                    self.remove(name)

    def rename(self, name: str, to: str) -> None:
        """Rename `name` to `to`, replacing an existing file."""
        os.replace(self._at(name), self._at(to), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> bool:
        """Remove `name`. Return False if it does not exist or cannot be removed."""
        try:
            self.unlink(name)
        except OSError:
            return False
        return True

    def unlink(self, name: str) -> None:
        """Remove `name`. Raises `OSError` if it does not exist or cannot be removed."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else os.path.join(self._path, name)  # noqa: PTH118

    def _make(self, level: str) -> None:
        """If the directory is missing, create it and set its mode: a daemon's umask may have removed `x`."""
        try:
            os.mkdir(self._at(level), _DIRECTORY_MODE, dir_fd=self._descriptor)
        except FileExistsError:
            return
        with suppress(OSError):  # the file system may have no POSIX modes
            os.chmod(self._at(level), _DIRECTORY_MODE, dir_fd=self._descriptor)

    def _enter(self, level: str, *, create: bool) -> None:
        status = self.stat(level)
        if stat.S_ISLNK(status.st_mode):
            raise NotOursError(errno.ELOOP, "a link instead of a directory", level)
        if not stat.S_ISDIR(status.st_mode):  # check before opening, as for a file
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), level)
        if not _HAVE_DIRECTORY_DESCRIPTORS:
            self._path = self._at(level)
            return
        descriptor = os.open(level, _AS_DIRECTORY, dir_fd=self._descriptor)
        self.close()
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        _refuse_foreign_owner(status, level)
        if create and status.st_mode & 0o077:
            os.fchmod(descriptor, _DIRECTORY_MODE)


def read_all(descriptor: int, largest: int) -> bytes:
    """Return the whole content of an open file.

    Raises:
        NotOursError: the file has more than `largest` bytes.
        OSError: it cannot be read.
    """
    content = bytearray()
    if os.fstat(descriptor).st_size <= largest:
        os.lseek(descriptor, 0, os.SEEK_SET)
        while len(content) <= largest and (chunk := os.read(descriptor, _CHUNK)):
            content += chunk
        if len(content) <= largest:
            return bytes(content)
    raise NotOursError(errno.EFBIG, "larger than any file of ours")


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content` at the current position.

    Raises:
        OSError: the disk is full, or a file size limit was reached. Part of `content` may have been written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _refuse_foreign(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotOursError(errno.EINVAL, "not a regular file", name)
    _refuse_foreign_owner(status, name)


def _refuse_foreign_owner(status: os.stat_result, name: str) -> None:
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise NotOursError(errno.EPERM, "it belongs to another user", name)
