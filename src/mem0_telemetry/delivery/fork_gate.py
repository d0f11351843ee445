# SPDX-License-Identifier: Apache-2.0
"""Keep `os.fork()` from happening while one of our threads imports, or is inside code with locks of its own.

A child inherits every lock as it was, but only the thread that forked: a module lock or an SDK lock that
another thread held is never released there, and the child hangs in its next import. So a thread of ours that
is about to import says `with hold():`, and a fork waits until nobody holds the gate: normally some
microseconds, 0.25 s around the first event, 10 s at most. Past that bound the fork goes ahead.

Standard library only, and no OpenTelemetry: it is the gate *around* those imports.
"""

from __future__ import annotations

import os
import threading
import weakref

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.base.guard import guard

TYPE_CHECKING = False  # nothing stands around the import of this module, so it is short
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

__all__ = ["after_fork_in_child", "hold", "in_forked_child"]

_BOUND = 10.0
"""Seconds that a fork waits for holders, and a holder for a fork."""


class _ForkGate:
    """Many holders, or one fork; a thread never waits for itself."""

    def __init__(self) -> None:
        # Re-entrant, as a signal handler may interrupt a holder and record an event of its own.
        self._condition = threading.Condition(threading.RLock())
        self._holders: dict[int, int] = {}
        self._forking: list[int] = []
        """Threads that are about to fork."""
        self._registered = False
        self.in_child = False
        self._callbacks: list[weakref.WeakMethod[Callable[[], None]]] = []

    def __enter__(self) -> None:
        if not self._registered:
            self._register()
        me = threading.get_ident()
        with self._condition:
            # Not for itself: a signal handler may come here while its thread waits to fork.
            if self._forking and me not in self._holders and me not in self._forking:
                self._condition.wait_for(lambda: not self._forking, _BOUND)
            self._holders[me] = self._holders.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._condition:
            depth = self._holders.pop(me, 1) - 1
            if depth:
                self._holders[me] = depth
            elif self._forking:
                self._condition.notify_all()

    def after_fork_in_child(self, callback: Callable[[], None]) -> None:
        """Call the bound method `callback` in every forked child, first thing; held weakly. Thread-safe.

        An `Exception` of it is logged at DEBUG and dropped.
        """
        if not self._registered:
            self._register()
        with self._condition:
            self._callbacks = [known for known in self._callbacks if known() is not None]
            self._callbacks.append(weakref.WeakMethod(callback))

    def _register(self) -> None:
        """Register the hooks, once a process.

        Hooks run before a fork in the reverse order of their registration. `logging` and `concurrent.futures.thread`
        take a lock of theirs in such a hook, and imports inside the gate need it: their hooks must run after ours.
        But a fork must wait for the imports of these two as well. So ours is registered before them and after them.
        """
        self._registered = True  # no lock: before the hooks are there, a child would inherit it
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before,
                after_in_parent=self._after_in_parent,
                after_in_child=self._after_in_child,
            )
            with self:
                import concurrent.futures.thread  # noqa: F401, PLC0415  # the SDK imports both anyway
                import logging  # noqa: F401, PLC0415

                os.register_at_fork(before=self._before)

    def _before(self) -> None:
        me = threading.get_ident()
        deadline = monotonic() + _BOUND
        with self._condition:
            self._forking.append(me)
            while self._holders.keys() - {me} and (left := deadline - monotonic()) > 0:
                self._condition.wait(left)

    def _after_in_parent(self) -> None:
        me = threading.get_ident()
        with self._condition:
            self._forking = [thread for thread in self._forking if thread != me]  # it came by twice
            self._condition.notify_all()

    def _after_in_child(self) -> None:
        # The lock may have been held by a thread that does not exist here; only the forking thread's holds
        # do.
        me = threading.get_ident()
        self._condition = threading.Condition(threading.RLock())
        self._holders = {me: self._holders[me]} if me in self._holders else {}
        self._forking = []
        self.in_child = True
        for reference in self._callbacks:
            with guard("starting afresh in a forked child"):
                if (callback := reference()) is not None:
                    callback()


_gate = _ForkGate()
after_fork_in_child = _gate.after_fork_in_child


def in_forked_child() -> bool:
    """Return whether this process was forked after the gate's first use. It may end by `os._exit`."""
    return _gate.in_child


def hold() -> AbstractContextManager[Any]:
    """Keep every other thread's fork waiting while the `with` block runs. Re-entrant, thread-safe.

    Costs about 1 µs. Waits only for a fork that is going on, 10 s at most. A thread inside may itself fork.
    Where the platform has no `os.register_at_fork` it does nothing.
    """
    return _gate
