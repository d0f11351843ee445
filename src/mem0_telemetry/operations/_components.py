# SPDX-License-Identifier: Apache-2.0
"""Instrument the classes of Mem0's components.

A class is instrumented when an object that uses it begins an operation, whether Mem0's factories or the application
made the component. A method is replaced in the class that defines it, so for all instances. The replacement records
nothing outside an operation.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.mem0_internals.instance import fields_of
from mem0_telemetry.operations import _content, _semconv, _wrappers
from mem0_telemetry.operations._calls import CURRENT_SCOPE, PhaseMethod
from mem0_telemetry.operations._phase import Phase

_BEGINNING = guard("beginning a phase")


class Components:
    """The instrumented component classes. Thread-safe: two threads may instrument the same class at once."""

    def __init__(self, patches: _wrappers.Patches) -> None:
        self._patches = patches
        self._known: dict[tuple[str, int], tuple[weakref.ref[type], Mapping[str, str]]] = {}
        """Weak references to classes, with their provider. The key has the class's `id`: a class may have no hash."""

    def instrument(self, instance: object) -> None:
        """Instrument the classes of an object's components."""
        fields = fields_of(instance)
        for attribute, interface in mem0.COMPONENTS.items():
            self.provider(interface, type(fields.get(attribute)))

    def provider(self, interface: str, cls: type) -> Mapping[str, str]:
        """Return the attribute that names a class's provider, if it is known. Instrument a class that is new."""
        key, known = (interface, id(cls)), self._known
        found = known.get(key)
        if found is not None:
            return found[1]
        attributes: dict[str, str] = {}
        left = set(_semconv.PHASE_NAMES[interface])
        for name in _semconv.PHASE_NAMES[interface]:
            with guard("instrumenting a component"):
                self._replace(cls, interface, name)
                left.remove(name)
        with guard("naming a component's provider"):
            attributes = _provider(interface, cls)
            if not left:  # otherwise the next call tries again, because the error may be temporary
                known[key] = weakref.ref(cls, lambda _: known.pop(key, None)), attributes
        return attributes

    def _replace(self, cls: type, interface: str, name: str) -> None:
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or self._patches.covers(owner, name):
            return
        original = vars(owner)[name]
        is_stub = f"{owner.__module__}.{owner.__qualname__}.{name}" in mem0.INHERITED_STUBS
        if _wrappers.is_method(original) and not is_stub:
            method = PhaseMethod(interface, name, _semconv.PHASE_NAMES[interface][name])
            begin = _wrappers.Begin(self._begin, method)
            self._patches.replace(owner, name, _wrappers.recorded(original, begin))

    def _begin(self, method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Phase | None:
        """Begin a phase. Return None outside an operation that records, and if a component calls itself."""
        scope = CURRENT_SCOPE.get()
        if scope is None or not args:
            return None
        operation, component = scope
        if operation.tracer is None or component is args[0]:
            return None
        provider = self.provider(method.interface, type(args[0]))
        phase = Phase(operation, method, args[0])
        try:
            with _BEGINNING:
                phase.begin(operation.tracer, provider, args, kwargs)
        except BaseException as error:  # such as Ctrl-C in a sampler: it propagates, but the scope ends
            phase.__exit__(None, error, None)
            raise
        return phase


def _provider(interface: str, cls: type) -> dict[str, str]:
    provider = mem0.provider_of(interface, cls)
    if not isinstance(provider, str) or not provider:
        return {}
    key, names = (
        (_semconv.DB_SYSTEM_NAME, _semconv.DB_SYSTEM_NAMES)
        if interface in _semconv.DATABASES
        else (_semconv.GEN_AI_PROVIDER_NAME, _semconv.PROVIDER_NAMES)
    )
    return {key: _content.encodable(names.get(provider, provider))}
