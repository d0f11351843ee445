# SPDX-License-Identifier: Apache-2.0
"""Replace methods of Mem0 and its components with wrappers that record calls, and restore the originals exactly.

Each wrapper is a plain function with the name, docstring, signature and kind of its original, so `inspect`, `help`,
pickling by name, copying, subclassing and `super()` work as before. (`wrapt` objects can be neither pickled nor
copied, and each access returns a new one.) A call that is not recorded goes straight to the original. The original's
result or exception reaches the caller unchanged.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:  # that module imports OpenTelemetry
    from mem0_telemetry.operations._recording import Recording

BeginFunction: TypeAlias = "Callable[..., Recording | None] | None"

_METHOD_DESCRIPTOR: Final = 1 << 17
"""Python's flag `Py_TPFLAGS_METHOD_DESCRIPTOR`: objects of the type get the instance as their first argument."""


class Begin(functools.partial):  # type: ignore[type-arg]
    """The function that a wrapper calls before each call of its original. Returns a `Recording`, or None.

    It is pickled as None. So a class that is pickled by value, as cloudpickle does with classes of `__main__`, can
    be loaded without this package: its wrappers then only call their originals.
    """

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def is_method(original: object) -> bool:
    """Return whether a class's attribute, called through an instance, gets the instance as its first argument.

    A `functools.partial`, a builtin, a mock or another callable object does not, nor does a static or class
    method: a function in its place would get one argument too many.
    """
    kind = type(original)
    # A `wrapt` proxy claims the class of the function inside. So does a mock, but a mock has no `__get__`.
    is_proxy = isinstance(original, FunctionType) and hasattr(kind, "__get__")
    return bool(kind.__flags__ & _METHOD_DESCRIPTOR) or is_proxy


def recorded(original: Any, begin: BeginFunction) -> Callable[..., Any]:
    """Return a function that calls `original`, and records the call unless `begin` returns None."""
    target = original if type(original).__flags__ & _METHOD_DESCRIPTOR else _binding(original)
    if not inspect.iscoroutinefunction(inspect.unwrap(original)):
        return _with_metadata_of(_sync(target, begin), original)
    wrapper = _with_metadata_of(_async(target, begin), original)
    if inspect.iscoroutinefunction(original):
        return wrapper
    # In the first 2.x releases a decorator puts a plain function around the hosted client's coroutine functions. The
    # replacement stays a plain function too, and the coroutine that it returns records the call.

    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    return _with_metadata_of(call, original)


def _binding(proxy: Any) -> Callable[..., Any]:
    def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        method = proxy.__get__(instance, type(instance))  # the proxy may use the instance
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
    """The replaced attributes. References to classes are weak: an application may create thousands of classes."""

    def __init__(self) -> None:
        self._replaced: dict[tuple[int, str], tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        self.restored = False
        """True after `restore` was called."""

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Set an attribute of a class or module to a replacement that has the original as `__wrapped__`."""
        key, replaced = (id(owner), name), self._replaced
        entry = weakref.ref(owner, lambda _: replaced.pop(key, None)), weakref.ref(replacement)
        first = replaced.setdefault(key, entry)
        if first is not entry and first[1]() is not None:
            return  # another thread is replacing it now
        replaced[key] = entry  # a reload of the module drops the first replacement
        try:
            setattr(owner, name, replacement)
        except TypeError:
            raise  # an immutable type: the entry stays, so that no call tries again
        except BaseException:
            replaced.pop(key, None)
            raise
        if self.restored:  # an operation was beginning during `restore`
            replaced[key] = entry
            self.restore()

    def covers(self, owner: Any, name: str) -> bool:
        """Return whether this attribute has already been replaced."""
        return (id(owner), name) in self._replaced

    def restore(self) -> None:
        """Restore the originals. An attribute that is replaced later is restored at once.

        An attribute that other code has since replaced stays: if it wraps our wrapper, that only calls its original.
        """
        self.restored = True
        for key, (owner_of, replacement_of) in self._replaced.copy().items():
            self._replaced.pop(key, None)
            owner, replacement = owner_of(), replacement_of()
            if owner is None or replacement is None:
                continue
            if vars(owner).get(key[1]) is replacement:
                setattr(owner, key[1], replacement.__wrapped__)
