# SPDX-License-Identifier: Apache-2.0
"""Check at each call whether any provider records, and begin an operation if one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.operations._calls import CURRENT_SCOPE, Method, Settings
from mem0_telemetry.operations._signals import Signal, histogram_of, tracer_of
from mem0_telemetry.operations._wrappers import Patches

if TYPE_CHECKING:  # these modules import OpenTelemetry
    from mem0_telemetry.operations._components import Components
    from mem0_telemetry.operations._operation import Operation

_BEGINNING = guard("beginning an operation")


class Recorder:
    """Begins the operation of each call of a wrapper. Thread-safe: it holds no state of a call."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.patches = Patches()
        self._traces = Signal(
            "opentelemetry.trace", "get_tracer_provider", "OTEL_PYTHON_TRACER_PROVIDER", tracer_of
        )
        self._metrics = Signal(
            "opentelemetry.metrics", "get_meter_provider", "OTEL_PYTHON_METER_PROVIDER", histogram_of
        )
        self._prepared: tuple[type[Operation], Components] | None = None

    def prepare(self, _: object = None) -> tuple[type[Operation], Components]:
        """Import the modules of an operation. They import OpenTelemetry, so the application must import it first.

        Called right after `opentelemetry.trace` has been imported. The first operation would be too late: if another
        thread forks during our import, the child waits for that import for ever.
        """
        from mem0_telemetry.operations._components import Components  # noqa: PLC0415
        from mem0_telemetry.operations._operation import Operation  # noqa: PLC0415

        self._prepared = Operation, Components(self.patches)
        return self._prepared

    def signals(self) -> str:
        """Return in words which signals would be recorded now."""
        found = {
            "traces": self._traces.find(self.settings.tracer_provider),
            "metrics": self._metrics.find(self.settings.meter_provider),
        }
        names = " and ".join(name for name, recorder in found.items() if recorder is not None)
        return names or "nothing: the application has no OpenTelemetry provider"

    def begin(self, method: Method, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Operation | None:
        """Begin an operation. Return None if nothing records, or if the object is already inside one."""
        operation = None
        try:
            with _BEGINNING:
                tracer = self._traces.find(self.settings.tracer_provider)
                histogram = self._metrics.find(self.settings.meter_provider)
                # Other code that has wrapped our wrapper still calls it after `remove`.
                if (tracer is None and histogram is None) or self.patches.restored:
                    return None
                instance = args[0] if args else kwargs.get("self")
                scope = CURRENT_SCOPE.get()
                if scope is not None and scope[0].instance is instance:
                    return None
                new, components = self._prepared or self.prepare()
                around = new.unsuppressed_context()
                if around is not None:
                    operation = new(method, histogram, self.settings)
                    operation.instance = instance
                    operation.begin(args, kwargs, tracer, around, components)
        except BaseException as error:  # such as Ctrl-C in a sampler: it propagates, but the scope ends
            if operation is not None:
                operation.__exit__(None, error, None)
            raise
        return operation
