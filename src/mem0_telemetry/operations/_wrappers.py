"""The functions that stand in for Mem0's methods, and its components', while they are instrumented.

Each is a plain function like the one it stands for: same name, documentation, signature and kind, so that
`inspect`, `help`, pickling by name, subclassing and `super()` find what they would have found. A call that is
not recorded goes straight to the original; what the original returns or raises goes to the caller as it is.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    class Recording(Protocol):
        """A call that is being recorded; neither method raises."""

        def succeed(self, result: Any) -> None: ...
        def fail(self, error: BaseException) -> None: ...

    Begin = Callable[[Sequence[Any], Mapping[str, Any]], Recording | None]


def recorded(original: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """Return the function that calls `original`, and records the call where `begin` does not answer None."""
    if not inspect.iscoroutinefunction(inspect.unwrap(original)):
        return _disguised(_sync(original, begin), original)
    wrapper = _disguised(_async(original, begin), original)
    if inspect.iscoroutinefunction(original):
        return wrapper
    # A plain function around a coroutine function, which a decorator of the first 2.x releases makes of the
    # hosted client's methods. It stays one, and what it returns is recorded while it is awaited.

    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    return _disguised(call, original)


def _sync(original: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        recording = begin(args, kwargs)
        if recording is None:
            return original(*args, **kwargs)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            recording.fail(error)
            raise
        recording.succeed(result)
        return result

    return call


def _async(original: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        recording = begin(args, kwargs)
        if recording is None:
            return await original(*args, **kwargs)
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            recording.fail(error)
            raise
        recording.succeed(result)
        return result

    return call


def _disguised(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    functools.update_wrapper(wrapper, original)
    if not hasattr(original, "__wrapped__"):
        # `inspect.getfullargspec` does not follow `__wrapped__`.
        wrapper.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return wrapper
