"""What one thread waits on, and any other sets."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

_FOREVER: Final = -1


class Wakeup:
    """An event for one waiter that is cleared by waiting.

    A lock used the other way round: `threading.Event.set` takes a lock in Python code, so a signal handler or a
    finalizer that records an event in the midst of it would wait for itself for ever; this is one call in C.

    Make it when its waiter is started, not earlier: gevent may replace `threading.Lock` in between, and waiting for a
    lock of before would stop all its greenlets.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the waiter, now or when it next waits. Any thread; about 50 ns."""
        if self._lock.locked():
            with suppress(RuntimeError):  # another thread was faster
                self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and clear it. False where `timeout` seconds passed first."""
        return self._lock.acquire(
            timeout=_FOREVER if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX))
        )
