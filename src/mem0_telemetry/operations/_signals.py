# SPDX-License-Identifier: Apache-2.0
"""Find the application's tracer and histogram at each call, without importing OpenTelemetry.

A process that has not imported `opentelemetry.trace` or `.metrics` cannot have set a provider. The API's own no-op
providers count as none. A provider that the application passed to `install` comes before the global one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mem0_telemetry.base.guard import guard
from mem0_telemetry.operations import _semconv
from mem0_telemetry.version import SCHEMA_URL, __version__

if TYPE_CHECKING:  # the application must import it first
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

_T = TypeVar("_T")

_ASKING = guard("asking for an OpenTelemetry provider")


class Signal(Generic[_T]):
    """One signal: finds the current provider and caches the tracer or histogram built from it.

    Args:
        module: the module of the API that holds the global provider.
        getter: the function in that module that returns the provider.
        variable: the environment variable that may name the provider.
        build: returns the tracer or histogram of a provider, or None if the provider does nothing.
    """

    def __init__(self, module: str, getter: str, variable: str, build: Callable[[Any], _T | None]) -> None:
        self._module = module
        self._getter = getter
        self._variable = variable
        self._build = build
        self._built: tuple[object, _T | None] = (None, None)
        self._failed = False

    def find(self, provider: object | None) -> _T | None:
        """Return the tracer or histogram of `provider` (None: the global one), or None if it does nothing."""
        if provider is None:
            # The getter may be missing while another thread is importing its module.
            get_provider = getattr(sys.modules.get(self._module), self._getter, None)
            if get_provider is None or self._failed:
                return None
            with _ASKING:
                provider = get_provider()
            if provider is None:
                # If the environment names a provider that fails to load, OpenTelemetry logs that at each call.
                self._failed = self._variable in os.environ
                return None
        built = self._built
        if built[0] is not provider:
            built = (None, None)
            with guard("using an OpenTelemetry provider"):  # if this fails, the next call tries again
                built = self._built = (provider, self._build(provider))
        return built[1]


def tracer_of(provider: TracerProvider) -> Tracer | None:
    """Return the tracer of a provider, or None if the provider does nothing."""
    from opentelemetry.trace import NoOpTracer, ProxyTracerProvider  # noqa: PLC0415

    if isinstance(provider, ProxyTracerProvider):
        return None
    tracer = provider.get_tracer(_semconv.SCOPE_NAME, __version__, schema_url=SCHEMA_URL)
    return None if isinstance(tracer, NoOpTracer) else tracer


def histogram_of(provider: MeterProvider) -> Histogram | None:
    """Return the histogram of operation durations, or None if the provider does nothing."""
    from opentelemetry.metrics import NoOpMeter  # noqa: PLC0415

    if type(provider).__name__ == "_ProxyMeterProvider":  # a private class of the API
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
