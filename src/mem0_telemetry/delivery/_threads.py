# SPDX-License-Identifier: Apache-2.0
"""The threads of this package: how to start them, make them wait and wake them; and the hook for the process's exit."""

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
"""Least bytes of stack for our threads: with less, an import would crash the process."""
_FOREVER: Final = -1


class Wakeup:
    """An event for one waiting thread, cleared when `wait` returns True.

    It is a lock that `set` releases, in one call in C, and `wait` acquires. `threading.Event.set` takes a lock in
    Python code, so a signal handler or finalizer that records an event during it would deadlock.

    Create it when its thread is started, not earlier: gevent may replace `threading.Lock` in between, and waiting for
    an original lock would block all greenlets.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the waiting thread, now or at its next wait. Thread-safe; costs about 50 ns."""
        if self._lock.locked():
            with suppress(RuntimeError):  # another thread has just released it
                self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and clear it. Return False if `timeout` seconds pass first."""
        return self._lock.acquire(
            timeout=_FOREVER if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX))
        )


class Worker:
    """Runs `target` on a daemon thread, outside the application's context. Not thread-safe: for one owner."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self.name: Final = name
        self._target = target
        self._process = os.getpid()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. The caller makes sure that it does not run already.

        Raises:
            RuntimeError: no thread left, interpreter exit, a sub-interpreter, or too small a `threading.stack_size()`.
        """
        if 0 < threading.stack_size() < _SMALLEST_STACK:
            raise RuntimeError("the stack that the application wants for threads is too small")
        if _in_subinterpreter():
            # Up to Python 3.11, the process aborts if a daemon thread still runs when its sub-interpreter ends.
            raise RuntimeError("no threads in a sub-interpreter")
        # Run in an empty context, so that the thread does not inherit its starter's span and baggage.
        thread = threading.Thread(
            target=contextvars.Context().run, args=(self._target,), name=self.name, daemon=True
        )
        thread.start()
        self._thread = thread

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, at most `timeout` seconds; return at once on the thread itself."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def park_in_child(self) -> None:
        """Never return in a forked child. The thread must call this itself after each wait.

        Under gevent, a fork copies all greenlets. `threading` in the child no longer knows this one, and would print an
        error to stderr if it ended or was freed.
        """
        if os.getpid() != self._process:
            _parked.append(Wakeup())
            _parked[-1].wait()


_parked: Final[list[Wakeup]] = []


def _find_interpreters() -> ModuleType | None:
    for module in ("_interpreters", "_xxsubinterpreters"):  # Python 3.13 and newer; older
        with suppress(ImportError):
            return importlib.import_module(module)
    return None


_interpreters: Final = _find_interpreters()  # at import, because the first event must import nothing


def _in_subinterpreter() -> bool:
    return _interpreters is not None and bool(_interpreters.get_current() != _interpreters.get_main())


class ExitHook:
    """Calls a function at interpreter exit, and at the end of a `multiprocessing` child, which runs no `atexit`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._registered = False

    def register(self) -> None:
        """Register the function. Call this once in each process, also in each forked child."""
        if not self._registered:  # a forked child inherits the registration
            self._registered = True
            atexit.register(self._callback)
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            util.Finalize(None, self._callback, exitpriority=0)


def is_exiting_here() -> bool:
    """Return whether the calling code runs at interpreter exit (in an `atexit` function, or later).

    At exit, the main thread counts as ended but runs this code. A main thread that has ended while other threads
    continue, perhaps for hours, is not an exit.
    """
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()
