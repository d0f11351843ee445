# SPDX-License-Identifier: Apache-2.0
"""Unsent batches of one destination: on disk if possible, else in memory. The newest batches are in both."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from mem0_telemetry.delivery._batch import Claim, readable_count
from mem0_telemetry.delivery._disk_store import DiskStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mem0_telemetry.delivery._batch import Batch, Ending
    from mem0_telemetry.delivery._config import Limits
    from mem0_telemetry.delivery._status import Drops


class Mailbox:
    """The batches of one destination: the writer spools, the sender claims. Holds no lock during I/O. Thread-safe."""

    def __init__(self, *, root: Path | None, name: str, limits: Limits, drops: Drops) -> None:
        self.name = name
        self._limits = limits
        self._drops = drops
        self._memory = MemoryStore(max_bytes=limits.memory_bytes, drops=drops)
        self._stores: list[MemoryStore | DiskStore] = [self._memory]
        self._disk: DiskStore | None = None
        if root is not None:
            self._disk = DiskStore(root=root, mailbox=name, max_bytes=limits.spool_bytes, drops=drops)
            self._stores.append(self._disk)
        # Re-entrant: a signal handler may flush, switch telemetry off or record an event.
        self._lock = threading.RLock()
        self._max_files = limits.spool_bytes // 1024
        self._own: set[str] = set()
        """Batches of this process that are not known to be sent or dropped."""
        self._recent: dict[str, Batch] = {}
        self._recent_bytes = 0
        self.on_disk = self._disk is not None
        """Whether the newest batch was written to disk."""

    def spool(self, batch: Batch) -> None:
        """Store `batch`, in memory if the disk fails. Drop and count the oldest batches beyond the bounds."""
        with self._lock:
            self._recent[batch.name] = batch
            self._recent_bytes += len(batch.line)
            while self._recent_bytes > self._limits.cache_bytes:
                self._forget(next(iter(self._recent), ""))
        self.on_disk = False
        if self._disk is not None:
            with suppress(OSError):
                self._disk.write(batch.name, batch.line)
                self.on_disk = True
        if not self.on_disk:
            self._memory.write(batch.name, batch.line)
        with self._lock:
            self._own.add(batch.name)  # after the write: `outstanding` removes names that it does not find
        if len(self._own) > self._max_files:
            self.outstanding()  # removes the names of sent and dropped batches

    def names(self) -> list[str]:
        """Return the unsent batches of all processes, oldest first; only those in memory if the disk is unusable."""
        with suppress(OSError):
            return self._names()
        return self._memory.names()

    def claim(self, name: str) -> Claim | None:
        """Claim the batch for this process alone until the claim ends; return None if it is gone or claimed."""
        return next((claim for store in self._stores if (claim := store.claim(name)) is not None), None)

    def recent(self, name: str) -> Batch | None:
        """Return the batch if this process wrote it recently, without reading and decoding the file; else None."""
        with self._lock:
            return self._recent.get(name)

    def done(self, name: str, claim: Claim, *, corrupt: bool = False) -> None:
        """Remove a claimed batch that was sent or must be dropped, or rename it if it is corrupt.

        Raises:
            OSError: it cannot be removed, for example in a directory that is now read-only. It will be sent again.
        """
        claim.end("corrupt" if corrupt else "done")
        with self._lock:
            self._forget(name)
            self._own.discard(name)

    def outstanding(self) -> set[str]:
        """Return the unsent batches of this process."""
        with self._lock:
            own = set(self._own)  # before listing the disk: the list may lack batches spooled meanwhile
        with suppress(OSError):
            gone = own.difference(self._names())
            with self._lock:
                self._own -= gone
        with self._lock:
            return set(self._own)

    def waiting(self) -> tuple[int, int]:
        """Return the numbers of unsent records of this process and of other processes."""
        names = self.names()
        with self._lock:
            own = self._own.intersection(names)
        counts = {name: readable_count(name) or 0 for name in names}
        ours = sum(counts[name] for name in own)
        return ours, sum(counts.values()) - ours

    def expire(self, before_ns: int) -> None:
        """Drop and count the batches written before that time."""
        for store in self._stores:
            store.expire(f"{max(0, before_ns):020d}")

    def delete_own(self) -> None:
        """Delete and count the unsent batches of this process, even those being sent."""
        with self._lock:
            own, self._own = self._own, set()
            self._recent.clear()
            self._recent_bytes = 0
        for store in self._stores:
            self._drops.count("discarded", store.delete(own))

    def _names(self) -> list[str]:
        """Return all unsent batches. Raises `OSError` if the disk cannot be read now."""
        return sorted(name for store in self._stores for name in store.names())

    def _forget(self, name: str) -> None:
        batch = self._recent.pop(name, None)
        self._recent_bytes -= 0 if batch is None else len(batch.line)


class MemoryStore:
    """Batches in memory, for the life of the process, with the interface of `DiskStore`. Thread-safe."""

    def __init__(self, *, max_bytes: int, drops: Drops) -> None:
        self._max_bytes = max_bytes
        self._drops = drops
        self._lock = threading.RLock()  # re-entrant, like `Mailbox`'s
        self._lines: dict[str, bytes] = {}
        self._claimed: set[str] = set()
        self._bytes = 0

    def write(self, name: str, line: bytes) -> None:
        """Store a batch, and drop the oldest ones beyond the bound."""
        with self._lock:
            self._lines[name] = line
            self._bytes += len(line)
            for oldest in sorted(self._lines):
                if self._bytes <= self._max_bytes:
                    break
                self._drop([oldest], "spool_full")

    def names(self) -> list[str]:
        """Return the unsent batches, oldest first."""
        with self._lock:
            return sorted(self._lines)

    def claim(self, name: str) -> Claim | None:
        """Claim the batch for one caller; return None if it is gone or already claimed."""
        with self._lock:
            if name not in self._lines or name in self._claimed:
                return None
            self._claimed.add(name)
            line = self._lines[name]
            return Claim(lambda: line, lambda ending: self._end(name, ending))

    def expire(self, before: str) -> None:
        """Drop the unclaimed batches whose name is smaller than `before`, counted as `expired`."""
        with self._lock:
            self._drop([name for name in self._lines if name < before], "expired")

    def delete(self, names: Iterable[str]) -> int:
        """Remove these batches, even those being sent. Return the number of their records."""
        with self._lock:
            removed = [name for name in names if name in self._lines]
            for name in removed:
                self._claimed.discard(name)
                self._bytes -= len(self._lines.pop(name))
        return sum(readable_count(name) or 0 for name in removed)

    def _end(self, name: str, ending: Ending) -> None:
        with self._lock:
            self._claimed.discard(name)
            if ending != "again":  # a corrupt line is deleted too: no user could look at it in memory
                self.delete([name])

    def _drop(self, names: Iterable[str], reason: str) -> None:
        """Remove and count the unclaimed batches. The caller holds the lock, or a sender might claim one meanwhile."""
        self._drops.count(reason, self.delete([name for name in names if name not in self._claimed]))
