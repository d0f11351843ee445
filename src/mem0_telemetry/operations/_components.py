# SPDX-License-Identifier: Apache-2.0
"""Instrument the interfaces of the classes that Mem0's components are of.

A class is met when an object that uses it begins an operation, whoever made it: Mem0's factories or the
application. Its methods are replaced where they are defined, so for all of its instances, and do nothing
outside an operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _semconv, _wrappers
from mem0_telemetry.operations._calls import CURRENT_SCOPE, PerClass, PhaseMethod, Recording
from mem0_telemetry.operations._wrappers import Patches


class Components:
    """The component classes that have been met. Thread-safe: meeting one twice at once does no harm."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._met: dict[str, PerClass[bool]] = {name: PerClass() for name in _semconv.PHASE_NAMES}

    def meet(self, instance: object) -> None:
        """Instrument the classes of an object's components, as far as they are new."""
        attributes = getattr(instance, "__dict__", {})
        for attribute, interface in mem0.COMPONENTS.items():
            cls = type(attributes.get(attribute))
            if not self._met[interface].get(cls):
                self._met[interface].set(cls, True)
                for name in _semconv.PHASE_NAMES[interface]:
                    with guard("instrumenting a component"):
                        self._instrument(cls, interface, name)

    def _instrument(self, cls: type, interface: str, name: str) -> None:
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or self._patches.covers(owner, name):
            return
        original = vars(owner)[name]
        is_stub = f"{owner.__module__}.{owner.__qualname__}.{name}" in mem0.INHERITED_STUBS
        if _wrappers.is_method(original) and not is_stub:
            span_name = _semconv.PHASE_NAMES[interface][name]
            begin = _wrappers.Begin(_begin, PhaseMethod(interface, name, span_name, PerClass()))
            self._patches.replace(owner, name, _wrappers.recorded(original, begin))


def _begin(method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording | None:
    """Begin a phase; None outside an operation that records, and where a component calls itself."""
    scope = CURRENT_SCOPE.get()
    if scope is None or not args:
        return None
    operation, component = scope
    if operation.tracer is None or component is args[0]:
        return None
    return operation.begin_phase(method, args, kwargs)
