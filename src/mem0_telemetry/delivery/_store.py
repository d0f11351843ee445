"""Where batches wait: the interface, and the one in memory for where there is no disk to use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from mem0_telemetry.delivery._batch import readable_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mem0_telemetry.delivery._drops import Drops


class Claim(Protocol):
    """A batch that nobody else can send until it is removed or released."""

    def read(self) -> bytes:
        """Its line. Raises `OSError` where it cannot be read."""

    def is_done(self) -> bool:
        """Whether somebody has sent it already, and could only not remove it."""

    def remove(self) -> bool:
        """It is done with. False where the store cannot let it go: it must not be sent again all the same."""

    def set_aside(self) -> bool:
        """It cannot be read: nobody tries it again, and it stays for a human to look at, within the bound."""

    def release(self) -> None:
        """It is to be tried again, by us or by others. No effect after `remove` or `set_aside`."""


class Store(Protocol):
    """Batches by name, of which the oldest has the smallest. Thread-safe."""

    def put(self, name: str, line: bytes) -> None:
        """Keep a batch, and drop the oldest beyond the bound. Raises `OSError` where it cannot."""

    def names(self) -> list[str]:
        """What waits, oldest first. Raises `OSError` where that cannot be told at present."""

    def claim(self, name: str) -> Claim | None:
        """The batch for us alone, or None: it is gone, or somebody else has it."""

    def remove(self, names: Iterable[str], reason: str) -> None:
        """Drop these batches, counted under `reason`, unless somebody is sending them."""

    def expire(self, before: str) -> None:
        """Drop what has a smaller name, counted as `expired`, unless somebody is sending it."""

    def discard(self, names: Iterable[str]) -> int:
        """Remove these batches even while somebody sends them. How many records that were."""

    def forget_inherited(self) -> None:
        """In a forked child: the parent's batches are the parent's."""


class MemoryStore:
    """Lines in a dictionary, for as long as the process lives."""

    def __init__(self, *, max_bytes: int, drops: Drops) -> None:
        self._max_bytes = max_bytes
        self._drops = drops
        self.forget_inherited()

    def put(self, name: str, line: bytes) -> None:
        with self._lock:
            self._lines[name] = line
            self._bytes += len(line)
            excess = []
            total = self._bytes
            for oldest in sorted(self._lines):
                if total <= self._max_bytes:
                    break
                if oldest not in self._claimed:
                    excess.append(oldest)
                    total -= len(self._lines[oldest])
        self.remove(excess, "spool_full")

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._lines)

    def claim(self, name: str) -> Claim | None:
        with self._lock:
            if name not in self._lines or name in self._claimed:
                return None
            self._claimed.add(name)
            return _MemoryClaim(self, name, self._lines[name])

    def remove(self, names: Iterable[str], reason: str) -> None:
        with self._lock:  # for both, or a sender might claim one in between
            removed = self.discard([name for name in names if name not in self._claimed])
        self._drops.count(reason, removed)

    def expire(self, before: str) -> None:
        self.remove([name for name in self.names() if name < before], "expired")

    def discard(self, names: Iterable[str]) -> int:
        return sum(readable_count(name) or 0 for name in names if self.take_out(name))

    def take_out(self, name: str) -> bool:
        """Remove one, whether claimed or not; False where there is none of that name."""
        with self._lock:
            self._claimed.discard(name)
            line = self._lines.pop(name, None)
            self._bytes -= len(line or b"")
            return line is not None

    def release(self, name: str) -> None:
        """Let it be claimed again."""
        with self._lock:
            self._claimed.discard(name)

    def forget_inherited(self) -> None:
        self._lock = threading.RLock()  # re-entrant, as that of `Mailbox`
        self._lines: dict[str, bytes] = {}
        self._claimed: set[str] = set()
        self._bytes = 0


class _MemoryClaim:
    def __init__(self, store: MemoryStore, name: str, line: bytes) -> None:
        self._store = store
        self._name = name
        self._line = line

    def read(self) -> bytes:
        return self._line

    def is_done(self) -> bool:
        return False

    def remove(self) -> bool:
        self._store.take_out(self._name)
        return True

    set_aside = remove  # there is no place for a human to look at

    def release(self) -> None:
        self._store.release(self._name)
