"""A thread of ours: a daemon outside every context of the application, only where it can do no harm."""

from __future__ import annotations

import contextvars
import importlib
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mem0_telemetry.delivery._wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Worker:
    """Runs `target` on one thread, once. For its owner; `alive` and `name` for anybody."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self._name = name
        self._target = target
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it, unless it runs.

        Raises:
            RuntimeError: no more threads in the system, at interpreter exit, or in a sub-interpreter.
        """
        if self.alive:
            return
        if _in_subinterpreter():
            # Up to 3.11 the process is aborted where such a thread still runs when its interpreter ends.
            raise RuntimeError("no threads in a sub-interpreter")
        # An empty context: outside every span and baggage of the thread that happens to start it.
        thread = threading.Thread(
            target=contextvars.Context().run, args=(self._target,), name=self._name, daemon=True
        )
        thread.start()
        self._thread = thread

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def name(self) -> str:
        """Its name while it runs, else nothing."""
        return self._name if self.alive else ""

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def park() -> None:
    """Never return: called by what turns out to be a greenlet of the parent, living on in a forked child.

    With gevent a fork takes all greenlets along. One that ended there would have `threading` complain on stderr, which
    does not know it any more; so would one that is freed.
    """
    forever = Wakeup()
    _parked.append(forever)
    forever.wait()


_parked: list[Wakeup] = []


def _find_interpreters() -> ModuleType | None:
    for module in ("_interpreters", "_xxsubinterpreters"):  # from 3.13 on, and before
        with suppress(ImportError):
            return importlib.import_module(module)
    return None


_interpreters: Final = _find_interpreters()  # here, as the first event imports nothing


def _in_subinterpreter() -> bool:
    return _interpreters is not None and bool(_interpreters.get_current() != _interpreters.get_main())
