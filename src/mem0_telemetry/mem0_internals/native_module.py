# SPDX-License-Identifier: Apache-2.0
"""Run Mem0's own telemetry module without letting it build a client, and close clients that it has built."""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib.util
import logging
import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from queue import Empty
from types import ModuleType
from typing import Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals.instance import fields_of
from mem0_telemetry.mem0_internals.names import MARK, NATIVE_EXIT_HOOK, PARENT_PACKAGE, TELEMETRY_MODULE
from mem0_telemetry.mem0_internals.ownership import is_mem0s, is_posthog_class


class _Inert:
    """Replaces a module or client that Mem0's code must not reach: each call or attribute returns the object."""

    _is_part_of_mem0_telemetry = True

    def __call__(self, *_: object, **__: object) -> _Inert:
        return self

    def __getattr__(self, name: str) -> _Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def run_native(*, private: bool) -> ModuleType:
    """Execute mem0/memory/telemetry.py as a new module object that is opted out, and return it.

    Its code sees `MEM0_TELEMETRY=False`, so it builds no PostHog client. It sees this in a copy of `os`: the process's
    environment does not change. The module is not added to `sys.modules`.

    Args:
        private: make a copy that only provides names that the drop-in lacks. It does not import `posthog`, change a log
            level or register an exit hook. Otherwise the module is as Mem0's import makes it, except for its flag.

    Raises:
        Exception: any exception of the module's own code.
    """
    spec = _spec_of_its_file()
    module = importlib.util.module_from_spec(spec)
    environ = {**os.environ, "MEM0_TELEMETRY": "False"}
    # mem0ai 1.0.0 builds its client even when opted out, so `posthog` is replaced in both cases.
    replaced = {"os": _changed(os, environ=environ, getenv=environ.get), "posthog": _Inert()}
    if private:
        replaced.update(atexit=_Inert(), logging=_changed(logging, getLogger=_unregistered_logger))

    def import_(name: str, *args: Any) -> Any:
        return replaced[name] if name in replaced else builtins.__import__(name, *args)

    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
    exec(spec.loader.get_code(TELEMETRY_MODULE), module.__dict__)  # noqa: S102  # as its import does
    if not private:
        from posthog import Posthog  # noqa: PLC0415  # as Mem0's own import does; this builds no client

        module.__dict__.update(os=os, Posthog=Posthog, __builtins__=builtins)
        fields = fields_of(module.__dict__.get("client_telemetry"))
        if "posthog" in fields:
            fields[MARK] = True  # it has no client because we prevented it
    return module


def _changed(module: ModuleType, **changes: Any) -> ModuleType:
    """Return a copy of `module` with some names replaced."""
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module), **changes)
    return copy


def _unregistered_logger(name: str = "root") -> logging.Logger:
    """Return a logger outside the hierarchy, so that its level affects no other logger."""
    return logging.Logger(name, logging.CRITICAL + 1)  # noqa: LOG001


def _spec_of_its_file() -> Any:
    package = importlib.util.find_spec(PARENT_PACKAGE)
    locations = package.submodule_search_locations if package else None
    # `importlib.util.find_spec` would find the drop-in instead.
    spec = PathFinder.find_spec(TELEMETRY_MODULE, list(locations or ()))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(TELEMETRY_MODULE, name=TELEMETRY_MODULE)
    return spec


