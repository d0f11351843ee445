# SPDX-License-Identifier: Apache-2.0
"""Replace Mem0's methods, and its components', by functions that record, and put the originals back exactly.

Each function is a plain function like the one it replaces: same name, documentation, signature and kind, so that
`inspect`, `help`, pickling by name, copying, subclassing and `super()` find what they would have found. (The
objects of `wrapt` can be neither pickled nor copied, and are another object at each access.) A call that is
not recorded goes straight to the original; what the original returns or raises goes to the caller as it is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:  # it imports OpenTelemetry
    from mem0_telemetry.operations._recording import Recording

BeginFunction: TypeAlias = "Callable[..., Recording | None] | None"

_METHOD_DESCRIPTOR: Final = 1 << 17
"""Python's flag on types whose objects, called through an instance, get it as their first argument."""


class Begin(functools.partial):  # type: ignore[type-arg]
    """What a wrapper asks at each call: it returns a `Recording`, or None.

    Pickled it is None. So a class that is pickled by value, as cloudpickle does with those of `__main__`, can
    be loaded where this package is missing: its wrappers are there, and only call their originals.
    """

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def is_method(original: object) -> bool:
    """Return whether a class's attribute, called through an instance, gets it as its first argument.

    A `functools.partial`, a builtin, a mock or another callable object does not, nor does a static or class
    method: a function in its place would get an argument more.
    """
    kind = type(original)
    # A proxy, as `wrapt` makes them, claims the class of the function inside. So does a mock, which is not bound.
    is_proxy = isinstance(original, FunctionType) and hasattr(kind, "__get__")
    return bool(kind.__flags__ & _METHOD_DESCRIPTOR) or is_proxy


def recorded(original: Any, begin: BeginFunction) -> Callable[..., Any]:
    """Return the function that calls `original`, and records the call where `begin` does not return None."""
    target = original if type(original).__flags__ & _METHOD_DESCRIPTOR else _binding(original)
    if not inspect.iscoroutinefunction(inspect.unwrap(original)):
        return _with_metadata_of(_sync(target, begin), original)
    wrapper = _with_metadata_of(_async(target, begin), original)
    if inspect.iscoroutinefunction(original):
        return wrapper
    # A plain function around a coroutine function, which a decorator of the first 2.x releases makes of the
    # hosted client's methods. It stays one, and what it returns is recorded while it is awaited.

    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    return _with_metadata_of(call, original)


def _binding(proxy: Any) -> Callable[..., Any]:
    def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        method = proxy.__get__(instance, type(instance))  # it may use the instance that it is bound to
        return method(*args, **kwargs)

    return call


def _sync(original: Callable[..., Any], begin: BeginFunction) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        recording = begin and begin(args, kwargs)
        if recording is None:
            return original(*args, **kwargs)
        with recording:
            result = recording.result = original(*args, **kwargs)
        return result

    return call


def _async(original: Callable[..., Any], begin: BeginFunction) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        recording = begin and begin(args, kwargs)
        if recording is None:
            return await original(*args, **kwargs)
        with recording:
            result = recording.result = await original(*args, **kwargs)
        return result

    return call


def _with_metadata_of(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    functools.update_wrapper(wrapper, original)
    if type(original) is not FunctionType:
        for name in dir(original):  # such as `cache_clear` of a cached method
            if not hasattr(wrapper, name):
                setattr(wrapper, name, getattr(original, name))
    if not hasattr(original, "__wrapped__"):
        # `inspect.getfullargspec` does not follow `__wrapped__`. A builtin may have no signature.
        with contextlib.suppress(ValueError, TypeError):
            wrapper.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return wrapper


class Patches:
    """What has been replaced. Classes are held weakly: an application may make them by the thousand."""

    def __init__(self) -> None:
        self._replaced: list[tuple[weakref.ref[Any], str, weakref.ref[Any]]] = []
        self.restored = False
        """True once `restore` was called."""

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Set an attribute of a class or module to something that keeps the original as `__wrapped__`."""
        setattr(owner, name, replacement)
        self._replaced.append((weakref.ref(owner), name, weakref.ref(replacement)))
        if self.restored:  # an operation was beginning when all was put back
            self.restore()

    def covers(self, owner: Any, name: str) -> bool:
        """Return whether this attribute has been replaced already."""
        return any(name == other and owner_of() is owner for owner_of, other, _ in self._replaced)

    def restore(self) -> None:
        """Put the originals back, last one first; what is replaced later, at once.

        What somebody else has wrapped or replaced since is left alone; a wrapper of ours inside it passes
        through.
        """
        self.restored = True
        while self._replaced:
            owner_of, name, replacement_of = self._replaced.pop()
            owner, replacement = owner_of(), replacement_of()
            if owner is None or replacement is None:
                continue
            if vars(owner).get(name) is replacement:
                setattr(owner, name, replacement.__wrapped__)
