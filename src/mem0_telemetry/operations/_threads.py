# SPDX-License-Identifier: Apache-2.0
"""Carry the context into thread pools that Mem0 starts during an operation.

`asyncio.to_thread` carries the context; a `ThreadPoolExecutor` does not. We replace only the name through which
Mem0's module finds the pool class: the standard library's class and the pools of other code stay as they are.
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
    """A proxy of a module that differs in one name, whose value `make` returns."""

    def __init__(self, module: ModuleType, name: str, make: Callable[[], object]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__wrapped__ = module
        self._replaced = name
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return self._make() if name == self._replaced else getattr(self.__wrapped__, name)


@functools.cache
def _context_carrying_executor() -> type[ThreadPoolExecutor]:
    # Import it when Mem0 uses its pool, as Python itself does: the import fails after the main thread has ended.
    from concurrent.futures.thread import ThreadPoolExecutor  # noqa: PLC0415

    class ContextCarryingExecutor(ThreadPoolExecutor):
        """A pool that runs each task in the context of its `submit`, if that is inside an operation."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if CURRENT_SCOPE.get() is None:
                return super().submit(fn, *args, **kwargs)
            return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)

    return ContextCarryingExecutor


def carrying_context(concurrent: ModuleType) -> ModuleType:
    """Return a proxy of the package `concurrent` with a thread pool that carries the context."""
    futures = _ModuleProxy(concurrent.futures, "ThreadPoolExecutor", _context_carrying_executor)
    return _ModuleProxy(concurrent, "futures", lambda: futures)