def close_without_waiting(native: ModuleType, *, everywhere: bool) -> None:
    """Close the native clients: empty their queues, stop their consumers and remove their exit hooks, without waiting.

    Args:
        native: Mem0's own module. Values that the application put into it stay as they are.
        everywhere: also close clients that the module no longer holds. Visits every object: 0.15 s for a million.
    """
    names = vars(native)
    in_1_0_0 = "_oss_telemetry_instance" not in names
    held: list[Any] = [names.get(name) for name in ("client_telemetry", "_oss_telemetry_instance")]
    clients = [fields_of(telemetry).get("posthog") for telemetry in held]
    if everywhere or in_1_0_0:  # 1.0.0 builds a client for each event, and leaves it to `atexit`
        telemetries, others = _made_by_mem0(names.get("PROJECT_API_KEY"))
        held, clients = held + telemetries, clients + others
    for telemetry in held:
        if is_mem0s(telemetry):
            atexit.unregister(telemetry.close)
            # Mem0 itself sets None after closing, but 1.0.0 (which has no singleton) would still call a method of it.
            vars(telemetry).update({"posthog": _Inert() if in_1_0_0 else None, MARK: True})
    for client in clients:
        if is_posthog_class(type(client)):
            with guard("closing a native PostHog client"):
                _stop(client)
    if is_mem0s(names.get("_oss_telemetry_instance")):
        names["_oss_telemetry_instance"] = None
    if NATIVE_EXIT_HOOK in names:
        atexit.unregister(names[NATIVE_EXIT_HOOK])


def _made_by_mem0(key: object) -> tuple[list[Any], list[Any]]:
    """Return all of Mem0's telemetry objects, and all PostHog clients with its project key."""
    objects = gc.get_objects()
    kinds = {type(found) for found in objects}
    telemetry = {kind for kind in kinds if kind.__dict__.get("__module__") == TELEMETRY_MODULE}
    client = {kind for kind in kinds if is_posthog_class(kind)}
    return [found for found in objects if type(found) in telemetry], [
        found for found in objects if type(found) in client and fields_of(found).get("api_key") == key
    ]


def _stop(client: Any) -> None:
    """Stop a `posthog.Client` (7.14 to 7.91 and similar) without its `shutdown`, which waits for the network."""
    client.disabled = True
    for hook in ("_atexit", "join"):
        function = getattr(client, hook, None)
        if function is not None:
            atexit.unregister(function)
    lanes = getattr(client, "_lanes", None) or [client]
    for lane in lanes:
        for consumer in getattr(lane, "consumers", None) or ():
            consumer.pause()
        queue = getattr(lane, "queue", None)
        while queue is not None and not queue.empty():
            with suppress(Empty):  # a consumer emptied it first
                queue.get_nowait()
                queue.task_done()


def native_in_place() -> bool:
    """Return whether Mem0's own telemetry module is loaded, and not replaced by the drop-in."""
    return is_mem0s(sys.modules.get(TELEMETRY_MODULE))


def is_adopted() -> bool:
    """Return whether Mem0 is loaded and its own telemetry module is this package (docs/adoption.md)."""
    if PARENT_PACKAGE not in sys.modules:
        return False
    # A test's mock of Mem0, and a compiled Mem0, have no code to read: neither has adopted us.
    with suppress(Exception):
        return "mem0_telemetry" in _spec_of_its_file().loader.get_code(TELEMETRY_MODULE).co_names
    return False


_private_copy: list[ModuleType] = []


def native_attribute(name: str) -> Any:
    """Return an attribute of Mem0's own telemetry module that the drop-in does not have.

    Works only if Mem0 is loaded or its import is in progress: tools look up names of their own in every module in
    `sys.modules`, and this must not import Mem0. The module's code runs at most once in a process, as a private copy
    that is opted out, and only if it contains the name.

    Raises:
        AttributeError: Mem0 is not loaded, or its module does not have the name or fails to run.
    """
    package = sys.modules.get(PARENT_PACKAGE)
    if package is not None and not _private_copy:
        with guard("reading Mem0's own telemetry module"):
            if name in _spec_of_its_file().loader.get_code(TELEMETRY_MODULE).co_names:
                _private_copy.append(run_native(private=True))
    if package is None or not _private_copy or name not in vars(_private_copy[0]):
        raise AttributeError(f"module {TELEMETRY_MODULE!r} has no attribute {name!r}", name=name)
    return vars(_private_copy[0])[name]
