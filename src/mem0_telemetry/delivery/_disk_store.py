# SPDX-License-Identifier: Apache-2.0
"""Batches as files in one directory, which any number of processes share without knowing of each other.

A file is written aside under its own lock and then renamed, so it is whole or not there. Whoever locks it may
send it, and removes it. A process that dies leaves whole files, and at most one `.part`, which the next one
takes over or clears.
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
"""Seconds after which an empty, unlocked file has no writer any more; one that is writing has it locked."""
_RECOUNT_SHARE: Final = 64
"""After each such share of the bound is written, the directory is measured again: others write too."""
_DROP_TO: Final = 0.95
"""Share of the bound that is left when it was exceeded, so that not each write has to make room."""


class DiskStore:
    """The spool of one destination. Every method copes with the directory going away meanwhile."""

    def __init__(self, *, root: Path, mailbox: str, max_bytes: int, drops: Drops) -> None:
        self._path = (str(root), "spool", mailbox)
        self._max_bytes = max_bytes
        self._drops = drops
        self._files = _files.LockedFiles()
        self._since_measured = max_bytes  # measure at the first write

    def write(self, name: str, line: bytes) -> None:
        """Keep a batch, and drop the oldest beyond the bound. Raises `OSError` where it cannot."""
        if len(line) > MAX_BYTES:  # nobody would read it back
            raise OSError(errno.EFBIG, "too large for a spool file", name)
        with _files.Directory(*self._path, create=True) as parent:
            self._write(parent, name, line)
            self._since_measured += _on_disk(len(line))
            if self._since_measured * _RECOUNT_SHARE >= self._max_bytes:
                self._since_measured = 0
                # The batch is kept all the same: raised here, it would be kept in memory too, and sent twice.
                with suppress(OSError):
                    self._make_room(parent)

    def names(self) -> list[str]:
        """Return what waits and can be removed once it is sent, oldest first.

        Raises:
            OSError: that cannot be told at present, or nothing can be removed: it would be sent by each process anew.
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
        """Claim the batch for us alone; return None where it is gone, or somebody else has it."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            descriptor = self._files.claim(parent, name)
            if descriptor is not None:
                return Claim(
                    lambda: _files.read_all(descriptor, MAX_BYTES),
                    lambda ending: self._end(name, descriptor, ending),
                )
        return None

    def expire(self, before: str) -> None:
        """Drop what has a smaller name, counted as `expired`, unless somebody is sending it."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            for entry in parent.names():
                if entry < before and readable_count(_without_suffix(entry)) is not None:
                    self._drop(parent, entry, "expired")

    def delete(self, names: Iterable[str]) -> int:
        """Remove these batches even while somebody sends them. Return how many records that were."""
        with suppress(OSError), _files.Directory(*self._path) as parent:
            return sum(readable_count(name) or 0 for name in names if parent.remove(name))
        return 0

    def _end(self, name: str, descriptor: int, ending: Ending) -> None:
        """Take a claimed file out of the mailbox, rename it or leave it there, and let go of it."""
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
                # We were stopped for long, and somebody took the file for abandoned.
                if not parent.holds(name, os.fstat(descriptor)):
                    raise
        except OSError:
            parent.remove(partial)
            raise
        finally:
            self._files.close(descriptor)

    def _recover(self, parent: _files.Directory, partial: str) -> None:
        """Finish what a process that died was writing, where all of it is there; else clear it away."""
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
        """Remove one file and count its records, unless somebody has it locked. Return whether it is gone."""
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
