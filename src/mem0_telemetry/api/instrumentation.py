# SPDX-License-Identifier: Apache-2.0
"""`instrument()` and `uninstrument()`: plain functions that import no OpenTelemetry.

What they import is inside their guard: however we are broken, they return, and `import mem0` works.
"""

from __future__ import annotations

from mem0_telemetry.base.guard import guard
from mem0_telemetry.base.lock import ForkSafeLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_lock = ForkSafeLock()


def instrument(  # noqa: PLR0913  # each is a setting by name
    *,
    usage: bool = True,
    operations: bool = True,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Callable[..., Any] | None = None,
    response_hook: Callable[..., Any] | None = None,
) -> None:
    """Put Mem0's usage telemetry on OpenTelemetry, and its operations into the application's own traces and metrics.

    Works before or after `import mem0`; idempotent, silent, thread-safe. Never raises on account of Mem0.

    Args:
        usage: replace Mem0's own telemetry. Whether anything is then sent is for consent to say (README).
        operations: spans and metrics of Mem0's operations on the application's own providers (docs/operations.md).
        tracer_provider: for operations; default: the global one, if the application has one.
        meter_provider: likewise.
        request_hook: for operations; called with each span and the call's arguments.
        response_hook: for operations; called with each span and the result.
    """
    with _lock.of_this_process():
        with guard("replacing Mem0's telemetry"):
            if usage:
                _replace_native()
        with guard("instrumenting Mem0's operations"):
            if operations:
                from mem0_telemetry.operations import install  # noqa: PLC0415

                install(
                    tracer_provider=tracer_provider,
                    meter_provider=meter_provider,
                    request_hook=request_hook,
                    response_hook=response_hook,
                )
    with guard("saying what is wrong with a destination"):
        if usage:
            from mem0_telemetry.usage import current  # noqa: PLC0415

            current.usage.switches.warn()  # outside the lock: a log handler may use Mem0, and wait for it


def uninstrument() -> None:
    """Take everything back: Mem0's own names, and its classes as they were. Idempotent, silent, thread-safe.

    What has been queued is still delivered. Never builds a native PostHog client, and never turns telemetry on:
    where we were opted out, Mem0's own flag is left `False`, which counts for a later `instrument()` as well.
    """
    with _lock.of_this_process():
        with guard("restoring Mem0's telemetry"):
            from mem0_telemetry.usage import current  # noqa: PLC0415

            current.usage.restore_native()
        with guard("uninstrumenting Mem0's operations"):
            from mem0_telemetry.operations import remove  # noqa: PLC0415

            remove()


def _replace_native() -> None:
    # `status` is not needed here. But a child that is forked while another thread imports it can never use it.
    from mem0_telemetry.api import status  # noqa: F401, PLC0415
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    usage.switches.decide()  # first of all: then the drop-in, which decides too, leaves the warnings to us
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it reads the environment

    usage.replace_native(telemetry)
