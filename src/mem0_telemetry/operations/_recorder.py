# SPDX-License-Identifier: Apache-2.0
"""Decide at each call whether there is anything to record into, and begin the operation if so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _semconv
from mem0_telemetry.operations._calls import CURRENT_SCOPE, Method, Settings
from mem0_telemetry.operations._components import Components
from mem0_telemetry.operations._signals import metrics, traces
from mem0_telemetry.operations._wrappers import Begin, Patches, recorded

if TYPE_CHECKING:  # it imports OpenTelemetry
    from mem0_telemetry.operations._operation import Operation

_BEGINNING = guard("beginning an operation")


class Recorder:
    """What every wrapper asks before it calls Mem0. Thread-safe: it holds nothing of a call."""

    def __init__(self, settings: Settings, patches: Patches) -> None:
        self._settings = settings
        self._components = Components(patches)
        self._traces = traces()
        self._metrics = metrics()
        self._opentelemetry: tuple[type[Operation], Callable[[], bool]] | None = None
        self._stopped = False

    def prepare(self, _: object = None) -> tuple[type[Operation], Callable[[], bool]]:
        """Import what an operation needs and return it. It imports OpenTelemetry, so the application has to be first.

        Called right after `opentelemetry.trace` has been imported. In the first operation it would be too late: a
        child that another thread forks during an import waits for that import for ever.
        """
        from mem0_telemetry.operations._operation import Operation  # noqa: PLC0415
        from mem0_telemetry.operations._span import is_suppressed  # noqa: PLC0415

        self._opentelemetry = Operation, is_suppressed
        return self._opentelemetry

    def stop(self) -> None:
        """Let every call pass from now on; a wrapper may outlive us inside somebody else's."""
        self._stopped = True

    def wrapper(self, original: Any, module: str, class_name: str, name: str) -> Callable[..., Any]:
        """Return the function that calls a method of Mem0's classes and records it."""
        hosted = module == mem0.HOSTED
        labels = {_semconv.GEN_AI_OPERATION_NAME: _semconv.OPERATION_NAMES[name]}
        if hosted:
            labels[_semconv.GEN_AI_PROVIDER_NAME] = _semconv.HOSTED_PROVIDER
        attributes = {**labels, _semconv.CODE_FUNCTION_NAME: f"{module}.{class_name}.{name}"}
        method = Method(name, mem0.METHODS[name], hosted, labels, attributes)
        return recorded(original, Begin(self.begin, method))

    def signals(self) -> str:
        """Return in words what would be recorded now."""
        found = {
            "traces": self._traces.find(self._settings.tracer_provider),
            "metrics": self._metrics.find(self._settings.meter_provider),
        }
        names = " and ".join(name for name, recorder in found.items() if recorder is not None)
        return names or "nothing: the application has no OpenTelemetry provider"

    def begin(self, method: Method, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Operation | None:
        """Begin an operation; None where nothing records, or the object is inside one already."""
        tracer = self._traces.find(self._settings.tracer_provider)
        histogram = self._metrics.find(self._settings.meter_provider)
        if (tracer is None and histogram is None) or self._stopped:
            return None
        instance = args[0] if args else kwargs.get("self")
        scope = CURRENT_SCOPE.get()
        if scope is not None and scope[0].instance is instance:
            return None
        new, is_suppressed = self._opentelemetry or self.prepare()
        if is_suppressed():
            return None
        operation = new(instance, method, histogram, self._settings)
        with _BEGINNING:
            operation.begin(args, kwargs, tracer, self._components)
        return operation
