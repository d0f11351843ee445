# SPDX-License-Identifier: Apache-2.0
"""Distinguish Mem0's own values, and ours, from values that the application put in their place.

These functions never run code of the value that they check: a mock, for example, would answer yes to every question.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, TypeGuard

from mem0_telemetry.environment_variables import says_on
from mem0_telemetry.mem0_internals.names import MARK, PARENT_PACKAGE, TELEMETRY_MODULE

_FIELDS = {"posthog", "user_id", MARK}


def is_module(value: object) -> TypeGuard[ModuleType]:
    """Return whether a value is really a module. `isinstance` would trust the class that a mock claims."""
    return issubclass(type(value), ModuleType)


def is_ours(value: object) -> bool:
    """Return whether a value comes from this package, or from another copy of it in this process."""
    return _is_own(value, _is_our_function) or (
        (vars(value) if is_module(value) else vars(type(value))).get(MARK) is True
    )


def is_mem0s(value: object) -> bool:
    """Return whether a value comes from the code of Mem0's telemetry module, even from before a reload.

    A value that wraps, patches or extends one of Mem0's is the application's.
    """
    if is_module(value):
        names = vars(value)
        return names.get("__name__") == TELEMETRY_MODULE and names.get("__file__") in _own_files()
    return _is_own(value, _is_mem0s_function)


def is_replaceable(value: object) -> bool:
    """Return whether `value` can be replaced without losing a value of the application."""
    return value is True or is_ours(value) or is_mem0s(value)


def is_posthog_class(cls: type) -> bool:
    """Return whether a class is a client of PostHog's library, or a subclass of one."""
    return any(str(base.__dict__.get("__module__")).partition(".")[0] == "posthog" for base in cls.__mro__)


def _is_own(value: object, is_function: Callable[[object], bool]) -> bool:
    """Check a function, a class by all its methods, or an instance by its class and its fields."""
    kind = type(value)
    if kind is FunctionType:
        return is_function(value)
    if kind is type:
        methods = [
            found
            for name, found in vars(value).items()
            if name == "__init__" or not (name.startswith("__") and name.endswith("__"))
        ]
        return bool(methods) and all(is_function(getattr(found, "fget", found)) for found in methods)
    if type(kind) is not type or not _is_own(kind, is_function):
        return False
    fields = vars(value)
    client: Any = fields.get("posthog")
    if client is None:  # Mem0 builds none when it is off, and we mark the ones that we closed
        known = MARK in fields or is_function is _is_our_function
        untouched = known or not says_on(vars(kind)["__init__"].__globals__.get("MEM0_TELEMETRY"))
    elif type(client).__dict__.get(MARK) is True:
        untouched = not vars(client)
    else:
        untouched = is_posthog_class(type(client)) and not (client.disabled or "capture" in vars(client))
    return untouched and fields.keys() <= _FIELDS


def _is_our_function(value: Any) -> bool:
    # Check the function's module: `functools.wraps` copies the function's own attributes to a wrapper.
    return type(value) is FunctionType and value.__globals__.get(MARK) is True


def _is_mem0s_function(value: Any) -> bool:
    return type(value) is FunctionType and value.__code__.co_filename in _own_files()


def _own_files() -> list[str]:
    """Return the possible paths of Mem0's telemetry module, one for each directory of its package."""
    package = sys.modules.get(PARENT_PACKAGE)
    paths = vars(package).get("__path__", ()) if is_module(package) else ()
    return [os.path.join(path, "telemetry.py") for path in paths]  # noqa: PTH118  # joined as Python's finder does
