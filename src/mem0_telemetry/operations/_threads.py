# SPDX-License-Identifier: Apache-2.0
"""Thread pools that Mem0 starts in the middle of an operation, and whose work belongs to it.

`asyncio.to_thread` carries the context by itself; a `ThreadPoolExecutor` does not. Only the name that Mem0's
own module reaches it by is replaced: the class in the standard library, and everybody else's pools, stay as
they are.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mem0_telemetry.operations._calls import CURRENT_SCOPE

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class _ModuleProxy(ModuleType):
    """A module as one other module sees it: itself, but for one name, whose value `make` returns."""

    def __init__(self, module: ModuleType, name: str, make: Callable[[], object]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__wrapped__ = module
        self._replaced = name
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return self._make() if name == self._replaced else getattr(self.__wrapped__, name)


@functools.cache
def _context_carrying_executor() -> type[ThreadPoolExecutor]:
    # Imported when Mem0 asks for its pool, as Python itself does: the import fails once the main thread has ended.
    from concurrent.futures.thread import ThreadPoolExecutor  # noqa: PLC0415

    class ContextCarryingExecutor(ThreadPoolExecutor):
        """A pool whose work runs in the context that submitted it, if that is inside an operation."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if CURRENT_SCOPE.get() is None:
                return super().submit(fn, *args, **kwargs)
            return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)

    return ContextCarryingExecutor


def carrying_context(concurrent: ModuleType) -> ModuleType:
    """Return the package `concurrent` with a thread pool that carries the context."""
    futures = _ModuleProxy(concurrent.futures, "ThreadPoolExecutor", _context_carrying_executor)
    return _ModuleProxy(concurrent, "futures", lambda: futures)
