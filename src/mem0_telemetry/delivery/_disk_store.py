# SPDX-License-Identifier: Apache-2.0
"""Store batches as files in one directory, which any number of independent processes share.

The writer locks and writes a `.part` file and then renames it, so a batch is complete or does not exist. A process
that locks a batch may send it, and then removes it. A process that dies leaves complete batches and at most one
`.part` file, which the next process completes or removes.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.clock import wall
from mem0_telemetry.delivery import _files
from mem0_telemetry.delivery._batch import CORRUPT, MAX_BYTES, PARTIAL, Claim, readable_count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mem0_telemetry.delivery._batch import Ending
    from mem0_telemetry.delivery._status import Drops

_BLOCK: Final = 4096
_ABANDONED_AFTER: Final = 60.0
"""Seconds after which an empty `.part` file that nobody has locked has no writer: a writer locks it at once."""
_RECOUNT_SHARE: Final = 64
"""Measure the directory each time we have written a 64th of the bound: other processes write to it too."""
_DROP_TO: Final = 0.95
"""Share of the bound to which an oversized spool is reduced, so not every write has to make room."""


class DiskStore:
    """The spool of one destination. Each method copes if another process removes the directory meanwhile."""

    def __init__(self, *, root: Path, mailbox: str, max_bytes: int, drops: Drops) -> None:
        self._path = (str(root), "spool", mailbox)
        self._max_bytes = max_bytes
        self._drops = drops
        self._files = _files.LockedFiles()
        self._since_measured = max_bytes  # measure at the first write

    def write(self, name: str, line: bytes) -> None:
        """Store a batch, and drop the oldest ones beyond the bound. Raises `OSError` if it cannot store the batch."""
        if len(line) > MAX_BYTES:  # no process would read it back
            raise OSError(errno.EFBIG, "too large for a spool file", name)
        with _files.Directory(*self._path, create=True) as parent:
            self._write(parent, name, line)
            self._since_measured += _on_disk(len(line))
            if self._since_measured * _RECOUNT_SHARE >= self._max_bytes:
                self._since_measured = 0
                # Do not raise: the batch is stored, and the caller would also keep it in memory and send it twice.
                with suppress(OSError):
                    self._make_room(parent)

    def names(self) -> list[str]:
        """Return the names of the batches that can be sent and then removed, oldest first.

        Raises:
            OSError: the directory cannot be read now, or is read-only: each process would send its batches again.
        """
        try:
            with _files.Directory(*self._path) as parent:
                if not parent.is_writable():
                    raise PermissionError(errno.EACCES, "read-only", "spool")
                entries = parent.names()
                partial = [entry for entry in entries if entry.endswith(PARTIAL)]
                for entry in partial:
                    self._recover(parent, entry)
                if partial:
                    entries = parent.names()
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(entry for entry in entries if readable_count(entry) is not None)

    def claim(self, name: str) -> Claim | None:
        """Claim the batch for this process alone; return None if it is gone or already claimed."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            descriptor = self._files.claim(parent, name)
            if descriptor is not None:
                return Claim(
                    lambda: _files.read_all(descriptor, MAX_BYTES),
                    lambda ending: self._end(name, descriptor, ending),
                )
        return None

    def expire(self, before: str) -> None:
        """Drop the unclaimed batches whose name is smaller than `before`, counted as `expired`."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            for entry in parent.names():
                if entry < before and readable_count(_without_suffix(entry)) is not None:
                    self._drop(parent, entry, "expired")

    def delete(self, names: Iterable[str]) -> int:
        """Remove these batches, even those being sent. Return the number of their records."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            return sum(readable_count(name) or 0 for name in names if parent.remove(name))
        return 0

    def _end(self, name: str, descriptor: int, ending: Ending) -> None:
        """Remove, rename or leave a claimed file, and unlock it."""
        try:
            if ending != "again":
                with suppress(FileNotFoundError, NotADirectoryError), _files.Directory(*self._path) as parent:
                    if parent.holds(name, os.fstat(descriptor)):
                        parent.unlink(name) if ending == "done" else parent.rename(name, name + CORRUPT)
        finally:
            self._files.close(descriptor)

    def _write(self, parent: _files.Directory, name: str, line: bytes) -> None:
        partial = name + PARTIAL
        descriptor = self._files.create(parent, partial)
        try:
            _files.write_all(descriptor, line)
            try:
                parent.rename(partial, name)
            except FileNotFoundError:
                # This process was suspended for long, and another one treated the file as abandoned.
                if not parent.holds(name, os.fstat(descriptor)):
                    raise
        except OSError:
            parent.remove(partial)
            raise
        finally:
            self._files.close(descriptor)

    def _recover(self, parent: _files.Directory, partial: str) -> None:
        """Complete the batch of a writer that died if the file has all of it; otherwise remove the file."""
        name = partial.removesuffix(PARTIAL)
        count = readable_count(name)
        with suppress(OSError):
            status = parent.stat(partial)
            is_new = not status.st_size and abs(wall() - status.st_mtime) <= _ABANDONED_AFTER
            if count is None or is_new or (descriptor := self._files.claim(parent, partial)) is None:
                return
            try:
                if os.pread(descriptor, 1, max(0, os.fstat(descriptor).st_size - 1)) == b"\n":
                    parent.rename(partial, name)
                elif parent.remove(partial):
                    self._drops.count("corrupt", count)
            finally:
                self._files.close(descriptor)

    def _make_room(self, parent: _files.Directory) -> None:
        sizes = {}
        for entry in parent.names():
            if readable_count(_without_suffix(entry)) is not None:
                with suppress(FileNotFoundError):
                    sizes[entry] = _on_disk(parent.stat(entry).st_size)
        total = sum(sizes.values())
        if total <= self._max_bytes:
            return
        for oldest in sorted(sizes):
            if total <= self._max_bytes * _DROP_TO:
                break
            if self._drop(parent, oldest, "spool_full"):
                total -= sizes[oldest]

    def _drop(self, parent: _files.Directory, name: str, reason: str) -> bool:
        """Remove one file and count its records, unless it is claimed. Return whether it was removed."""
        descriptor = self._files.claim(parent, name)
        if descriptor is None:
            return False
        try:
            removed = parent.remove(name)
        finally:
            self._files.close(descriptor)
        if removed:
            self._drops.count(reason, readable_count(name) or 0)
        return removed


def _without_suffix(entry: str) -> str:
    return entry.removesuffix(PARTIAL).removesuffix(CORRUPT)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
