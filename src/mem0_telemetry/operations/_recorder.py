"""Decides at each call whether there is anything to record into, and begins the operation if so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mem0_telemetry._guard import guard
from mem0_telemetry.operations import _signals
from mem0_telemetry.operations._calls import Call
from mem0_telemetry.operations._components import Components
from mem0_telemetry.operations._scope import CURRENT_SCOPE
from mem0_telemetry.operations._wrappers import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mem0_telemetry.operations._calls import Method
    from mem0_telemetry.operations._operation import Operation
    from mem0_telemetry.operations._patches import Patches
    from mem0_telemetry.operations._settings import Settings


class Recorder:
    """What every wrapper asks before it calls Mem0. Thread-safe: it holds nothing of a call."""

    def __init__(self, settings: Settings, patches: Patches) -> None:
        self._settings = settings
        self._components = Components(patches)
        self._traces = _signals.traces()
        self._metrics = _signals.metrics()
        self._begin: Callable[..., Operation | None] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Let every call pass from now on; a wrapper may outlive us inside somebody else's."""
        self._stopped = True

    def wrapper(self, original: Callable[..., Any], method: Method) -> Callable[..., Any]:
        """Return the function that calls a method of Mem0's classes and records it."""
        return recorded(original, partial(self.begin, method))

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
        scope = CURRENT_SCOPE.get()
        call = Call(method, args, kwargs)
        if scope is not None and scope.operation.instance is call.instance and not scope.operation.over:
            return None
        with guard("beginning an operation"):
            if self._begin is None:
                # OpenTelemetry is imported with this, and the application has imported it already.
                from mem0_telemetry.operations._operation import begin  # noqa: PLC0415

                self._begin = begin
            if tracer is not None and not method.hosted:
                self._components.meet(call.instance)
            return self._begin(call, tracer, histogram, self._settings)
        return None
