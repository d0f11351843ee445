"""What waits for one destination: on disk where that works, else in memory; the newest records in both."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mem0_telemetry.delivery._batch import readable_count
from mem0_telemetry.delivery._disk_store import DiskStore
from mem0_telemetry.delivery._store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mem0_telemetry.delivery._batch import Batch
    from mem0_telemetry.delivery._drops import Drops
    from mem0_telemetry.delivery._facts import Limits
    from mem0_telemetry.delivery._store import Claim


class Mailbox:
    """Batches for one destination: the writer puts, the sender claims. No lock is held during I/O."""

    def __init__(self, *, root: Path | None, name: str, limits: Limits, drops: Drops) -> None:
        self.name = name
        self._limits = limits
        self._drops = drops
        self._disk = (
            None
            if root is None
            else DiskStore(root=root, mailbox=name, max_bytes=limits.spool_bytes, drops=drops)
        )
        self._memory = MemoryStore(max_bytes=limits.memory_bytes, drops=drops)
        # Re-entrant: a signal handler may flush, switch off or record an event.
        self._lock = threading.RLock()
        self._max_files = limits.spool_bytes // 1024
        self._own: set[str] = set()
        """Batches of this process that, for all we know, nobody is done with."""
        self._stuck: set[str] = set()
        """Batches that are done with, but that the disk would not let go."""
        self._recent: dict[str, Batch] = {}
        self._recent_bytes = 0
        self.on_disk = self._disk is not None
        """Whether the newest batch could be kept on disk."""

    def put(self, batch: Batch) -> None:
        """Keep `batch`; beyond the bounds the oldest are dropped and counted. Needs no working disk."""
        with self._lock:
            self._recent[batch.name] = batch
            self._recent_bytes += len(batch.line)
            while self._recent_bytes > self._limits.cache_bytes:
                self._forget(next(iter(self._recent), ""))
        self.on_disk = self._disk is not None and self._put_on_disk(self._disk, batch)
        if not self.on_disk:
            self._memory.put(batch.name, batch.line)
        with self._lock:
            self._own.add(batch.name)  # not before it is there: `outstanding` forgets what it does not find
        if len(self._own) > self._max_files:
            self.outstanding()  # most of them have been dropped

    @staticmethod
    def _put_on_disk(disk: DiskStore, batch: Batch) -> bool:
        try:
            disk.put(batch.name, batch.line)
        except OSError:
            return False
        return True

    def names(self) -> list[str]:
        """What waits here, of any process, oldest first."""
        return self._names()[0]

    def claim(self, name: str) -> Claim | None:
        """The batch for us alone until it is removed or released; None where it is gone or busy."""
        claim = self._memory.claim(name)
        if claim is None and self._disk is not None:
            claim = self._disk.claim(name)
        return claim

    def recent(self, name: str) -> Batch | None:
        """The batch, where this process wrote it lately: nobody needs to read or decode it."""
        with self._lock:
            return self._recent.get(name)

    def done(self, name: str, claim: Claim, *, corrupt: bool = False) -> None:
        """The claimed batch has been sent, or dropped and counted."""
        gone = claim.set_aside() if corrupt else claim.remove()
        with self._lock:
            self._forget(name)
            self._own.discard(name)
            if not gone:
                self._stuck.add(name)

    def outstanding(self) -> set[str]:
        """The batches of this process that nobody is done with."""
        with self._lock:
            own = set(self._own)  # what comes while the disk is read may be missing there
        names, complete = self._names()
        with self._lock:
            if complete:
                self._own -= own.difference(names)
            return set(self._own)

    def waiting(self) -> tuple[int, int]:
        """Records that wait: those of this process, and those of others."""
        names = self.names()
        with self._lock:
            own = self._own.intersection(names)
        counts = {name: readable_count(name) or 0 for name in names}
        ours = sum(counts[name] for name in own)
        return ours, sum(counts.values()) - ours

    def remove(self, names: Iterable[str], reason: str) -> None:
        """Drop these batches and count their records under `reason`, unless somebody is sending them."""
        self._memory.remove(names, reason)
        if self._disk is not None:
            self._disk.remove(names, reason)

    def expire(self, before_ns: int) -> None:
        """Drop and count what was written before that time."""
        before = f"{max(0, before_ns):020d}"
        self._memory.expire(before)
        if self._disk is not None:
            self._disk.expire(before)

    def discard(self) -> None:
        """Delete and count what this process put here and nobody is done with, even if it is being sent."""
        with self._lock:
            own, self._own = self._own, set()
            self._recent.clear()
            self._recent_bytes = 0
        self._drops.count("discarded", self._memory.discard(own))
        if self._disk is not None:
            self._drops.count("discarded", self._disk.discard(own))

    def forget_inherited(self) -> None:
        """In a forked child: what waits is the parent's, and so is what is being sent."""
        self._memory.forget_inherited()
        if self._disk is not None:
            self._disk.forget_inherited()
        self._lock = threading.RLock()
        self._own, self._stuck, self._recent, self._recent_bytes = set(), set(), {}, 0

    def _names(self) -> tuple[list[str], bool]:
        """What waits, and whether that is all: the disk may not tell at present."""
        names = self._memory.names()
        if self._disk is not None:
            try:
                on_disk = self._disk.names()
            except OSError:
                return names, False
            with self._lock:
                names = sorted(names + [name for name in on_disk if name not in self._stuck])
        return names, True

    def _forget(self, name: str) -> None:
        batch = self._recent.pop(name, None)
        self._recent_bytes -= 0 if batch is None else len(batch.line)
