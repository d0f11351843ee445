"""Mem0's operations as spans and metrics in the application's own OpenTelemetry providers.

The application's channel: nothing here is ever sent to the vendor, and the switches of usage telemetry do not
touch it. Importing this package imports no OpenTelemetry, and neither does a call into Mem0 in a process that
has not imported it: such a call passes straight through.
"""

from __future__ import annotations

from mem0_telemetry.operations._instrumentation import Instrumentation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from mem0_telemetry.operations._settings import RequestHook, ResponseHook

__all__ = ["install", "remove", "state"]

_instrumentation = Instrumentation()


def install(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: RequestHook | None = None,
    response_hook: ResponseHook | None = None,
) -> None:
    """Record Mem0's operations from now on, whether Mem0 has been imported already or is imported later.

    Idempotent, silent and thread-safe. A second call changes what it names and leaves the rest as it is.

    Args:
        tracer_provider: where spans go; by default the process's global provider, looked up at each call.
        meter_provider: where the duration histogram goes; by default likewise.
        request_hook: called as `request_hook(span, instance, args, kwargs)` when an operation's span has
            begun, with the Mem0 object and the arguments of the call. An exception that it raises is dropped.
        response_hook: called as `response_hook(span, instance, result)` before the span of a successful
            operation ends, likewise.
    """
    _instrumentation.install(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        request_hook=request_hook,
        response_hook=response_hook,
    )


def remove() -> None:
    """Put everything back as it was before `install`. Idempotent; operations under way end as they began."""
    _instrumentation.remove()


def state() -> tuple[bool, str]:
    """Return whether operations are being recorded in this process, and the reason in words."""
    return _instrumentation.state()
