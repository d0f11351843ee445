# SPDX-License-Identifier: Apache-2.0
"""The application's tracer and histogram, found at each call without importing OpenTelemetry.

Where the process has not imported `opentelemetry.trace` or `.metrics` there can be no provider, and none is
found; likewise for the API's own no-op providers. Providers that were passed explicitly are used as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mem0_telemetry.base.guard import guard
from mem0_telemetry.operations import _semconv
from mem0_telemetry.version import SCHEMA_URL, __version__

if TYPE_CHECKING:  # the application is the first to import it
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

_T = TypeVar("_T")


class Signal(Generic[_T]):
    """One signal: finds the provider in force and remembers what was built from it."""

    # Slots, not class attributes, which cost 0.1 µs each: they are read at every call.
    __slots__ = ("_asked", "_build", "_built", "_getter", "_holder", "_module", "_variable")

    def __init__(
        self, *, module: str, getter: str, holder: str, variable: str, build: Callable[[Any], _T | None]
    ) -> None:
        self._module = module
        self._getter = getter
        self._holder = holder
        self._variable = variable
        self._build = build
        self._asked = False
        self._built: tuple[object, _T | None] = (None, None)

    def find(self, provider: object | None) -> _T | None:
        """Return what records this signal, of `provider` or else the global one; None where there is none."""
        if provider is None:
            provider = getattr(sys.modules.get(self._holder), self._variable, None)
            if provider is None:
                provider = self._ask()
                if provider is None:
                    return None
        built = self._built
        if built[0] is not provider:
            built = (provider, None)
            with guard("using an OpenTelemetry provider"):
                built = (provider, self._build(provider))
            self._built = built
        return built[1]

    def _ask(self) -> object | None:
        # Where no provider has been set, the public getter reads the environment at every call (0.8 µs). It
        # is asked once, which is all that OTEL_PYTHON_*_PROVIDER needs; from then on the variable that it
        # returns is watched.
        module = sys.modules.get(self._module)
        if module is None or (self._asked and hasattr(sys.modules.get(self._holder), self._variable)):
            return None
        self._asked = True
        with guard("asking for the OpenTelemetry provider"):
            provider: object = getattr(module, self._getter)()
            return provider
        return None


def traces() -> Signal[Tracer]:
    """Return the signal whose recorder is a tracer."""
    return Signal(
        module="opentelemetry.trace",
        getter="get_tracer_provider",
        holder="opentelemetry.trace",
        variable="_TRACER_PROVIDER",
        build=_tracer,
    )


def metrics() -> Signal[Histogram]:
    """Return the signal whose recorder is the histogram of operation durations."""
    return Signal(
        module="opentelemetry.metrics",
        getter="get_meter_provider",
        holder="opentelemetry.metrics._internal",
        variable="_METER_PROVIDER",
        build=_histogram,
    )


def _tracer(provider: TracerProvider) -> Tracer | None:
    from opentelemetry.trace import NoOpTracer, NoOpTracerProvider, ProxyTracerProvider  # noqa: PLC0415

    if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
        return None
    tracer = provider.get_tracer(_semconv.SCOPE_NAME, __version__, schema_url=SCHEMA_URL)
    return None if isinstance(tracer, NoOpTracer) else tracer


def _histogram(provider: MeterProvider) -> Histogram | None:
    from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider  # noqa: PLC0415

    # The API's object for "none has been set" has no public name.
    if isinstance(provider, NoOpMeterProvider) or type(provider).__name__ == "_ProxyMeterProvider":
        return None
    meter = provider.get_meter(_semconv.SCOPE_NAME, __version__, schema_url=SCHEMA_URL)
    if isinstance(meter, NoOpMeter):
        return None
    return meter.create_histogram(
        _semconv.DURATION_METRIC,
        unit=_semconv.DURATION_UNIT,
        description=_semconv.DURATION_DESCRIPTION,
        explicit_bucket_boundaries_advisory=list(_semconv.DURATION_BOUNDARIES),
    )
