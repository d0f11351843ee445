# SPDX-License-Identifier: Apache-2.0
"""`instrument()` and `uninstrument()`. Importing this module imports no OpenTelemetry.

The functions import the rest of this package inside a guard: even if it is broken, they return and `import mem0` works.
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


def instrument(  # noqa: PLR0913  # each is a keyword-only setting
    *,
    usage: bool = True,
    operations: bool = True,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    request_hook: Callable[..., Any] | None = None,
    response_hook: Callable[..., Any] | None = None,
) -> None:
    """Move Mem0's usage telemetry to OpenTelemetry, and record its operations in the application's traces and metrics.

    Works before or after `import mem0`; idempotent, silent, thread-safe. Never raises because of Mem0.

    Args:
        usage: replace Mem0's own telemetry. Consent decides whether any event is then sent (README).
        operations: record spans and metrics of Mem0's operations on the application's providers (docs/operations.md).
        tracer_provider: for operations; default: the global provider, if the application has one.
        meter_provider: for operations; default: the global provider, if the application has one.
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

            current.usage.switches.warn()  # outside the lock: a log handler may use Mem0 and wait for it


def uninstrument() -> None:
    """Restore Mem0's own names and classes. Idempotent, silent, thread-safe.

    Queued events are still delivered. Never builds a native PostHog client, and never turns telemetry on: if usage
    telemetry was off, Mem0's own flag stays `False`, and a later `instrument()` also reads it.
    """
    with _lock.of_this_process():
        with guard("restoring Mem0's telemetry"):
            from mem0_telemetry.usage import current  # noqa: PLC0415

            current.usage.restore_native()
        with guard("uninstrumenting Mem0's operations"):
            from mem0_telemetry.operations import remove  # noqa: PLC0415

            remove()


def _replace_native() -> None:
    # Import `status` now, although it is not needed here: a child forked during its import could never use it.
    from mem0_telemetry.api import status  # noqa: F401, PLC0415
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    usage.switches.decide()  # decide before the drop-in does, which then leaves the warnings to us
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it reads the environment

    usage.replace_native(telemetry)
