"""`instrument()` and `uninstrument()`: plain functions that import no OpenTelemetry."""

from __future__ import annotations

from mem0_telemetry.base.guard import guard
from mem0_telemetry.base.lock import ForkSafeLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from mem0_telemetry.mem0_internals.drop_in import DropIn

_lock = ForkSafeLock()
_drop_in: list[DropIn] = []


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
                _begin_usage()
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
            _warn()  # outside the lock: a log handler may use Mem0, and wait for it


def uninstrument() -> None:
    """Take everything back: Mem0's own names, and its classes as they were. Idempotent, silent, thread-safe.

    What has been queued is still delivered. Never builds a native PostHog client, and never turns telemetry on:
    where we were opted out, Mem0's own flag is left `False`, which counts for a later `instrument()` as well.
    """
    with _lock.of_this_process():
        if _drop_in:
            with guard("restoring Mem0's telemetry"):
                _end_usage()
        with guard("uninstrumenting Mem0's operations"):
            from mem0_telemetry.operations import remove  # noqa: PLC0415

            remove()


def is_in_place() -> bool:
    """Return whether the drop-in is in place of Mem0's own telemetry."""
    return bool(_drop_in) and _drop_in[0].active


def not_replaced() -> tuple[str, ...]:
    """Return the names of Mem0's that hold something of the application's, which the drop-in did not replace."""
    return _drop_in[0].not_replaced() if _drop_in else ()


def _begin_usage() -> None:
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    usage.switches.consult()  # first of all: then the drop-in, which decides too, leaves the warnings to us
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it reads the environment
    from mem0_telemetry.mem0_internals.drop_in import DropIn  # noqa: PLC0415

    if not _drop_in:
        _drop_in.append(DropIn(telemetry, found=_note_native))
    _drop_in[0].replace()


def _warn() -> None:
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    usage.switches.warn()


def _note_native(native: ModuleType | None) -> None:
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    usage.switches.meet_native(native)


def _end_usage() -> None:
    from mem0_telemetry.usage.current import usage  # noqa: PLC0415

    _drop_in[0].restore(opted_out=usage.switches.leaves_off())
    _note_native(None)
