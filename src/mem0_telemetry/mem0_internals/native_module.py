# SPDX-License-Identifier: Apache-2.0
"""Mem0's own telemetry module: run it without letting it build a client, and close a client that it has built."""

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
    """Stand for what a private copy must not reach: any call or attribute of it is itself."""

    _is_part_of_mem0_telemetry = True

    def __call__(self, *_: object, **__: object) -> _Inert:
        return self

    def __getattr__(self, name: str) -> _Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def run_native(*, private: bool) -> ModuleType:
    """Execute mem0/memory/telemetry.py as a new module object that is opted out, and return it.

    Its code sees `MEM0_TELEMETRY=False` (through an `os` of its own: the process's environment is not touched), so it
    builds no PostHog client. Not entered into `sys.modules`.

    Args:
        private: for answering names that we do not know. `posthog` is then not imported, no log level is changed and no
            exit hook registered. Otherwise the module is as Mem0 would have it, but for its flag.

    Raises:
        Exception: whatever the module's own code raises.
    """
    spec = _spec_of_its_file()
    module = importlib.util.module_from_spec(spec)
    environ = {**os.environ, "MEM0_TELEMETRY": "False"}
    # mem0ai 1.0.0 builds its client even where it is opted out, so `posthog` stands aside in either case.
    replaced = {"os": _changed(os, environ=environ, getenv=environ.get), "posthog": _Inert()}
    if private:
        replaced.update(atexit=_Inert(), logging=_changed(logging, getLogger=_unregistered_logger))

    def import_(name: str, *args: Any) -> Any:
        return replaced[name] if name in replaced else builtins.__import__(name, *args)

    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
    exec(spec.loader.get_code(TELEMETRY_MODULE), module.__dict__)  # noqa: S102  # as its import would
    if not private:
        from posthog import Posthog  # noqa: PLC0415  # as Mem0's own import does; nothing is built

        module.__dict__.update(os=os, Posthog=Posthog, __builtins__=builtins)
        fields = fields_of(module.__dict__.get("client_telemetry"))
        if "posthog" in fields:
            fields[MARK] = True  # it is by our doing that it has no client
    return module


def _changed(module: ModuleType, **changes: Any) -> ModuleType:
    """Return a copy of `module` in which some names are others."""
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module), **changes)
    return copy


def _unregistered_logger(name: str = "root") -> logging.Logger:
    """Return a logger in no hierarchy, so that its level concerns nobody."""
    return logging.Logger(name, logging.CRITICAL + 1)  # noqa: LOG001


def _spec_of_its_file() -> Any:
    package = importlib.util.find_spec(PARENT_PACKAGE)
    locations = package.submodule_search_locations if package else None
    # Not by `importlib.util.find_spec`: that would find the drop-in.
    spec = PathFinder.find_spec(TELEMETRY_MODULE, list(locations or ()))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(TELEMETRY_MODULE, name=TELEMETRY_MODULE)
    return spec


def close_without_waiting(native: ModuleType, *, everywhere: bool) -> None:
    """Take the native clients out of service: queues emptied, consumers told to stop, exit hooks gone, no waiting.

    Args:
        native: Mem0's own module. What the application has put into it is left as it is.
        everywhere: also close clients that the module does not hold any more. Looks at every object of the process,
            0.15 s for a million.
    """
    names = vars(native)
    in_1_0_0 = "_oss_telemetry_instance" not in names
    held: list[Any] = [names.get(name) for name in ("client_telemetry", "_oss_telemetry_instance")]
    clients = [fields_of(telemetry).get("posthog") for telemetry in held]
    if everywhere or in_1_0_0:  # which builds a client for each event, and leaves it to `atexit`
        telemetries, others = _made_by_mem0(names.get("PROJECT_API_KEY"))
        held, clients = held + telemetries, clients + others
    for telemetry in held:
        if is_mem0s(telemetry):
            atexit.unregister(telemetry.close)
            # None is Mem0's own "closed", but 1.0.0 (which has no singleton) would call it.
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
    """Return all of Mem0's telemetry objects, and all PostHog clients that send to its project."""
    objects = gc.get_objects()
    kinds = {type(found) for found in objects}
    telemetry = {kind for kind in kinds if kind.__dict__.get("__module__") == TELEMETRY_MODULE}
    client = {kind for kind in kinds if is_posthog_class(kind)}
    return [found for found in objects if type(found) in telemetry], [
        found for found in objects if type(found) in client and fields_of(found).get("api_key") == key
    ]


def _stop(client: Any) -> None:
    """Stop a `posthog.Client` (7.14 to 7.91 and alike) without its `shutdown`, which waits for the network."""
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
            with suppress(Empty):  # a consumer was faster
                queue.get_nowait()
                queue.task_done()


def native_in_place() -> bool:
    """Return whether Mem0's own telemetry would send: its module is loaded, and it is not the drop-in."""
    return is_mem0s(sys.modules.get(TELEMETRY_MODULE))


def is_adopted() -> bool:
    """Return whether Mem0 is loaded and its own telemetry module is this package (docs/adoption.md)."""
    if PARENT_PACKAGE not in sys.modules:
        return False
    # A test's mock in the place of Mem0, or a compiled Mem0, has no code to read: it has not adopted us.
    with suppress(Exception):
        return "mem0_telemetry" in _spec_of_its_file().loader.get_code(TELEMETRY_MODULE).co_names
    return False


_private_copy: list[ModuleType] = []


def native_attribute(name: str) -> Any:
    """Return an attribute of Mem0's own telemetry module that the drop-in does not have.

    Only where Mem0 is loaded, or its import is under way: tools ask every module in `sys.modules` for a name of their
    own, and must not import Mem0 by that. The module's code runs once a process, privately, and only for a name that
    occurs in it; what it holds is opted out.

    Raises:
        AttributeError: Mem0 is not loaded, or its module has no such name or cannot be run.
    """
    package = sys.modules.get(PARENT_PACKAGE)
    if package is not None and not _private_copy:
        with guard("reading Mem0's own telemetry module"):
            if name in _spec_of_its_file().loader.get_code(TELEMETRY_MODULE).co_names:
                _private_copy.append(run_native(private=True))
    if package is None or not _private_copy or name not in vars(_private_copy[0]):
        raise AttributeError(f"module {TELEMETRY_MODULE!r} has no attribute {name!r}", name=name)
    return vars(_private_copy[0])[name]
