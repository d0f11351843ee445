# SPDX-License-Identifier: Apache-2.0
"""Delay `os.fork()` while one of our threads imports, or runs code that has its own locks.

A child inherits every lock in its current state, but only the thread that forked. If another thread held a module
lock or an SDK lock, nothing releases it in the child, which hangs at its next import. So our threads import inside
`with hold():`, and a fork waits until no thread holds the gate: normally a few microseconds, 0.25 s around the first
event, 10 s at most. After that, the fork goes ahead.

Imports only the standard library, not OpenTelemetry, because the gate must exist before those imports.
"""

from __future__ import annotations

import os
import threading
import weakref

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.base.guard import guard

TYPE_CHECKING = False  # not `typing`'s: no gate protects the import of this module, so it imports little
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

__all__ = ["after_fork_in_child", "hold", "in_forked_child"]

_BOUND = 10.0
"""Most seconds that a fork waits for holders, and a holder for a fork."""


class _ForkGate:
    """A lock that many holders share, or one fork has alone. A thread never waits for itself."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler may interrupt a holder and record an event.
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
            # Do not wait for this thread's own fork: a signal handler may run here while its thread waits to fork.
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
        """Call the bound method `callback` at the start of every forked child. Holds it weakly. Thread-safe.

        An `Exception` that it raises is logged at DEBUG and dropped.
        """
        if not self._registered:
            self._register()
        with self._condition:
            self._callbacks = [known for known in self._callbacks if known() is not None]
            self._callbacks.append(weakref.WeakMethod(callback))

    def _register(self) -> None:
        """Register the hooks, once in a process.

        Before a fork, hooks run in reverse order of registration. `logging` and `concurrent.futures.thread` acquire
        their own locks in such hooks, and imports inside the gate need these locks, so our hook must run first. But a
        fork must also wait for the imports of these two modules. So we register our hook before and after them.
        """
        self._registered = True  # without a lock: before the hooks exist, a child could inherit it locked
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
            self._forking = [thread for thread in self._forking if thread != me]  # `_before` ran twice
            self._condition.notify_all()

    def _after_in_child(self) -> None:
        # Replace the lock: a thread that does not exist here may hold it. Keep only the forking thread's holds.
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
    """Return whether this process was forked after the gate's first use. Such a process may end by `os._exit`."""
    return _gate.in_child


def hold() -> AbstractContextManager[Any]:
    """Make forks by other threads wait while the `with` block runs. Re-entrant, thread-safe.

    Costs about 1 µs. Waits only for a fork in progress, 10 s at most. A thread inside may itself fork.
    Does nothing if the platform has no `os.register_at_fork`.
    """
    return _gate
