# SPDX-License-Identifier: Apache-2.0
"""A thread of ours: how it waits, how it is woken, what it may not do, and how we hear that the process ends."""

from __future__ import annotations

import atexit
import contextvars
import importlib
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_SMALLEST_STACK: Final = 1 << 16
"""Bytes of stack that our threads need at least: with less, an import ends the process."""
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
        """Wait until it is set, and clear it. Return False where `timeout` seconds passed first."""
        return self._lock.acquire(
            timeout=_FOREVER if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX))
        )


class Worker:
    """Runs `target` on a daemon thread, outside every context of the application. For its owner."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self.name: Final = name
        self._target = target
        self._process = os.getpid()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it; only where it does not run.

        Raises:
            RuntimeError: no more threads in the system, at interpreter exit, or in a sub-interpreter.
        """
        if 0 < threading.stack_size() < _SMALLEST_STACK:
            raise RuntimeError("the stack that the application wants for threads is too small")
        if _in_subinterpreter():
            # Up to 3.11 the process is aborted where such a thread still runs when its interpreter ends.
            raise RuntimeError("no threads in a sub-interpreter")
        # An empty context: outside every span and baggage of the thread that happens to start it.
        thread = threading.Thread(
            target=contextvars.Context().run, args=(self._target,), name=self.name, daemon=True
        )
        thread.start()
        self._thread = thread

    @property
    def alive(self) -> bool:
        """Return whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def park_in_child(self) -> None:
        """Never return in a forked child. To be called by the thread itself, after each wait.

        With gevent a fork takes all greenlets along. One that ended in the child would have `threading` complain on
        stderr, which does not know it any more; so would one that is freed.
        """
        if os.getpid() != self._process:
            _parked.append(Wakeup())
            _parked[-1].wait()


_parked: Final[list[Wakeup]] = []


def _find_interpreters() -> ModuleType | None:
    for module in ("_interpreters", "_xxsubinterpreters"):  # from 3.13 on, and before
        with suppress(ImportError):
            return importlib.import_module(module)
    return None


_interpreters: Final = _find_interpreters()  # here, as the first event imports nothing


def _in_subinterpreter() -> bool:
    return _interpreters is not None and bool(_interpreters.get_current() != _interpreters.get_main())


class ExitHook:
    """Calls back at interpreter exit, and at the end of a `multiprocessing` child, which has no `atexit`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._registered = False

    def register(self) -> None:
        """Call back from now on. To be called once in a process, and once more in each forked child."""
        if not self._registered:  # a forked child has inherited it
            self._registered = True
            atexit.register(self._callback)
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            util.Finalize(None, self._callback, exitpriority=0)


def is_exiting_here() -> bool:
    """Return whether the calling code runs at interpreter exit (in an `atexit` function, or later).

    Then the main thread has ended but is the one that runs. A main thread that has ended while others work on
    for hours is no exit.
    """
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()
